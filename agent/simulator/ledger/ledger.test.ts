import { expect, test } from "vitest";
import { testAccount, createFixture, instrumentOf, mondayMorning } from "../test-support/world.fixture.ts";

const canceled = "Order Canceled - reason:";

function priced(at = mondayMorning, options = {}) {
  const fixture = createFixture(at, options);
  const apple = instrumentOf(fixture.world, 265598);
  const quote = () => fixture.world.market.quote(apple, fixture.world.now());
  return {
    ...fixture,
    apple,
    quote,
    ledger: fixture.world.ledger,
    ask: () => quote().ask ?? 0,
    bid: () => quote().bid ?? 0,
  };
}

test("fills a market order in place, and tells it in a gateway's order", () => {
  const { place, heard, said, ask } = priced();
  place({});
  const events = heard();
  const [execution] = events.flatMap((event) => (event.type === "execution" ? [event.execution] : []));
  expect(execution).toMatchObject({
    side: "BOT",
    shares: 10,
    price: ask(),
    cumQty: 10,
    commission: 1,
    realizedPnl: null,
  });
  expect(execution?.execId).toMatch(/^0000e0d5\.[0-9a-f]{8}\.01\.01$/);
  place({});
  expect(said()).toEqual([
    "order 2 PreSubmitted 0/10",
    "execution 2 10",
    "order 2 Filled 10/0",
    "commission 2 10",
    "position AAPL 120",
    `account ${testAccount}`,
  ]);
});

test("lets a limit order rest until the market comes to it, and fills it at its limit", () => {
  const { place, pass, said, bid, ledger, world, apple } = priced();
  const limitPrice = Math.round((bid() - 0.05) * 100) / 100;
  place({ orderType: "LMT", limitPrice });
  expect(said()).toEqual(["order 1 PreSubmitted 0/10", "order 1 Submitted 0/10"]);
  for (let step = 0; step < 10_000 && ledger.openOrders().length > 0; step += 1) pass(1000);
  expect(ledger.executions()).toMatchObject([{ price: limitPrice, order: { status: "Filled" } }]);
  expect(world.market.quote(apple, world.now()).ask).toBeLessThanOrEqual(limitPrice);
});

test("fills an order larger than the displayed size in parts, a slice for each look at the market", () => {
  const { place, pass, said, heard, quote } = priced();
  const displayed = quote().askSize ?? 0;
  place({ quantity: displayed + 100 });
  expect(said()).toEqual([
    `order 1 PreSubmitted 0/${displayed + 100}`,
    `order 1 Submitted 0/${displayed + 100}`,
    `execution 1 ${displayed}`,
    `order 1 Submitted ${displayed}/100`,
    `commission 1 ${displayed}`,
    `position AAPL ${displayed + 100}`,
    `account ${testAccount}`,
  ]);
  // the same instant has nothing more to give
  pass(0);
  expect(said()).toEqual([]);
  pass(1000);
  const [last] = heard().flatMap((event) => (event.type === "execution" ? [event.execution] : []));
  expect(last).toMatchObject({ shares: 100, cumQty: displayed + 100, order: { status: "Filled" } });
});

test("gives a large limit order within the market the market's price in every part", () => {
  const { place, pass, ledger, quote, ask } = priced();
  const limitPrice = Math.round(ask() + 20);
  place({ orderType: "LMT", limitPrice, quantity: (quote().askSize ?? 0) * 3 });
  // as often as the simulator looks
  for (let step = 0; step < 1_000 && ledger.openOrders().length > 0; step += 1) pass(100);
  const prices = ledger.executions().map(({ price }) => price);
  expect(prices.length).toBeGreaterThan(1);
  expect(Math.max(...prices)).toBeLessThan(limitPrice - 15);
});

test("charges the smallest commission once for an order, however many parts it fills in", () => {
  const { place, pass, ledger, quote } = priced();
  const quantity = (quote().askSize ?? 0) * 3;
  place({ quantity });
  for (let step = 0; step < 100 && ledger.openOrders().length > 0; step += 1) pass(1000);
  const fills = ledger.executions();
  expect(fills.length).toBeGreaterThan(1);
  expect(fills.reduce((sum, { commission }) => sum + commission, 0)).toBeCloseTo(
    Math.max(1, quantity * 0.005),
    4,
  );
});

