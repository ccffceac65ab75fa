import type { Contract, ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { Limits } from "./limits.ts";
import { createJournal } from "../journal/journal.ts";
import { usageOf } from "../journal/usage.ts";
import type { NewIntent, NewLeg } from "../journal/journal.ts";
import { inMemory, openJournalFile } from "../journal/database.ts";
import { createKillSwitch } from "../journal/kill-switch.ts";
import type { Assessment, CheckedOrder, ProposedOrder } from "./proposed-order.ts";
import { startSimulator } from "../simulator/server.ts";
import type { SimulatorOptions } from "../simulator/server.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import { createTestBook } from "../tws/test-support/order-book.fixture.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import { createQuoteStreams } from "../tws/market-data/quotes.ts";
import { createSession } from "../tws/session/session.ts";
import { createLimitGuard } from "./limit-check.ts";
import { createLossWatch } from "./loss-watch.ts";
import { createMoney } from "./exchange-rates.ts";
import { silentLog } from "../process/log.fixture.ts";

/** A Friday at 11:00 in New York. */
export const fridayNoon = Date.parse("2026-11-20T16:00:00Z");

export const account = "DU1234567";

export const request = () => ({ timeoutMs: 8_000, signal: new AbortController().signal });

/** For tests: the parts that the limits stand on, over a session with a simulator whose market stands still. */
export async function startLimitsFixture(simulation: SimulatorOptions = {}) {
  const simulator = await startSimulator({ port: 0, now: () => fridayNoon, ...simulation });
  const target = { host: "127.0.0.1", port: simulator.port, clientId: 1 };
  const session = createSession({
    ...target,
    isSimulator: true,
    log: silentLog,
    times: { retryFirstMs: 20 },
  });
  const orderBook = createTestBook(session, silentLog);
  const quotes = createQuoteStreams(session, { log: silentLog, times: { quietMs: 300, longestMs: 2_000 } });
  await session.whenConnected(10_000);
  const closers: (() => void)[] = [];

  return {
    simulator,
    session,
    orderBook,
    money: createMoney({ session, quotes, now: Date.now }),
    /** The limits over a journal of their own. */
    withLimits(own: Partial<Limits>, now: () => number = Date.now) {
      const limits: Limits = { trading: "live", onlyAccount: null, approval: "never", ...own };
      const file = openJournalFile({ path: inMemory, exclusive: true });
      const journal = createJournal(file, now);
      const killSwitch = createKillSwitch(file, now);
      const lossWatch = createLossWatch({ limits, session, killSwitch, log: silentLog });
      const guard = createLimitGuard({ limits, session, quotes, orderBook, journal, lossWatch, now });
      closers.push(() => {
        lossWatch.close();
        file.close();
      });
      let count = 0;
      /** Spends what an assessment found, as orders do that are about to be sent; the id of their intent. */
      const reserve = (assessment: Assessment): string => {
        count += 1;
        const intentId = `intent-${count}`;
        journal.receive(intentOf(intentId, assessment, now()));
        journal.reserve(intentId, legsOf(count, intentId, assessment), assessment.value, (db) =>
          guard.requireHeadroom(assessment, usageOf(db, assessment.account, guard.dayBegan(), now())),
        );
        return intentId;
      };
      return { guard, journal, killSwitch, lossWatch, reserve };
    },
    contract: (selector: ContractSelector): Promise<Contract> =>
      resolveContract(session, selector, request()),
    /** The quote of now, of which nothing changes. */
    quote(conId: number) {
      const { world } = simulator;
      const instrument = world.universe.byConId(conId);
      if (instrument === undefined) throw new Error(`The simulator has no ${conId}.`);
      const { ask, bid } = world.market.quote(instrument, world.now());
      if (ask === null || bid === null) throw new Error(`The simulator has no quote of ${conId}.`);
      return { ask, bid };
    },
    async close(): Promise<void> {
      for (const close of closers) close();
      orderBook.close();
      await session.close();
      await simulator.close();
    },
  };
}
export type LimitsFixture = Awaited<ReturnType<typeof startLimitsFixture>>;
export type LimitedOrders = ReturnType<LimitsFixture["withLimits"]>;

const intentOf = (intentId: string, { orders, account: of }: Assessment, now: number): NewIntent => ({
  intentId,
  grantId: "grant",
  client: "test",
  idempotencyKey: intentId,
  tool: "ibkr_place_order",
  kind: orders === 0 ? "modify" : "place",
  digest: intentId,
  account: of,
  notAfter: now + 60_000,
});

const legsOf = (count: number, intentId: string, { messages }: Assessment): NewLeg[] =>
  Array.from({ length: messages }, (_, index) => ({
    leg: `order ${index}`,
    orderId: count * 100 + index,
    clientId: 1,
    orderRef: `${intentId}:${index}`,
    sent: null,
  }));

/** A purchase of 10 at a limit of 100, unless it says otherwise. */
export const specOf = (contract: OrderSpec["contract"], change: Partial<OrderSpec> = {}): OrderSpec => ({
  contract,
  account,
  action: "BUY",
  quantity: 10,
  orderType: "LMT",
  limitPrice: 100,
  auxPrice: null,
  trailStopPrice: null,
  limitOffset: null,
  tif: "DAY",
  goodTillDate: null,
  outsideRth: false,
  orderRef: "",
  parentId: null,
  ocaGroup: null,
  ...change,
});

export const proposed = (
  contract: OrderSpec["contract"],
  change: Partial<OrderSpec> = {},
  more: Partial<ProposedOrder> = {},
): ProposedOrder => ({ spec: specOf(contract, change), changes: null, isExit: false, ...more });

/** The same with nothing that it would open beside itself. */
export const checked = (...order: Parameters<typeof proposed>): CheckedOrder => ({
  ...proposed(...order),
  openings: [],
});

/** The order of a spec as TWS shows it while it works. */
export const workingOrder = (spec: OrderSpec, change: Partial<Order> = {}): Order => ({
  ...spec,
  orderId: 7,
  permId: 7_000,
  clientId: 1,
  mode: "paper",
  status: "Submitted",
  filled: 0,
  remaining: spec.quantity,
  avgFillPrice: null,
  whyHeld: null,
  warnings: [],
  ...change,
});

/** The limit that an attempt breaks; "within" when it breaks none. */
export async function brokenBy(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
    return "within";
  } catch (error) {
    if (!(error instanceof TwsError)) throw error;
    if (error.code !== "trading_refused" || error.detail.limit === undefined) throw error;
    return error.detail.limit.name;
  }
}
