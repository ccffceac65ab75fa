import { expect, test } from "vitest";
import { createExecutions } from "./executions.ts";
import type { ExecutionRow } from "./order-wire.ts";

const fill = (execId: string, shares: number, price: number): ExecutionRow => ({
  reqId: -1,
  contract: { conId: 272_093, symbol: "MSFT" },
  execution: {
    execId,
    orderId: 3,
    clientId: 1,
    permId: 5_003,
    time: "20261124 15:47:14 US/Eastern",
    acctNumber: "DU1234567",
    exchange: "BATS",
    side: "BOT",
    shares,
    price,
    cumQty: shares,
    avgPrice: price,
    orderRef: null,
  },
});

const order = { permId: 5_003, orderId: 3, clientId: 1 };

test("the fills of an order are looked at alone, however many there are, and a correction takes the place of one", () => {
  const executions = createExecutions();
  executions.add(fill("a.01.01", 1, 10));
  for (let id = 10; id < 2_000; id += 1) {
    const other = fill(`b.${id}.01`, 1, 10);
    executions.add({ ...other, execution: { ...other.execution, orderId: id, permId: id + 10_000 } });
  }
  executions.add(fill("a.01.02", 3, 10));
  const looked: string[] = [];
  const total = executions.total(order, ({ execution }) => looked.push(execution.execId) > 0);
  expect(total).toEqual({ quantity: 3, avgPrice: 10 });
  expect(looked).toEqual(["a.01.02"]);
});

test("fills at one price have that price on average, without the noise of floating point", () => {
  const executions = createExecutions();
  executions.add(fill("a.01.01", 100, 502.94));
  executions.add(fill("a.02.01", 48, 502.94));
  expect(executions.total(order, () => true)).toEqual({ quantity: 148, avgPrice: 502.94 });
});

test("an average over several prices keeps eight digits after the point", () => {
  const executions = createExecutions();
  executions.add(fill("a.01.01", 1, 10));
  executions.add(fill("a.02.01", 2, 10.01));
  expect(executions.total(order, () => true)).toEqual({ quantity: 3, avgPrice: 10.00666667 });
});

test("fills are listed oldest first, whatever clock their venue goes by", () => {
  const executions = createExecutions();
  const at = (execId: string, time: string): void => {
    const row = fill(execId, 1, 10);
    executions.add({ ...row, execution: { ...row.execution, time } });
  };
  at("new.01", "20261124 15:51:26 US/Central");
  at("old.01", "20261124 16:51:15 US/Eastern");
  at("between.01", "20261124 16:51:20 US/Eastern");
  const listed = executions.named(["new.01", "old.01", "between.01"]);
  expect(listed.map(({ execution }) => execution.execId)).toEqual(["old.01", "between.01", "new.01"]);
});

test("the earliest fill is told of the orders named, whatever clock it goes by, and of a time that can be read", () => {
  const executions = createExecutions();
  const at = (execId: string, time: string, permId: number | null): void => {
    const row = fill(execId, 1, 10);
    executions.add({ ...row, execution: { ...row.execution, time, permId } });
  };
  at("late.01", "20261124 15:51:26 US/Central", 1);
  at("early.01", "20261124 16:51:20 US/Eastern", 2);
  at("other.01", "20261124 16:51:15 US/Eastern", 3);
  at("unread.01", "1", 1);
  at("nameless.01", "20261124 16:51:15 US/Eastern", null);
  const execIds = ["late.01", "early.01", "other.01", "unread.01", "nameless.01"];
  expect(executions.earliest(execIds, new Set([1, 2]))).toBe("2026-11-24T21:51:20.000Z");
  expect(executions.earliest(execIds, new Set([4]))).toBeNull();
});