test("keeps a stop aside until the last price reaches it, then sends it to the market", () => {
  const { place, pass, said, bid, quote, ledger } = priced();
  const auxPrice = Math.round((bid() - 0.3) * 100) / 100;
  place({ action: "SELL", orderType: "STP", auxPrice });
  expect(said()).toEqual(["order 1 PreSubmitted 0/10 trigger"]);
  for (let step = 0; step < 20_000 && ledger.openOrders().length > 0; step += 1) {
    expect(quote().last).toBeGreaterThan(auxPrice);
    pass(1000);
  }
  expect(quote().last).toBeLessThanOrEqual(auxPrice);
  expect(ledger.executions()[0]?.price).toBe(bid());
});

test("turns a reached stop limit into a limit order", () => {
  const { place, said, ask } = priced();
  const far = Math.round((ask() - 5) * 100) / 100;
  place({ orderType: "STP LMT", auxPrice: far, limitPrice: far });
  expect(said()).toEqual(["order 1 PreSubmitted 0/10 trigger", "order 1 Submitted 0/10"]);
});

test("drags a trailing stop behind the market and springs it when the market turns", () => {
  const { place, pass, ledger, quote } = priced();
  place({ action: "SELL", orderType: "TRAIL", auxPrice: 0.4 });
  let best = quote().last ?? 0;
  for (let step = 0; step < 20_000 && ledger.openOrders().length > 0; step += 1) {
    best = Math.max(best, quote().last ?? 0);
    pass(1000);
  }
  expect(quote().last).toBeLessThanOrEqual(best - 0.4 + 0.005);
  expect(ledger.executions()).toHaveLength(1);
});

test("springs an order that waits for a better price when the market touches it", () => {
  const { place, said, ask } = priced();
  place({ orderType: "MIT", auxPrice: Math.round((ask() + 1) * 100) / 100 });
  expect(said()).toContain("order 1 Filled 10/0");
});

test("sends a market-on-close order when the session ends", () => {
  const { place, pass, said, moveTo } = priced();
  place({ orderType: "MOC" });
  pass(1000);
  expect(said()).toEqual(["order 1 PreSubmitted 0/10"]);
  moveTo(Date.UTC(2026, 10, 23, 21));
  pass(0);
  expect(said()).toContain("order 1 Filled 10/0");
});

test("cancels what an IOC order could not fill", () => {
  const { place, said, quote } = priced();
  place({ tif: "IOC", orderType: "LMT", limitPrice: 10 });
  expect(said()).toEqual([
    "order 1 PreSubmitted 0/10",
    "order 1 PendingCancel 0/10",
    "status 1 Cancelled 0/10",
  ]);
  const displayed = quote().askSize ?? 0;
  place({ tif: "IOC", quantity: displayed + 50 });
  expect(said().slice(-2)).toEqual([
    `order 2 PendingCancel ${displayed}/50`,
    `status 2 Cancelled ${displayed}/50`,
  ]);
});

test("fills a FOK order whole or makes it inactive", () => {
  const { place, said, quote } = priced();
  place({ tif: "FOK" });
  expect(said()).toContain("order 1 Filled 10/0");
  const quantity = (quote().askSize ?? 0) + 1;
  place({ tif: "FOK", quantity });
  expect(said()).toEqual([`order 2 PreSubmitted 0/${quantity}`, `order 2 Inactive 0/${quantity}`]);
});

test("says nothing of an order until it is transmitted", () => {
  const { place, said, ledger } = priced();
  place({ orderType: "LMT", limitPrice: 10, transmit: false });
  expect(said()).toEqual([]);
  expect(ledger.openOrders()).toEqual([]);
  expect(ledger.nextValidId(1)).toBe(2);
  place({ orderId: 1, orderType: "LMT", limitPrice: 10 });
  expect(said()).toEqual(["order 1 PreSubmitted 0/10", "order 1 Submitted 0/10"]);
});

