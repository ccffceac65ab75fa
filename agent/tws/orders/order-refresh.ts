import type { RequestContext, TwsSession } from "../session/api.ts";
import type { Executions } from "./executions.ts";
import type { OrderRecord, OrderRecords } from "./order-records.ts";
import { requestCompletedOrders, requestExecutions, requestOpenOrders } from "./order-requests.ts";
import type { ExecutionRow, OrderRow } from "./order-wire.ts";

interface Deps {
  readonly session: TwsSession;
  readonly records: OrderRecords;
  readonly executions: Executions;
}

/** The orders that the book knew when a list was asked for, and what the list shows of them. */
interface Look {
  readonly rows: readonly OrderRow[];
  /** Own orders that the book takes for working and the list does not show. */
  readonly missing: readonly OrderRecord[];
}

/** What TWS's lists of working orders, ended orders and fills show, read one behind the other. */
export interface OrderLists {
  /** The references of all orders on them. */
  readonly refs: ReadonlySet<string>;
  /** In no order. */
  readonly fills: readonly ExecutionRow[];
  /**
   * Since when they are known to be whole, in Unix milliseconds by TWS's clock: the end of the second of the earliest fill
   * that both other lists agree on, whoever sent its order. Null when they show none.
   */
  readonly wholeSince: number | null;
}

/** Asks TWS where the orders are, at the start of each connection and whenever the book cannot know. */
export function createOrderRefresh({ session, records, executions }: Deps) {
  let haveCompleted = false;

  async function look(context: RequestContext): Promise<Look> {
    const before = records.all();
    // one that TWS takes while it writes the list is on the next
    const wasHeld = new Set(before.filter(({ acknowledged }) => acknowledged));
    const rows = await requestOpenOrders(session, context);
    const shown = new Map(rows.flatMap((row) => keysOf(row).map((key) => [key, row] as const)));
    const rowOf = ({ permId, orderId, clientId }: OrderRecord) =>
      shown.get(permId === null ? idKey(orderId, clientId) : permKey(permId));
    for (const record of before) records.listed(record, rowOf(record));
    const missing = [...wasHeld].filter(
      (record) => record.clientId === session.clientId && !record.isFinal && rowOf(record) === undefined,
    );
    return { rows, missing };
  }

  /** The orders that work. One that the book knows and TWS does not list any more has ended: the other lists say how. */
  async function openOrders(context: RequestContext): Promise<readonly OrderRow[]> {
    const { rows, missing } = await look(context);
    if (missing.length > 0) await settle(missing, context).catch(() => undefined);
    return rows;
  }

  async function settle(missing: readonly OrderRecord[], context: RequestContext): Promise<void> {
    await requestExecutions(session, context);
    if (missing.some(({ isFinal }) => !isFinal)) await completedOrders(context);
    for (const record of missing) giveUp(record);
  }

  /** No list shows it. */
  function giveUp(record: OrderRecord): void {
    if (record.isFinal) return;
    if (record.doubt !== null)
      return records.conclude(record, record.doubt === "refused" ? "Inactive" : "Cancelled");
    records.conclude(record, "Unknown");
    records.remark(record, unlisted, ({ status }) => status === "Unknown");
  }

  /** The orders that ended today; the book has each as this list does. */
  async function completedOrders(context: RequestContext): Promise<readonly OrderRow[]> {
    const rows = await requestCompletedOrders(session, context);
    haveCompleted = true;
    for (const row of rows) adopt(row);
    return rows;
  }

  /** Completed orders carry no order id; fills and the book know which order a permId is. */
  function adopt(row: OrderRow): void {
    const { permId, orderRef } = row.order;
    const record =
      (permId === null ? undefined : records.byPermId(permId)) ??
      (orderRef === null ? undefined : records.unnamedByRef(orderRef));
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

  const readAll = (context: RequestContext): Promise<OrderLists> => read(context, true);
  const refresh = async (context: RequestContext): Promise<void> => void (await read(context, false));

  /** Without `whole` the ended orders may be left out. */
  async function read(context: RequestContext, whole: boolean): Promise<OrderLists> {
    const { rows, missing } = await look(context);
    const execIds = await requestExecutions(session, context);
    const fills = executions.rowsOf(execIds);
    const unknownFill = fills.some(({ execution: { permId, clientId } }) =>
      clientId === session.clientId && permId !== null ? records.byPermId(permId) === undefined : false,
    );
    const refs = new Set(
      [
        ...rows.map(({ order }) => order.orderRef),
        ...fills.map(({ execution }) => execution.orderRef),
      ].filter((ref) => ref !== null),
    );
    if (!whole && haveCompleted && !unknownFill && missing.every(({ isFinal }) => isFinal)) {
      return { refs, fills, wholeSince: null };
    }
    const completed = await completedOrders(context);
    for (const record of missing) giveUp(record);
    for (const { order } of completed) if (order.orderRef !== null) refs.add(order.orderRef);
    return { refs, fills, wholeSince: wholeSinceOf(execIds, completed) };
  }

  /** A list that is empty for now shows neither; one of them alone proves nothing of the other. */
  function wholeSinceOf(execIds: Iterable<string>, completed: readonly OrderRow[]): number | null {
    const ended = new Set(completed.flatMap(({ order: { permId } }) => permId ?? []));
    const earliest = executions.earliest(execIds, ended);
    // TWS tells whole seconds, and the lists may begin within that one
    return earliest === null ? null : Date.parse(earliest) + 1_000;
  }

  return { openOrders, completedOrders, refresh, readAll };
}
export type OrderRefresh = ReturnType<typeof createOrderRefresh>;

const unlisted = "TWS lists this order neither as working nor as completed.";

const permKey = (permId: number): string => `perm ${permId}`;
const idKey = (orderId: number, clientId: number | null): string => `${clientId} ${orderId}`;
const keysOf = ({ orderId, order: { permId, clientId } }: OrderRow): readonly string[] => [
  idKey(orderId, clientId),
  ...(permId === null ? [] : [permKey(permId)]),
];
