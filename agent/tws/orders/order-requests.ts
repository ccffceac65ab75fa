import { EventName } from "@stoqey/ib";
import { currentTime } from "../account/account.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { createListKind } from "../session/list-requests.ts";
import type { AskList } from "../session/list-requests.ts";
import { parseCompletedOrder, parseExecution, parseOpenOrder } from "./order-wire.ts";
import type { OrderRow } from "./order-wire.ts";
import { createRead, perSession } from "../session/shared-reads.ts";
import type { ReadContext } from "../session/shared-reads.ts";

/** TWS may leave out the end of an empty list of executions: so long a silence, and a sign of life, end it. */
const quietMs = 2_000;

/** Equal reads are shared by all who ask at once: see `createRead`. */
const readsOf = perSession((session) => ({
  open: createRead<readonly OrderRow[]>(session),
  completed: createRead<readonly OrderRow[]>(session),
  executions: createRead<readonly string[]>(session),
  /** The connection on which the orders made by hand were bound last. */
  boundOn: 0,
  askOpen: createListKind(session, EventName.openOrderEnd),
  askCompleted: createListKind(session, EventName.completedOrdersEnd),
}));

/**
 * Every open order, of all clients, as TWS lists them now. TWS takes the messages of one client in their order, so
 * what it does not list was not working when the request arrived.
 */
export function requestOpenOrders(
  session: TwsSession,
  context: RequestContext,
): Promise<readonly OrderRow[]> {
  const what = "open orders";
  const reads = readsOf(session);
  const { open, askOpen } = reads;
  return open({ key: "", what }, context, async ({ written, ...shared }) => {
    const { connection } = session;
    if (session.clientId === 0 && reads.boundOn !== connection) {
      await bindManualOrders(askOpen, shared);
      reads.boundOn = connection;
    }
    let rows: OrderRow[] = [];
    return askOpen<readonly OrderRow[]>(
      {
        // behind orders, so that a list shows what was sent before it
        lane: "account",
        what,
        isOfOrders: true,
        start: (ib) => {
          written();
          ib.reqAllOpenOrders();
        },
        on: {
          [EventName.openOrder]: (_control, ...args) => {
            const row = parseOpenOrder(...args);
            if (!row.order.whatIf) rows.push(row);
          },
        },
        forget: () => (rows = []),
        whole: (control) => control.resolve(rows),
      },
      shared,
    );
  });
}

/**
 * Makes the orders that are made by hand in TWS, now and later, orders of this client under ids of their own. TWS does
 * that for client 0 alone. Resolves when those of now have theirs.
 */
function bindManualOrders(askOpen: AskList, context: RequestContext): Promise<void> {
  return askOpen<void>(
    {
      lane: "account",
      what: "orders made by hand",
      isOfOrders: true,
      start: (ib) => {
        ib.reqAutoOpenOrders(true);
        ib.reqOpenOrders();
      },
      on: {},
      forget: () => {},
      whole: (control) => control.resolve(),
    },
    context,
  );
}

/** Orders that ended today. TWS gives them no order id: they are known by permId and orderRef. */
export function requestCompletedOrders(
  session: TwsSession,
  context: RequestContext,
): Promise<readonly OrderRow[]> {
  const what = "completed orders";
  const { completed, askCompleted } = readsOf(session);
  return completed({ key: "", what }, context, ({ written, ...shared }) => {
    let rows: OrderRow[] = [];
    return askCompleted<readonly OrderRow[]>(
      {
        lane: "account",
        what,
        isOfOrders: true,
        start: (ib) => {
          written();
          ib.reqCompletedOrders(false);
        },
        on: {
          [EventName.completedOrder]: (_control, ...args) => void rows.push(parseCompletedOrder(...args)),
        },
        forget: () => (rows = []),
        whole: (control) => control.resolve(rows),
      },
      shared,
    );
  });
}

/** The execution ids of today's fills; their details reach the book as events of their own. */
export function requestExecutions(session: TwsSession, context: RequestContext): Promise<readonly string[]> {
  const what = "executions";
  return readsOf(session).executions({ key: "", what }, context, (shared) =>
    readExecutions(session, what, shared),
  );
}

async function readExecutions(
  session: TwsSession,
  what: string,
  { written, ...context }: ReadContext,
): Promise<readonly string[]> {
  const execIds: string[] = [];
  const quiet = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const listen = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void endIfAlive(), quietMs);
  };
  // a TWS that hangs is silent too, and its list is not empty
  const endIfAlive = async () => {
    const heard = execIds.length;
    const isAlive = await currentTime(session, context).then(
      () => true,
      () => false,
    );
    if (isAlive && execIds.length === heard) quiet.abort();
  };
  try {
    await session.request<void>(
      {
        lane: "account",
        what,
        start: (ib, reqId) => {
          written();
          ib.reqExecutions(reqId, {});
          listen();
        },
        on: {
          [EventName.execDetails]: (control, ...args) => {
            const row = parseExecution(...args);
            if (row.reqId !== control.reqId) return;
            execIds.push(row.execution.execId);
            listen();
          },
          [EventName.execDetailsEnd]: (control, reqId) => {
            if (reqId === control.reqId) control.resolve();
          },
        },
      },
      { ...context, signal: AbortSignal.any([context.signal, quiet.signal]) },
    );
  } catch (error) {
    if (!quiet.signal.aborted || context.signal.aborted) throw error;
  } finally {
    clearTimeout(timer);
  }
  return execIds;
}

/** Makes TWS say its next order id, which whoever counts them hears. */
export function requestNextId(session: TwsSession, context: RequestContext): Promise<void> {
  return session.request<void>(
    {
      lane: "order",
      what: "the next order id",
      start: (ib) => void ib.reqIds(),
      on: { [EventName.nextValidId]: (control) => control.resolve() },
    },
    context,
  );
}
