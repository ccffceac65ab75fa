import { TwsError } from "../../../shared/errors.ts";
import { isFinal } from "../../../shared/order.ts";
import type { Order } from "../../../shared/order.ts";
import type { RequestContext } from "../session/api.ts";
import { cancelOrder } from "./order-cancel.ts";
import { writeOnce } from "./order-context.ts";
import type { OrderContext } from "./order-context.ts";
import type { OrderRecord } from "./order-records.ts";

export interface CancelledAll {
  /** Those that were working and wanted, as they are now. */
  readonly orders: readonly Order[];
  /** Those that work and were not wanted. */
  readonly others: readonly Order[];
}

/**
 * Cancels what works in the accounts of which `isWanted` holds, one by one, or with null everything that TWS holds by
 * its own order for that, which knows no accounts and reaches also what no list shows. Throws the errors of a list
 * when nothing was sent, and outcome_unknown.
 */
export async function cancelAll(
  orders: OrderContext,
  isWanted: ((account: string) => boolean) | null,
  context: RequestContext,
  beforeWrite: () => void,
): Promise<CancelledAll> {
  const { events, lists, records, session, times } = orders;
  const { signal } = context;
  const rows = await lists.openOrders(context);
  const found = new Set(rows.flatMap((row) => records.of(row) ?? []));
  // an Inactive one that TWS still lists is parked, and may wake
  const working = [...found].filter(({ status }) => !isFinal(status) || status === "Inactive");
  const open = working.filter(({ account }) => isWanted === null || isWanted(account));
  if (isWanted === null) {
    await writeOnce(orders, "cancel", signal, unknown, (ib) => void ib.reqGlobalCancel({}), beforeWrite);
  } else {
    beforeWrite();
    await Promise.all(open.map((record) => cancelOne(orders, record, signal)));
  }
  const isOver = () => open.every(({ status }) => isFinal(status));
  const own = open.filter(({ clientId }) => clientId === session.clientId);
  await events.until(() => own.every(({ status }) => isFinal(status)), times.ackMs, signal);
  // TWS tells nobody but its owner how an order ends: what its list no longer shows has ended
  for (let looks = 3; looks > 0 && !isOver() && !signal.aborted; looks -= 1) {
    await readEnded(orders, open, context);
    await events.until(isOver, times.settleMs, signal);
  }
  const others = working.filter((record) => !open.includes(record) && !isFinal(record.status));
  const toOrders = (some: readonly OrderRecord[]) => some.map((record) => records.toOrder(record));
  return { orders: toOrders(open), others: toOrders(others) };
}

const unknown = (why: string) =>
  new TwsError("outcome_unknown", `${why}; it is not known which orders are cancelled.`, {
    nextStep: "Cancelling again is harmless: call ibkr_cancel_all_orders again.",
  });

/** What became of it shows in its state; one that cannot be cancelled does not keep the others. */
async function cancelOne(orders: OrderContext, record: OrderRecord, signal: AbortSignal): Promise<void> {
  if (record.orderId === 0) {
    orders.records.warn(
      record,
      "It was placed in the window of TWS and has no order id, so it has to be cancelled there.",
    );
    return;
  }
  // ids count for each client: TWS would take our own order of this id, or any other's, whichever account that is in
  if (orders.records.byId(record.orderId) !== record) {
    orders.records.warn(
      record,
      "It belongs to another API client and shares its id, so it has to be cancelled there.",
    );
    return;
  }
  try {
    await cancelOrder(orders, record, signal);
  } catch (error) {
    if (!(error instanceof TwsError)) throw error;
    orders.records.warn(record, error.message);
  }
}

async function readEnded(
  { lists, records }: OrderContext,
  open: readonly OrderRecord[],
  context: RequestContext,
): Promise<void> {
  const rows = await lists.openOrders(context).catch(() => null);
  if (rows === null) return;
  const listed = new Set(rows.map((row) => records.of(row)));
  const ended = await lists.completedOrders(context).catch(() => []);
  for (const record of open) {
    if (isFinal(record.status) || listed.has(record)) continue;
    const row = ended.find(({ order }) => order.permId !== null && order.permId === record.permId);
    if (row !== undefined) records.completed(record, row);
  }
}
