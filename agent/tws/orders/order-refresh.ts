import { isFinal } from "../../../shared/order.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import type { Executions } from "./executions.ts";
import type { OrderRecord, OrderRecords } from "./order-records.ts";
import { requestCompletedOrders, requestExecutions, requestOpenOrders } from "./order-requests.ts";
import type { OrderRow } from "./order-wire.ts";

interface Deps {
  readonly session: TwsSession;
  readonly records: OrderRecords;
  readonly executions: Executions;
}

/** Asks TWS where the orders are, at the start of each connection and whenever the book cannot know. */
export function createOrderRefresh({ session, records, executions }: Deps) {
  let haveCompleted = false;

  const openOrders = (context: RequestContext) => requestOpenOrders(session, context);
  const completedOrders = (context: RequestContext) => requestCompletedOrders(session, context);

  /** Own orders that the book takes for working and TWS does not list. */
  function missingFrom(rows: readonly OrderRow[], before: readonly OrderRecord[]): OrderRecord[] {
    const permIds = new Set(rows.map(({ order }) => order.permId));
    const ownIds = new Set(
      rows.flatMap(({ orderId, order }) => (order.clientId === session.clientId ? [orderId] : [])),
    );
    const isListed = ({ permId, orderId }: OrderRecord) =>
      permId === null ? ownIds.has(orderId) : permIds.has(permId);
    return before.filter(
      (record) => record.clientId === session.clientId && !isFinal(record.status) && !isListed(record),
    );
  }

  /** Completed orders carry no order id; fills and the book know which order a permId is. */
  function adopt(row: OrderRow): void {
    const { permId, orderRef } = row.order;
    const record =
      (permId === null ? undefined : records.byPermId(permId)) ??
      (orderRef === null ? undefined : records.expectedByRef(orderRef));
    if (record !== undefined) return records.completed(record, row);
    const fill = permId === null ? undefined : executions.ofPermId(permId);
    const { orderId, clientId } = fill?.execution ?? {};
    if (typeof orderId === "number" && typeof clientId === "number") {
      const known = records.openOrder({ ...row, orderId, order: { ...row.order, clientId } });
      // of another client nothing more is heard
      if (clientId !== session.clientId) records.completed(known, row);
    }
    // one that ended without a fill is still the order of its reference, though nobody knows its id any more
    else if (orderRef !== null && permId !== null) records.completed(records.openOrder(row), row);
  }

  const readAll = (context: RequestContext): Promise<ReadonlySet<string>> => read(context, true);
  const refresh = async (context: RequestContext): Promise<void> => void (await read(context, false));

  /** The references that TWS lists; without `whole` the ended orders may be left out. */
  async function read(context: RequestContext, whole: boolean): Promise<ReadonlySet<string>> {
    const before = records.all();
    const rows = await openOrders(context);
    const execIds = await requestExecutions(session, context);
    const missing = missingFrom(rows, before);
    for (const record of missing) {
      if (record.acknowledged && records.fills(record).quantity >= record.quantity) record.status = "Filled";
    }
    const filled = executions.rowsOf(execIds);
    const unknownFill = filled.some(({ execution: { permId, clientId } }) =>
      clientId === session.clientId && permId !== null ? records.byPermId(permId) === undefined : false,
    );
    const listed = new Set(
      [
        ...rows.map(({ order }) => order.orderRef),
        ...filled.map(({ execution }) => execution.orderRef),
      ].filter((ref) => ref !== null),
    );
    if (!whole && haveCompleted && !unknownFill && missing.every(({ status }) => isFinal(status))) {
      return listed;
    }
    const completed = await completedOrders(context);
    haveCompleted = true;
    for (const row of completed) adopt(row);
    for (const record of missing) {
      if (isFinal(record.status) || !record.acknowledged) continue;
      record.status = "Unknown";
      records.warn(record, "TWS lists this order neither as working nor as completed.");
    }
    for (const { order } of completed) if (order.orderRef !== null) listed.add(order.orderRef);
    return listed;
  }

  return { openOrders, completedOrders, refresh, readAll };
}
export type OrderRefresh = ReturnType<typeof createOrderRefresh>;
