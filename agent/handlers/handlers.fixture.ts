import type { Caller } from "../../shared/caller.ts";
import { pageOf } from "../../shared/tools/paging.ts";
import type { Limits } from "../limits/limits.ts";
import { inMemory, openJournalFile } from "../journal/database.ts";
import type { JournalFile } from "../journal/database.ts";
import { createOrders } from "../orders/orders.ts";
import type { Orders } from "../orders/orders.ts";
import { startSimulator } from "../simulator/server.ts";
import type { SimulatorOptions } from "../simulator/server.ts";
import type { ReconcileTimes } from "../orders/reconciler.ts";
import { createOrderBook } from "../tws/orders/order-book.ts";
import type { OrderTimes } from "../tws/orders/order-context.ts";
import { createQuoteStreams } from "../tws/market-data/quotes.ts";
import { createSession } from "../tws/session/session.ts";
import type { SessionTimes } from "../tws/session/session.ts";
import type { CallContext } from "../call/call-context.ts";
import { createHandlers } from "./index.ts";
import type { Log } from "../process/log.ts";
import { silentLog } from "../process/log.fixture.ts";

export const trader: Caller = {
  grantId: "grant-1",
  client: "test",
  scopes: ["tws:read", "tws:trade"],
  accounts: null,
  hostId: "default",
  toolset: "full",
  expiresAt: null,
};

/** A call that nobody leaves. */
export const callBy = (caller: Caller = trader, change: Partial<CallContext> = {}): CallContext => ({
  caller,
  signal: new AbortController().signal,
  twsTimeoutMs: 10_000,
  page: pageOf({}),
  notAfter: Number.MAX_SAFE_INTEGER,
  generatedKey: null,
  progress: () => {},
  ...change,
});

interface FixtureOptions {
  readonly simulator?: SimulatorOptions;
  readonly limits?: Partial<Limits>;
  /** Where the session dials instead of the simulator. */
  readonly dial?: (simulatorPort: number) => Promise<number>;
  readonly clientId?: number;
  /** Whether the session takes the simulator for what it is; true if left out. */
  readonly isSimulator?: boolean;
  /** The agent's clock. */
  readonly now?: () => number;
}

/** For tests: the handlers over a session with a simulator, by real sockets. */
export async function startHandlersFixture(options: FixtureOptions = {}) {
  const simulator = await startSimulator({ port: 0, ...options.simulator });
  const port = (await options.dial?.(simulator.port)) ?? simulator.port;
  const { limits, clientId, isSimulator, now } = options;
  const agent = startAgent({ port, limits, clientId, isSimulator, now });
  await agent.session.whenConnected(10_000);
  return {
    ...agent,
    simulator,
    /** The messages of one kind that TWS has had by now: 3 places or changes an order, 4 cancels. */
    async received(id: number) {
      // TWS takes them in turn, so its answer says that it has had all before
      await agent.handlers.ibkr_get_current_time({}, callBy());
      return simulator.received().filter((message) => message.id === id);
    },
    async close(): Promise<void> {
      await agent.close();
      await simulator.close();
    },
  };
}
export type HandlersFixture = Awaited<ReturnType<typeof startHandlersFixture>>;

interface AgentOptions {
  readonly port: number;
  readonly limits?: Partial<Limits> | undefined;
  readonly clientId?: number | undefined;
  readonly isSimulator?: boolean | undefined;
  readonly now?: (() => number) | undefined;
  readonly elapsed?: (() => number) | undefined;
  /** In memory by default, as after the loss of the file. */
  readonly journalFile?: JournalFile;
  /** Other times than usual: what takes a minute is tested in a second. */
  readonly reconcileTimes?: Partial<ReconcileTimes>;
  readonly orderTimes?: Partial<OrderTimes>;
  readonly sessionTimes?: Partial<SessionTimes>;
  readonly log?: Log;
}

/** For tests: one process of the agent, without its link. */
export function startAgent({ port, limits, clientId = 1, now = Date.now, ...own }: AgentOptions) {
  const { journalFile = openJournalFile({ path: inMemory, exclusive: true }) } = own;
  const { log = silentLog, reconcileTimes, orderTimes, sessionTimes, elapsed } = own;
  const target = { host: "127.0.0.1", port, clientId };
  const times = { retryFirstMs: 50, ...sessionTimes };
  const session = createSession({ ...target, isSimulator: own.isSimulator ?? true, log, times });
  const orderBook = createOrderBook(session, log, orderTimes);
  const quotes = createQuoteStreams(session, { log });
  const limitsOf = (own: Partial<Limits> = {}): Limits => ({ trading: "paper", onlyAccount: null, ...own });
  const ordersUnder = (all: Limits) =>
    createOrders({
      session,
      orderBook,
      quotes,
      limits: all,
      journalFile,
      now,
      log,
      ...(reconcileTimes && { reconcileTimes }),
      ...(elapsed && { elapsed }),
    });
  const handlersUnder = (all: Limits, orders: Orders) =>
    createHandlers({ session, orderBook, quotes, orders, target, now, limits: all });
  const orders = ordersUnder(limitsOf(limits));
  const others: Orders[] = [];
  const agentWith = (own: Partial<Limits> = {}) => {
    const other = ordersUnder(limitsOf(own));
    others.push(other);
    return handlersUnder(limitsOf(own), other);
  };
  return {
    session,
    orderBook,
    orders,
    handlers: handlersUnder(limitsOf(limits), orders),
    /** The handlers as they are under other limits. */
    agentWith,
    async close(): Promise<void> {
      for (const one of [orders, ...others]) one.close();
      orderBook.close();
      await session.close();
      journalFile.close();
    },
  };
}
