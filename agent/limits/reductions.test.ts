import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Order } from "../../shared/order.ts";
import { positions } from "../tws/account/account.ts";
import {
  account,
  brokenBy,
  checked,
  proposed,
  request,
  specOf,
  startLimitsFixture,
  workingOrder,
} from "./limits.fixture.ts";
import type { LimitsFixture } from "./limits.fixture.ts";
import { reducingOrders } from "./reductions.ts";
import type { CheckedOrder } from "./proposed-order.ts";

const stock = { conId: 1 } as const;
const bond = { conId: 2 } as const;
const contractOf = ({ conId }: { readonly conId: number }) => ({
  ...specBase.contract,
  conId,
});
const specBase = specOf({ conId: 1, symbol: "AAPL", secType: "STK", exchange: "SMART", currency: "USD" });
const sale = (quantity: number, of: { readonly conId: number } = stock): CheckedOrder =>
  checked(contractOf(of), { action: "SELL", quantity });
const purchase = (quantity: number): CheckedOrder => checked(contractOf(stock), { quantity });
const works = (action: "BUY" | "SELL", remaining: number, status: Order["status"] = "Submitted") =>
  workingOrder(specOf(contractOf(stock), { action, quantity: remaining }), { status, orderId: 9 });

/** Which of the orders only reduce, by their index. */
const reducing = (call: readonly CheckedOrder[], position: number, working = [works("BUY", 1)]) =>
  [...reducingOrders(call, working, (conId) => (conId === 1 ? position : 0))].map((order) =>
    call.indexOf(order),
  );

describe("an order only reduces a position", () => {
  test("while it closes no more than all of it, long and short", () => {
    expect(reducing([sale(10)], 10)).toEqual([0]);
    expect(reducing([sale(11)], 10)).toEqual([]);
    expect(reducing([purchase(10)], -10, [])).toEqual([0]);
    expect(reducing([purchase(11)], -10, [])).toEqual([]);
  });

  test("not while it adds to it, and not in another instrument", () => {
    expect(reducing([purchase(1)], 10)).toEqual([]);
    expect(reducing([sale(1)], -10)).toEqual([]);
    expect(reducing([sale(1, bond)], 10)).toEqual([]);
  });

  test("of which working orders of its side leave enough", () => {
    expect(reducing([sale(6)], 10, [works("SELL", 4)])).toEqual([0]);
    expect(reducing([sale(7)], 10, [works("SELL", 4)])).toEqual([]);
    expect(reducing([sale(10)], 10, [works("SELL", 4, "Cancelled"), works("BUY", 4)])).toEqual([0]);
  });

  test("of which those before it in the same call leave enough", () => {
    expect(reducing([sale(6), sale(5), sale(4)], 10)).toEqual([0]);
    expect(reducing([sale(6), sale(4)], 10)).toEqual([0, 1]);
  });

  test("when it changes a working order, by what is still open of it, the order itself left out", () => {
    const own = works("SELL", 4);
    const changed = checked(
      contractOf(stock),
      { action: "SELL", quantity: 12 },
      { changes: { ...own, filled: 2 } },
    );
    expect(reducing([changed], 10, [own])).toEqual([0]);
    expect(reducing([changed], 9, [own])).toEqual([]);
  });

  test("never as an exit or an order that opens something besides", () => {
    const exit = checked(contractOf(stock), { action: "SELL", quantity: 1 }, { isExit: true });
    expect(reducing([exit], 10)).toEqual([]);
    const opens = { ...sale(1), openings: [{ terms: sale(1).spec, quantity: 1 }] };
    expect(reducing([opens], 10)).toEqual([]);
  });
});

describe("where TWS has no price", () => {
  let fixture: LimitsFixture;
  beforeEach(async () => {
    fixture = await startLimitsFixture();
  });
  afterEach(async () => fixture.close());

  test("an order that only reduces a position is let through, and one that opens any is not", async () => {
    const contract = await fixture.contract({ symbol: "AAPL" });
    const market = { orderType: "MKT", limitPrice: null } as const;
    const { signal } = new AbortController();
    const held = async (): Promise<number> => {
      const rows = await positions(fixture.session, request());
      return (
        rows.find((row) => row.account === account && row.contract.conId === contract.conId)?.position ?? 0
      );
    };
    const before = await held();
    await fixture.orderBook.place(specOf(contract, { ...market, quantity: 5 }), signal);
    await expect.poll(held, { timeout: 10_000 }).toBe(before + 5);
    const position = before + 5;

    fixture.simulator.faults.permissions({ quotes: "none" });
    const { guard } = fixture.withLimits({
      orderValue: 1_000,
      dayValue: 1_000,
      priceDistancePercent: 5,
      approvalAbove: 500,
    });
    const selling = (quantity: number, terms = {}) =>
      proposed(contract, { ...market, action: "SELL", quantity, ...terms });
    const assessment = await guard.assess([selling(position)], request());
    expect(assessment).toMatchObject({ value: 0, wholeValue: null, valueText: "" });
    // nobody knows whether it is worth more than what the owner approves
    expect(guard.approvalReason(assessment, 0)).toContain("500.00 USD");
    const limited = { orderType: "LMT", limitPrice: 1 };
    expect(await brokenBy(() => guard.assess([selling(1, limited)], request()))).toBe("within");
    expect(await brokenBy(() => guard.assess([selling(position + 1)], request()))).toBe("LIMIT_ORDER_VALUE");
    expect(await brokenBy(() => guard.assess([selling(1), proposed(contract, market)], request()))).toBe(
      "LIMIT_ORDER_VALUE",
    );
    const preview = await guard.describe([selling(1)], "grant", request());
    expect(preview.limits.filter(({ ok }) => !ok)).toEqual([]);
    expect(preview.value).toBe("not known");
  });
});
