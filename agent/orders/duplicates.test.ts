import { describe, expect, test } from "vitest";
import { scriptedWorld } from "../tws/test-support/scripted-ledger.fixture.ts";
import { far, startOrders, untilAnswer } from "./orders.fixture.ts";

const duplicate = (words: string) => ({
  error: { code: "duplicate_order", message: expect.stringContaining(words) },
});
const placed = { type: "result" };

/** A wall that can be set, and a clock that only rises. */
function handClocks() {
  const at = { wall: Date.now(), elapsed: 0 };
  return { at, clocks: { now: () => at.wall, elapsed: () => at.elapsed } };
}

describe("without a key, the equal of an order", () => {
  test("that is being placed is refused, however long that takes, and the time runs from its answer", async () => {
    const { at, clocks } = handClocks();
    const { promise: isAsked, resolve: asked } = Promise.withResolvers<() => void>();
    const world = scriptedWorld({
      onPlace: ({ quantity }, _tell, proceed) => (quantity === 10 ? asked(proceed) : proceed()),
    });
    const fixture = await startOrders({ world, clocks });
    const first = fixture.place();
    const proceed = await isAsked;
    at.elapsed += 60_000;
    expect(await fixture.place()).toMatchObject(duplicate("is being placed"));
    proceed();
    expect(await first).toMatchObject(placed);
    at.elapsed += 9_900;
    expect(await fixture.place()).toMatchObject(duplicate("was placed 10 s ago"));
    expect(fixture.placed()).toBe(1);
    at.elapsed += 200;
    asked(() => {});
    void fixture.place();
    await untilAnswer(
      () => fixture.placed(),
      (count) => count === 2,
    );
  });

  test("of which nobody knows is refused for as long, also by the next process", async () => {
    const { at, clocks } = handClocks();
    const world = scriptedWorld({ onPlace: () => {} });
    // one probe proves nothing, and a second is far away
    const fixture = await startOrders({ world, clocks }, { probeIntervalMs: 600_000 });
    const unknown = duplicate("It is not known yet what became of an identical order");
    expect(await fixture.place()).toMatchObject({ error: { code: "outcome_unknown" } });
    at.elapsed += 11_000;
    at.wall += 11_000;
    expect(await fixture.place()).toMatchObject(unknown);
    await fixture.whileStopped(() => Promise.resolve());
    at.elapsed += 3_600_000;
    at.wall += 3_600_000;
    expect(await fixture.place()).toMatchObject(unknown);
  });

  test("is refused in other words too: another spelling, and a basket of one", async () => {
    const fixture = await startOrders();
    const { conId: _conId, ...terms } = far;
    const basket = (rows: readonly object[]) => fixture.call("ibkr_place_orders", { orders: rows });
    expect(await fixture.place()).toMatchObject(placed);
    for (const words of [
      { ...terms, symbol: "AAPL" },
      { ...terms, symbol: "aapl", exchange: "SMART", currency: "USD" },
      { ...far, exchange: "NASDAQ" },
      { ...far, symbol: "AAPL", secType: "STK" },
    ]) {
      expect(await fixture.call("ibkr_place_order", words)).toMatchObject(duplicate("was placed"));
    }
    expect(await basket([far])).toMatchObject(duplicate("was placed"));
    expect(
      await basket([
        { ...far, quantity: 7 },
        { ...far, quantity: 8 },
      ]),
    ).toMatchObject(placed);
    expect(await fixture.place({ quantity: 8 })).toMatchObject(duplicate("was placed"));
    // two equal rows are two that are meant
    expect(
      await basket([
        { ...far, quantity: 5 },
        { ...far, quantity: 5 },
      ]),
    ).toMatchObject(placed);
    expect(fixture.placed()).toBe(5);
  });

  test("is told by no wall clock: one that jumps neither doubles nor blocks", async () => {
    const { at, clocks } = handClocks();
    const fixture = await startOrders({ clocks });
    expect(await fixture.place()).toMatchObject(placed);
    at.wall += 3_600_000;
    at.elapsed += 1_000;
    expect(await fixture.place()).toMatchObject(duplicate("1 s ago"));
    at.wall -= 7_200_000;
    at.elapsed += 9_100;
    expect(await fixture.place()).toMatchObject(placed);
    // a clock that was set back while no agent ran holds a repeat up for ten seconds, and no longer
    await fixture.whileStopped(async () => void (at.wall -= 7_200_000));
    at.elapsed += 1_000;
    expect(await fixture.place()).toMatchObject(duplicate("was placed"));
    at.elapsed += 10_000;
    expect(await fixture.place()).toMatchObject(placed);
    expect(fixture.placed()).toBe(3);
  });
});
