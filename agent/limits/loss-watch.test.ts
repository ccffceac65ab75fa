import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Contract } from "../../shared/contract.ts";
import { createWorld } from "../simulator/world.ts";
import {
  account,
  brokenBy,
  fridayNoon,
  proposed,
  request,
  specOf,
  startLimitsFixture,
} from "./limits.fixture.ts";
import type { LimitsFixture, LimitedOrders } from "./limits.fixture.ts";

let fixture: LimitsFixture;
let apple: Contract;
/** Today's profit as TWS tells it; null for the real one. */
let told: number | null;
beforeEach(async () => {
  told = null;
  const world = createWorld({ seed: 1, now: () => fridayNoon, accounts: [account, "DU7654321"] });
  const { ledger } = world;
  const pnl = (of: string) => ({ ...ledger.pnl(of), ...(told !== null && { daily: told }) });
  fixture = await startLimitsFixture({ world: { ...world, ledger: { ...ledger, pnl } } });
  apple = await fixture.contract({ symbol: "AAPL" });
});
afterEach(async () => fixture.close());

const [reqPnl, cancelPnl] = [92, 93];
const subscribed = (of: string) =>
  fixture.simulator.received().filter(({ id, fields }) => id === reqPnl && fields.includes(of)).length;

/** Costs a commission, and the spread. */
const loseMoney = (quantity = 100) =>
  fixture.orderBook.place(
    specOf(apple, { orderType: "MKT", limitPrice: null, quantity }),
    new AbortController().signal,
  );

/** The market has taken something already. */
const lossSoFar = () => Math.max(0, -fixture.simulator.world.ledger.pnl(account).daily);

const known = ({ lossWatch }: LimitedOrders, of = account) =>
  vi.waitFor(() => expect(lossWatch.finding(of)?.asked).toContain("a loss of"), 5_000);

test("a loss that reaches the limit stops new orders in between, and the stop is kept", async () => {
  const limit = lossSoFar() + 1;
  const limited = fixture.withLimits({ dayLoss: limit });
  await known(limited);
  expect(limited.killSwitch.state()).toBeNull();
  expect(limited.lossWatch.finding(account)?.ok).toBe(true);

  await loseMoney(1_000);

  await vi.waitFor(() => expect(limited.killSwitch.state()).not.toBeNull(), 5_000);
  expect(limited.killSwitch.state()).toMatchObject({ by: "loss" });
  expect(limited.killSwitch.state()?.reason).toMatch(
    /^DU1234567 has lost .* today; LIMIT_DAY_LOSS is [\d,.]+$/,
  );
  expect(limited.journal.audit.after(0, 10)).toMatchObject([{ step: "frozen", outcome: "by loss" }]);
  // lifting the stop brings nothing back while the loss stands
  limited.killSwitch.unfreeze("host");
  expect(await brokenBy(() => limited.guard.assess([proposed(apple)], request()))).toBe("LIMIT_DAY_LOSS");
  await vi.waitFor(() => expect(limited.killSwitch.state()).not.toBeNull(), 5_000);
});

test.each([
  [-99.99, true],
  [-100, false],
  [-100.01, false],
  [250, true],
] as const)("under a limit of 100 a profit of %d is within: %s", async (profit, isWithin) => {
  told = 0;
  const limited = fixture.withLimits({ dayLoss: 100 });
  await known(limited);
  told = profit;
  await vi.waitFor(
    () =>
      expect(limited.lossWatch.finding(account)).toMatchObject({
        ok: isWithin,
        asked: `a loss of ${Math.max(0, -profit).toFixed(2)}`,
      }),
    5_000,
  );
  expect(limited.killSwitch.state()?.by ?? null).toBe(isWithin ? null : "loss");
});

test("a loss that is reached after an order was looked at keeps it from being reserved", async () => {
  const limited = fixture.withLimits({ dayLoss: lossSoFar() + 1 });
  await known(limited);
  const assessment = await limited.guard.assess([proposed(apple)], request());
  await loseMoney(1_000);
  await vi.waitFor(() => expect(limited.lossWatch.finding(account)?.ok).toBe(false), 5_000);
  expect(await brokenBy(() => limited.reserve(assessment))).toBe("LIMIT_DAY_LOSS");
});

test("no order is taken before the loss of this connection is known, and the refusal says to wait", async () => {
  fixture.simulator.faults.reply("pnl", { does: "ignore" });
  const limited = fixture.withLimits({ dayLoss: 5 });
  const error = await limited.guard.assess([proposed(apple)], request()).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "trading_refused",
    message: "TWS has not told yet what account DU1234567 has lost today, and there is a limit to it.",
    detail: { retryAfterMs: 2_000, limit: { name: "LIMIT_DAY_LOSS", asked: "not known yet" } },
  });
});

test("after a reconnection it is asked anew, and what was known before holds no more", async () => {
  const limited = fixture.withLimits({ dayLoss: 5 });
  await known(limited);
  const before = fixture.session.connection;
  const seen: boolean[] = [];
  fixture.session.onDisconnected(() =>
    seen.push(limited.lossWatch.finding(account)?.asked === "not known yet"),
  );
  fixture.simulator.faults.dropConnections();
  await vi.waitFor(() => expect(fixture.session.connection).toBe(before + 1), 5_000);
  expect(seen).toEqual([true]);
  await known(limited);
  expect(subscribed(account)).toBe(2);
});

test("data that TWS has lost is asked for anew, and the old subscription is withdrawn", async () => {
  const limited = fixture.withLimits({ dayLoss: 5 });
  await known(limited);
  fixture.simulator.faults.announce(1100);
  fixture.simulator.faults.announce(1101);
  await vi.waitFor(() => expect(subscribed(account)).toBe(2), 5_000);
  await known(limited);
  const withdrawn = () => fixture.simulator.received().filter(({ id }) => id === cancelPnl);
  await vi.waitFor(() => expect(withdrawn()).toHaveLength(2), 5_000);
});

test("what TWS refuses is asked for again", async () => {
  fixture.simulator.faults.reply("pnl", { does: "refuse", code: 321, text: "Not now." });
  const limited = fixture.withLimits({ dayLoss: 5 });
  await vi.waitFor(() => expect(subscribed(account)).toBe(1), 5_000);
  fixture.simulator.faults.reply("pnl", null);
  await vi.waitFor(() => expect(subscribed(account)).toBe(2), 5_000);
  await known(limited);
});

test("every account that may be traded is watched, and no other; one's loss stops them all", async () => {
  const limited = fixture.withLimits({ dayLoss: 5 });
  await known(limited, account);
  await known(limited, "DU7654321");
  expect(subscribed("DU7654321")).toBe(1);

  const bound = fixture.withLimits({ dayLoss: 5, accounts: ["DU7654321"] });
  await known(bound, "DU7654321");
  expect(subscribed("DU7654321")).toBe(2);
  expect(subscribed(account)).toBe(1);
});

test("without the limit nothing is watched", async () => {
  const limited = fixture.withLimits({});
  expect(limited.lossWatch.finding(account)).toBeNull();
  await fixture.contract({ symbol: "MSFT" });
  expect(subscribed(account)).toBe(0);
});
