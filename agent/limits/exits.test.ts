import { expect, test } from "vitest";
import { openingsOf, surplusOf } from "./exits.ts";
import { proposed, specOf, workingOrder } from "./limits.fixture.ts";

const contract = { conId: 1, exchange: "SMART" };

test.each([
  ["closes what its entry may fill", 10, 0, { filled: 0, open: 10, closed: 0 }, 0],
  ["closes what its entry has filled", 10, 10, { filled: 10, open: 0, closed: 0 }, 0],
  ["opens what is beyond its entry", 12, 10, { filled: 10, open: 0, closed: 0 }, 2],
  ["opens what is beyond an entry that ended in part", 10, 4, { filled: 4, open: 0, closed: 0 }, 6],
  ["opens what the other exits have closed", 10, 6, { filled: 10, open: 0, closed: 4 }, 4],
  ["opens what the position has not", 10, 3, { filled: 10, open: 0, closed: 0 }, 7],
  ["opens all where the position is on its own side", 10, -20, { filled: 0, open: 10, closed: 0 }, 10],
  ["closes the position where its entry is not known", 10, 10, null, 0],
  ["opens what is beyond the position where its entry is not known", 10, 8, null, 2],
] as const)("an exit %s", (_what, open, held, entry, expected) => {
  expect(surplusOf(open, held, entry)).toBe(expected);
});

const entry = workingOrder(specOf(contract), { orderId: 1 });
const exit = workingOrder(specOf(contract, { action: "SELL", parentId: 1, limitPrice: 400 }), { orderId: 2 });
const opened = (...given: Parameters<typeof openingsOf>): number =>
  openingsOf(...given).reduce((sum, { quantity }) => sum + quantity, 0);

test("an exit that is changed opens what its entry has not, whatever the position", () => {
  const change = (quantity: number, of = entry, position = 0) => {
    const one = proposed(
      contract,
      { action: "SELL", parentId: 1, quantity },
      { changes: exit, isExit: true },
    );
    return opened(one, [], [of, exit], position);
  };
  expect(change(10)).toBe(0);
  expect(change(40)).toBe(30);
  expect(change(40, entry, 500)).toBe(30);
  expect(change(10, { ...entry, status: "Cancelled", filled: 4, remaining: 6 }, 4)).toBe(6);
  expect(change(10, { ...entry, status: "Filled", filled: 10, remaining: 0 }, 7)).toBe(3);
  // an entry of another client is none of this exit's
  expect(change(10, { ...entry, clientId: 9 }, 0)).toBe(10);
  // of an entry that TWS has forgotten the exit closes what it did before, however much is held
  const forgotten = { ...entry, orderId: 99 };
  expect(change(10, forgotten, 500)).toBe(0);
  expect(change(40, forgotten, 500)).toBe(30);
  expect(change(10, forgotten, 4)).toBe(6);
});

test("an entry that is made smaller leaves its exits to open the rest", () => {
  const change = (quantity: number) =>
    opened(proposed(contract, { quantity }, { changes: entry }), [], [entry, exit], 0);
  expect([change(12), change(10), change(4)]).toEqual([0, 0, 6]);
  expect(opened(proposed(contract, { quantity: 4 }, { changes: entry }), [], [entry], 0)).toBe(0);
});

test("the exits of a new bracket open what its entry does not, and where the position is the other way", () => {
  const bracket = (quantity: number, position: number) => {
    const legs = [proposed(contract), proposed(contract, { action: "SELL", quantity }, { isExit: true })];
    return legs.map((leg) => opened(leg, legs, [], position));
  };
  expect(bracket(10, 0)).toEqual([0, 0]);
  expect(bracket(15, 0)).toEqual([0, 5]);
  expect(bracket(10, -10)).toEqual([0, 10]);
});

test("two exits whose entries are forgotten share one position, with whatever else would close it", () => {
  const forgotten = (orderId: number, parentId: number, more: Partial<typeof exit> = {}) => ({
    ...exit,
    orderId,
    parentId,
    ...more,
  });
  const [one, other] = [forgotten(2, 91), forgotten(3, 92)];
  const change = (orders: readonly (typeof exit)[], position: number) =>
    opened(
      proposed(contract, { action: "SELL", parentId: 91 }, { changes: one, isExit: true }),
      [],
      orders,
      position,
    );
  expect(change([one], 10)).toBe(0);
  expect(change([one, other], 10)).toBe(10);
  expect(change([one, other], 20)).toBe(0);
  expect(change([one, other], 14)).toBe(6);
  // of another client, or without an entry
  expect(change([one, { ...other, clientId: 9 }], 10)).toBe(10);
  expect(change([one, { ...other, parentId: null }], 10)).toBe(10);
  // the other exit of the same entry, those of the other side and of other contracts, and what has ended
  expect(change([one, forgotten(3, 91)], 10)).toBe(0);
  expect(change([one, { ...other, action: "BUY" }], 10)).toBe(0);
  expect(change([one, { ...other, contract: { conId: 2 } }], 10)).toBe(0);
  expect(change([one, { ...other, status: "Cancelled" }], 10)).toBe(0);
  // two exits of one entry close once, and wait for what it has still to fill
  expect(change([one, other, forgotten(4, 92)], 20)).toBe(0);
  expect(change([one, other, { ...entry, orderId: 92 }], 10)).toBe(0);
});

test("the exits of a new bracket close what its entry opens, whatever closes the position that is there", () => {
  const legs = [proposed(contract), proposed(contract, { action: "SELL" }, { isExit: true })];
  const closing = { ...exit, orderId: 3, parentId: null };
  expect(legs.map((leg) => opened(leg, legs, [closing], 10))).toEqual([0, 0]);
});