function placeBracket(
  { place, ask }: ReturnType<typeof priced>,
  parent: { orderType: string; limitPrice: number | null },
) {
  const near = (offset: number) => Math.round((ask() + offset) * 100) / 100;
  place({ orderId: 1, ...parent, transmit: false });
  place({ orderId: 2, action: "SELL", orderType: "LMT", limitPrice: near(30), parentId: 1, transmit: false });
  place({ orderId: 3, action: "SELL", orderType: "STP", auxPrice: near(-30), parentId: 1 });
}

test("releases a bracket with its last leg, and lets the children work once the parent has filled", () => {
  const fixture = priced();
  placeBracket(fixture, { orderType: "MKT", limitPrice: null });
  const said = fixture.said();
  expect(said.slice(0, 3)).toEqual([
    "order 1 PreSubmitted 0/10",
    "order 2 PreSubmitted 0/10 child",
    "order 3 PreSubmitted 0/10 child,trigger",
  ]);
  expect(said.slice(-2)).toEqual(["order 3 PreSubmitted 0/10 trigger", "order 2 Submitted 0/10"]);
});

test("cancels the stop of a bracket when its target fills", () => {
  const fixture = priced();
  placeBracket(fixture, { orderType: "MKT", limitPrice: null });
  fixture.said();
  fixture.place({ orderId: 2, action: "SELL", orderType: "LMT", limitPrice: fixture.bid() });
  expect(fixture.said().slice(-2)).toEqual(["status 3 Cancelled 0/10", `error 3 202 ${canceled}`]);
  expect(fixture.ledger.openOrders()).toEqual([]);
  expect(fixture.ledger.completedOrders().map(({ completedStatus }) => completedStatus)).toContain(
    "Filled Size: 10",
  );
});

test("cancels the children with their parent", () => {
  const fixture = priced();
  placeBracket(fixture, { orderType: "LMT", limitPrice: 10 });
  fixture.said();
  fixture.ledger.cancel(1, 1);
  expect(fixture.said()).toEqual([
    "status 1 PendingCancel 0/10",
    "status 1 Cancelled 0/10",
    `error 1 202 ${canceled}`,
    "status 2 Cancelled 0/10",
    `error 2 202 ${canceled}`,
    "status 3 Cancelled 0/10",
    `error 3 202 ${canceled}`,
  ]);
});

test("cancels the rest of an OCA group when one of it fills", () => {
  const { place, said, ledger, quote } = priced();
  place({ orderType: "LMT", limitPrice: 10, quantity: 30, ocaGroup: "either", ocaType: 1 });
  place({ orderType: "LMT", limitPrice: 11, ocaGroup: "other", ocaType: 1 });
  said();
  place({ ocaGroup: "either", ocaType: 1 });
  expect(said().slice(-2)).toEqual(["status 1 Cancelled 0/30", `error 1 202 ${canceled}`]);
  expect(ledger.openOrders().map(({ request }) => request.orderId)).toEqual([2]);
  // types 2 and 3 shrink the others by what was filled
  const quantity = quote().askSize ?? 0;
  place({ orderType: "LMT", limitPrice: 10, quantity: quantity + 30, ocaGroup: "shrink", ocaType: 3 });
  place({ orderType: "MKT", quantity: 20, ocaGroup: "shrink", ocaType: 3 });
  expect(ledger.openOrders().at(-1)).toMatchObject({ remaining: quantity + 10, status: "Submitted" });
});

test("changes an order in place, keeping its permId, and fills it when the change makes it marketable", () => {
  const { place, said, ledger } = priced();
  place({ orderType: "LMT", limitPrice: 10 });
  const [{ permId } = { permId: 0 }] = ledger.openOrders();
  said();
  place({ orderId: 1, orderType: "LMT", limitPrice: 11, quantity: 20 });
  expect(said()).toEqual(["order 1 Submitted 0/20"]);
  expect(ledger.openOrders()).toMatchObject([{ permId, request: { limitPrice: 11, quantity: 20 } }]);
  place({ orderId: 1, quantity: 20 });
  expect(said()).toContain("order 1 Filled 20/0");
  expect(ledger.completedOrders()).toMatchObject([{ permId, completedStatus: "Filled Size: 20" }]);
});

