import { afterEach, expect, test } from "vitest";
import { startedClient, message } from "./test-support/raw-client.fixture.ts";
import { startSimulator } from "./server.ts";
import { readStrictly } from "./test-support/message-layouts.fixture.ts";
import { testAccount, createFixture, instrumentOf, mondayMorning } from "./test-support/world.fixture.ts";

function priced(at = mondayMorning, options = {}) {
  const fixture = createFixture(at, options);
  const apple = instrumentOf(fixture.world, 265598);
  const quote = () => fixture.world.market.quote(apple, fixture.world.now());
  return { ...fixture, quote, ledger: fixture.world.ledger };
}

const cents = (value: number) => Math.round(value * 100) / 100;

test("a trailing stop limit follows the market, and rests at its limit once it has sprung", () => {
  const { place, pass, ledger, quote } = priced();
  const start = cents((quote().last ?? 0) - 0.4);
  const echo = { trailStopPrice: String(start), lmtPriceOffset: "0.05" };
  place({ action: "SELL", orderType: "TRAIL LIMIT", auxPrice: 0.4, echo });
  let best = quote().last ?? 0;
  let stop = start;
  for (let step = 0; step < 20_000 && ledger.openOrders().length > 0; step += 1) {
    best = Math.max(best, quote().last ?? 0);
    stop = Number(ledger.openOrders()[0]?.request.echo["trailStopPrice"]);
    pass(1000);
  }
  expect(stop).toBeCloseTo(best - 0.4, 1);
  expect(ledger.executions()[0]?.price).toBeGreaterThanOrEqual(cents(stop - 0.05));
});

test("a trailing stop limit without its first stop or its offset is refused", () => {
  const { place, said } = priced();
  place({ orderType: "TRAIL LIMIT", auxPrice: 1, echo: { lmtPriceOffset: "0.1" } });
  place({ orderType: "TRAIL LIMIT", auxPrice: 1, echo: { trailStopPrice: "300" } });
  expect(said().map((line) => line.slice(0, 11))).toEqual(["error 1 321", "error 2 321"]);
});

test("a relative order waits on its own side, never beyond its cap, and fills when someone trades there", () => {
  const { place, pass, ledger, said, quote } = priced();
  const cap = cents((quote().bid ?? 0) + 0.5);
  place({ orderType: "REL", auxPrice: 0, limitPrice: cap });
  expect(said()).toEqual(["order 1 PreSubmitted 0/10", "order 1 Submitted 0/10"]);
  for (let step = 0; step < 20_000 && ledger.openOrders().length > 0; step += 1) pass(1000);
  const [execution] = ledger.executions();
  expect(execution?.price).toBeLessThanOrEqual(cap);
});

test("a GTD order lapses at its time, and one that has passed is refused", () => {
  const { place, pass, said } = priced();
  place({ orderType: "LMT", limitPrice: 1, tif: "GTD", echo: { goodTillDate: "20261123-17:00:00" } });
  pass(59 * 60_000);
  expect(said()).toEqual(["order 1 PreSubmitted 0/10", "order 1 Submitted 0/10"]);
  pass(2 * 60_000);
  expect(said()).toEqual(["status 1 Cancelled 0/10", "error 1 202 Order Canceled - reason:"]);

  place({ orderType: "LMT", limitPrice: 1, tif: "GTD", echo: { goodTillDate: "20261123-16:00:00" } });
  place({ orderType: "LMT", limitPrice: 1, tif: "GTD", echo: { goodTillDate: "tomorrow" } });
  expect(said().map((line) => line.slice(0, 11))).toEqual(["error 2 201", "error 3 343"]);
});

test("an order for the opening auction waits for the next open, and is for MKT and LMT only", () => {
  const { place, pass, said, moveTo, ledger } = priced();
  place({ tif: "OPG" });
  expect(said()).toEqual(["order 1 PreSubmitted 0/10"]);
  pass(60 * 60_000);
  expect(said()).toEqual([]);
  moveTo(Date.UTC(2026, 10, 24, 14, 30, 1));
  pass(0);
  expect(ledger.executions()).toMatchObject([{ shares: 10 }]);
  said();
  place({ tif: "OPG", orderType: "STP", auxPrice: 100 });
  expect(said()[0]).toMatch(/^error 2 201 /);
});

test("outside regular hours is ignored with warning 2109 where the type cannot have it", () => {
  const evening = Date.UTC(2026, 10, 23, 22);
  const { place, said } = priced(evening, { realHours: true });
  place({ outsideRth: true });
  const [first, second, third] = said();
  expect(first).toMatch(/^error 1 2109 Order Event Warning:.*is ignored/);
  expect(second).toBe("order 1 PreSubmitted 0/10");
  expect(third).toMatch(/^error 1 399 /);
});

test("a corrected fill comes again under the next version of its id, and the cash follows", () => {
  const { place, heard, ledger } = priced();
  const cash = () =>
    Number(ledger.accountValues(testAccount).find(({ key }) => key === "TotalCashBalance")?.value);
  place({});
  const [first] = ledger.executions();
  const before = cash();
  heard();

  expect(ledger.correct(first?.execId ?? "", (first?.price ?? 0) + 1)).toBe(true);

  const events = heard();
  expect(events.map(({ type }) => type)).toEqual([
    "execution",
    "status",
    "commission",
    "position",
    "account",
  ]);
  const [told] = events;
  expect(told).toMatchObject({
    execution: { execId: first?.execId.replace(/01$/, "02"), price: (first?.price ?? 0) + 1, shares: 10 },
  });
  expect(cash()).toBeCloseTo(before - 10, 2);
  expect(ledger.correct("0000e0d5.00000000.01.01", 5)).toBe(false);
});

const simulators: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(simulators.splice(0).map((one) => one.close()));
});

test.for([151, 164, 177, 193])(
  "a trailing order is shown with the stop where it stands, at version %i",
  async (version) => {
    const simulator = await startSimulator({ seed: 7, serverVersion: version });
    simulators.push(simulator);
    const client = await startedClient(simulator.port, version, 1);
    const apple = instrumentOf(simulator.world, 265598);
    const last = simulator.world.market.quote(apple, simulator.world.now()).last ?? 0;
    simulator.world.ledger.place({
      clientId: 1,
      orderId: 1,
      instrument: apple,
      routing: "SMART",
      action: "SELL",
      quantity: 10,
      orderType: "TRAIL",
      limitPrice: null,
      auxPrice: 5,
      tif: "GTD",
      outsideRth: false,
      account: testAccount,
      transmit: true,
      parentId: 0,
      ocaGroup: "",
      ocaType: 0,
      orderRef: "",
      whatIf: false,
      echo: { goodTillDate: "20991231-17:00:00" },
    });
    client.send(16, 1);
    await client.waitFor(message(53));
    const open = client.messages.findLast(message(5)) ?? [];
    const row = readStrictly(open, version);
    expect(row).toMatchObject({ orderType: "TRAIL", auxPrice: "5", tif: "GTD" });
    expect(row["goodTillDate"]).toBe("20991231-17:00:00");
    expect(Number(row["trailStopPrice"])).toBeCloseTo(last - 5, 0);
  },
);
