import { expect, test } from "vitest";
import type { OrderRequest } from "./model/ledger.ts";
import { createFixture, instrumentOf, mondayMorning } from "./test-support/world.fixture.ts";

const priceText = "The price does not conform to the minimum price variation for this contract.";
const limit = { orderType: "LMT", limitPrice: 10 } as const;

const refusals: [name: string, change: Partial<OrderRequest>, code: number, text: RegExp | string][] = [
  ["an order id of zero", { orderId: 0 }, 10149, "Invalid order id: 0"],
  [
    "an unknown account",
    { account: "DU999" },
    321,
    /^Error validating request\.-'bF' : cause - Invalid account code/,
  ],
  [
    "an invented order type",
    { orderType: "FEELINGS" },
    321,
    "Error validating request.-'bF' : cause - Invalid order type was entered",
  ],
  [
    "an order type nobody simulates",
    { orderType: "PEG MID" },
    387,
    "Unsupported order type for this exchange and security type.",
  ],
  ["an invented time in force", { tif: "SOON" }, 321, /Invalid time in force/],
  ["no size", { quantity: 0 }, 434, "The order size cannot be zero."],
  ["a fraction of a share", { quantity: 1.5 }, 10243, /^Fractional-sized order cannot be placed via API/],
  ["a price between two ticks", { orderType: "LMT", limitPrice: 10.005 }, 110, priceText],
  ["a stop between two ticks", { orderType: "STP", auxPrice: 10.005 }, 110, priceText],
  ["a negative price", { orderType: "LMT", limitPrice: -1 }, 110, priceText],
  ["a limit order without a limit", { orderType: "LMT" }, 321, /limit price is missing/],
  ["a stop without a stop price", { orderType: "STP" }, 321, /stop price is missing/],
  ["a trail without a distance", { orderType: "TRAIL" }, 321, /trailing amount is missing/],
  ["a child of nobody", { ...limit, parentId: 77 }, 10006, "Missing parent order"],
  [
    "a purchase that nothing covers, even as a preview",
    { quantity: 100_000, whatIf: true },
    201,
    /^Order rejected - reason:YOUR ORDER IS NOT ACCEPTED/,
  ],
];

test.each(refusals)("refuses %s", (_, change, code, text) => {
  const { place, heard, world } = createFixture();
  place({ orderId: 1, ...change });
  const orderId = change.orderId ?? 1;
  expect(heard()).toEqual([
    {
      type: "error",
      clientId: 1,
      orderId,
      code,
      text: expect.stringMatching(text),
    },
  ]);
  expect(world.ledger.openOrders()).toEqual([]);
  // a refused order does not use up its number
  expect(world.ledger.nextValidId(1)).toBe(1);
});

test("wants prices on the tick of the instrument and of the price", () => {
  const { place, said, world } = createFixture();
  const future = world.universe.listed.find(({ localSymbol }) => localSymbol === "ESZ6");
  const order = { instrument: future ?? instrumentOf(world, 0), quantity: 1, orderType: "LMT" };
  place({ ...order, limitPrice: 5000.1 });
  expect(said()).toEqual([`error 1 110 ${priceText}`]);
  place({ ...order, orderId: 1, limitPrice: 5000.25 });
  expect(said()).toEqual(["order 1 PreSubmitted 0/1", "order 1 Submitted 0/1"]);
  const euro = { instrument: instrumentOf(world, 12087792), quantity: 20_000, orderType: "LMT" };
  place({ ...euro, limitPrice: 1.00003 });
  expect(said()).toEqual([`error 2 110 ${priceText}`]);
  place({ ...euro, orderId: 2, limitPrice: 1.00005 });
  expect(said()).toEqual(["order 2 PreSubmitted 0/20000", "order 2 Submitted 0/20000"]);
});

test("does not trade an index", () => {
  const { place, said, world } = createFixture();
  place({ instrument: instrumentOf(world, 416904), quantity: 1 });
  expect(said()).toEqual(["error 1 387 Unsupported order type for this exchange and security type."]);
});

test("makes an order that the account cannot carry inactive, with its children", () => {
  const { place, said, world } = createFixture();
  place({ orderId: 1, quantity: 100_000, transmit: false });
  place({ orderId: 2, quantity: 100_000, action: "SELL", ...limit, parentId: 1 });
  const said_ = said();
  expect(said_[0]).toBe("order 1 Inactive 0/100000");
  expect(said_[1]).toMatch(
    /^error 1 201 Order rejected - reason:YOUR ORDER IS NOT ACCEPTED\. .*EQUITY WITH LOAN VALUE \[[\d.]+ USD\]/,
  );
  expect(said_.slice(2)).toEqual([
    "order 2 Inactive 0/100000",
    "error 2 201 Order rejected - reason:Parent order is being cancelled.",
  ]);
  expect(world.ledger.openOrders()).toEqual([]);
});