test("cancels an order for its owner, and for anybody else who names it", () => {
  const { place, said, heard, ledger } = priced();
  place({ orderType: "LMT", limitPrice: 10 });
  said();
  ledger.cancel(1, 1);
  expect(said()).toEqual([
    "status 1 PendingCancel 0/10",
    "status 1 Cancelled 0/10",
    `error 1 202 ${canceled}`,
  ]);
  place({ orderType: "LMT", limitPrice: 10 });
  heard();
  ledger.cancel(5, 2);
  expect(heard()).toContainEqual({ type: "error", clientId: 5, orderId: 2, code: 202, text: canceled });
  expect(ledger.completedOrders().map(({ completedStatus }) => completedStatus)).toEqual([
    "Cancelled by Trader",
    "Cancelled by Trader",
  ]);
});

test("prefers a client's own order when two clients use the same number", () => {
  const { place, ledger } = priced();
  place({ clientId: 1, orderType: "LMT", limitPrice: 10 });
  place({ clientId: 2, orderType: "LMT", limitPrice: 10 });
  ledger.cancel(2, 1);
  expect(ledger.openOrders().map(({ request }) => request.clientId)).toEqual([1]);
  ledger.cancelAll(9);
  expect(ledger.openOrders()).toEqual([]);
});

test("lets a DAY order lapse at midnight in New York and keeps a GTC order", () => {
  const { place, pass, said, moveTo, ledger } = priced();
  place({ orderType: "LMT", limitPrice: 10 });
  place({ orderType: "LMT", limitPrice: 10, tif: "GTC" });
  said();
  moveTo(Date.UTC(2026, 10, 24, 4, 59, 59));
  pass(0);
  expect(said()).toEqual([]);
  pass(1000);
  expect(said()).toEqual(["status 1 Cancelled 0/10", `error 1 202 ${canceled}`]);
  expect(ledger.openOrders().map(({ request }) => request.orderId)).toEqual([2]);
});

test("trades at any hour by default, and with real hours waits for the exchange with warning 399", () => {
  const sunday = Date.UTC(2026, 10, 22, 20);
  const always = priced(sunday);
  always.place({});
  expect(always.said()).toContain("order 1 Filled 10/0");
  const { place, pass, said, moveTo, ask } = priced(sunday, { realHours: true });
  place({});
  expect(said()).toEqual([
    "order 1 PreSubmitted 0/10",
    "error 1 399 Order Message:\nBUY 10 AAPL NASDAQ.NMS\nWarning: Your order will not be placed at the exchange until 2026-11-23 09:30:00 US/Eastern.",
  ]);
  moveTo(Date.UTC(2026, 10, 23, 14, 29));
  pass(0);
  expect(said()).toEqual([]);
  pass(60_000);
  expect(said()).toContain("order 1 Filled 10/0");
  moveTo(Date.UTC(2026, 10, 23, 22));
  place({ outsideRth: true, orderType: "LMT", limitPrice: Math.ceil(ask() + 1) });
  expect(said()).toContain("order 2 Filled 10/0");
});

test("previews an order's margin and leaves no trace of it", () => {
  const { place, heard, ledger, ask } = priced();
  place({ orderId: 1, whatIf: true, quantity: 400 });
  const [event, ...others] = heard();
  expect(others).toEqual([]);
  if (event?.type !== "preview") throw new Error("There was no preview.");
  const { preview } = event;
  expect(preview).toMatchObject({ commission: 2, commissionCurrency: "USD" });
  expect(preview.initAfter - preview.initBefore).toBeCloseTo(400 * ask() * 0.25, 0);
  expect(ledger.nextValidId(1)).toBe(1);
  expect([ledger.openOrders(), ledger.completedOrders()]).toEqual([[], []]);
});

test("repeats itself event for event with the same seed, clock and calls", () => {
  const run = () => {
    const fixture = priced();
    placeBracket(fixture, { orderType: "MKT", limitPrice: null });
    fixture.place({ orderId: 4, quantity: 3000 });
    for (let step = 0; step < 20; step += 1) fixture.pass(700);
    return fixture.heard();
  };
  expect(run()).toEqual(run());
});

test("stops telling a listener that has left", () => {
  const { ledger, place } = priced();
  let events = 0;
  const leave = ledger.listen(() => (events += 1));
  place({});
  const before = events;
  leave();
  place({});
  expect(before).toBeGreaterThan(0);
  expect(events).toBe(before);
});