test("lets an account that lacks margin sell what it holds, and buy nothing more", () => {
  const { place, pass, said, world } = createFixture();
  const funds = (key: string) =>
    Number(world.ledger.accountValues("DU1234567").find((row) => row.key === key)?.value);
  const { ask } = world.market.quote(instrumentOf(world, 265598), mondayMorning);
  place({ quantity: Math.floor((funds("BuyingPower") / (ask ?? 1)) * 0.99) });
  for (let step = 0; step < 100_000 && funds("AvailableFunds") > -5000; step += 1) pass(60_000);
  expect(funds("AvailableFunds")).toBeLessThan(-5000);
  said();
  place({ quantity: 100 });
  expect(said().join(" ")).toContain("201 Order rejected");
  // one share less does not cure it, but it helps
  place({ action: "SELL", quantity: 1 });
  expect(said().join(" ")).toContain("Filled 1/0");
});

test("refuses numbers that were used, by what became of their order", () => {
  const { place, said, world } = createFixture();
  place({ orderId: 5 });
  place({ orderId: 6, ...limit });
  world.ledger.cancel(1, 6);
  said();
  place({ orderId: 5 });
  place({ orderId: 6, ...limit });
  place({ orderId: 2, ...limit });
  expect(said()).toEqual([
    "error 5 104 Cannot modify a filled order.",
    "error 6 103 Duplicate order id",
    "error 2 103 Duplicate order id",
  ]);
  expect(world.ledger.nextValidId(1)).toBe(7);
  expect(world.ledger.nextValidId(2)).toBe(1);
});

test("refuses to change an order's side or contract, or its price off the tick, and leaves it working", () => {
  const { place, said, world } = createFixture();
  place({ orderId: 1, ...limit });
  said();
  place({ orderId: 1, ...limit, action: "SELL" });
  place({ orderId: 1, ...limit, instrument: instrumentOf(world, 272093) });
  place({ orderId: 1, ...limit, limitPrice: 10.001 });
  place({ orderId: 1, ...limit, quantity: 1_000_000, limitPrice: 12 });
  expect(said()).toEqual([
    "error 1 105 Order being modified does not match original order",
    "error 1 105 Order being modified does not match original order",
    `error 1 110 ${priceText}`,
    expect.stringMatching(/^error 1 201 /),
  ]);
  expect(world.ledger.openOrders()).toMatchObject([
    { status: "Submitted", request: { action: "BUY", limitPrice: 10, quantity: 10 } },
  ]);
});

test("refuses to shrink an order below what has filled", () => {
  const { place, said, world } = createFixture();
  const { askSize } = world.market.quote(instrumentOf(world, 265598), mondayMorning);
  place({ orderId: 1, quantity: (askSize ?? 0) + 100 });
  said();
  place({ orderId: 1, quantity: 100 });
  expect(said()).toEqual([
    "error 1 201 Order rejected - reason:The order size cannot be less than the filled quantity.",
  ]);
});

test("says what it cannot cancel, and why", () => {
  const { place, said, world } = createFixture();
  place({ orderId: 1 });
  place({ orderId: 2, ...limit });
  world.ledger.cancel(1, 2);
  said();
  world.ledger.cancel(1, 1);
  world.ledger.cancel(1, 2);
  world.ledger.cancel(3, 99);
  expect(said()).toEqual([
    "error 1 10148 OrderId 1 that needs to be cancelled can not be cancelled, state: Filled.",
    "error 2 10148 OrderId 2 that needs to be cancelled can not be cancelled, state: Cancelled.",
    "error 99 10147 OrderId 99 that needs to be cancelled is not found.",
  ]);
});

test("asks for the account when there are two, and assumes the only one", () => {
  const two = createFixture(mondayMorning, { accounts: ["DU1", "DU2"] });
  two.place({ account: "" });
  expect(two.said()).toEqual(["error 1 435 You must specify an account."]);
  two.place({ orderId: 1, account: "DU2" });
  expect(two.said()).toContain("position AAPL 10");
  const one = createFixture();
  one.place({ account: "" });
  expect(one.said()).toContain("position AAPL 110");
});

test("warns that it chose the time in force itself", () => {
  const { place, said } = createFixture();
  place({ ...limit, tif: "" });
  expect(said()).toEqual([
    "error 1 10349 Order TIF was set to DAY based on order preset.",
    "order 1 PreSubmitted 0/10",
    "order 1 Submitted 0/10",
  ]);
});
