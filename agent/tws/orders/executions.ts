import { modeOf } from "../../../shared/status.ts";
import type { Execution } from "../../../shared/order.ts";
import { readTime } from "../session/time-zone.ts";
import { createIndex } from "./order-index.ts";
import type { CommissionRow, ExecutionRow } from "./order-wire.ts";

/** What the fills of one order add up to; the price is the average over them. */
export interface Fills {
  readonly quantity: number;
  readonly avgPrice: number | null;
}

/** Older fills are forgotten beyond this many. */
const kept = 20_000;

interface Fill {
  readonly version: number;
  readonly row: ExecutionRow;
  /** When, once somebody has asked: a zone's clock takes its time. Null for a time that cannot be read. */
  at?: string | null;
}

/** By which an order's fills are known. */
interface FilledOrder {
  readonly permId: number | null;
  readonly orderId: number;
  readonly clientId: number | null;
}

function belongsTo(order: FilledOrder, { execution }: ExecutionRow): boolean {
  if (order.permId !== null && execution.permId !== null) return order.permId === execution.permId;
  return order.orderId === execution.orderId && order.clientId === execution.clientId;
}

/** `0000e0d5.6a3f2b1c.01.02` is the second version of the fill `0000e0d5.6a3f2b1c.01`. */
function versionOf(execId: string): { readonly fill: string; readonly version: number } {
  const parts = /^(.+)\.(\d+)$/.exec(execId);
  return parts?.[1] === undefined
    ? { fill: execId, version: 0 }
    : { fill: parts[1], version: Number(parts[2]) };
}

/**
 * The fills that TWS has reported, each once, with corrections in the place of what they correct. TWS writes each on
 * the clock of its venue, "20261124 15:51:26 US/Central"; before it named zones, on that of its machine.
 */
export function createExecutions(zone: () => string | null = () => null) {
  const fills = new Map<string, Fill>();
  /** The same by the permId of the order, and by its client and id. */
  const byPermId = createIndex<number, Fill>();
  const byOrder = createIndex<string, Fill>();
  const commissions = new Map<string, CommissionRow>();

  function index(fill: Fill): void {
    const { permId, orderId, clientId } = fill.row.execution;
    if (permId !== null) byPermId.add(permId, fill);
    byOrder.add(`${clientId} ${orderId}`, fill);
  }

  function forget(key: string, fill: Fill): void {
    const { permId, orderId, clientId } = fill.row.execution;
    fills.delete(key);
    if (permId !== null) byPermId.remove(permId, fill);
    byOrder.remove(`${clientId} ${orderId}`, fill);
  }

  /** The fills named by these execution ids. */
  function filledBy(execIds: Iterable<string>): Fill[] {
    const wanted = new Set([...execIds].map((execId) => versionOf(execId).fill));
    return [...wanted].flatMap((fill) => fills.get(fill) ?? []);
  }

  const timeOf = (fill: Fill): string | null => {
    if (fill.at === undefined) fill.at = readTime(fill.row.execution.time, zone());
    return fill.at;
  };

  const toExecution = (fill: Fill): Execution => {
    const { contract, execution: wire } = fill.row;
    const report = commissions.get(wire.execId);
    return {
      execution: {
        execId: wire.execId,
        orderId: wire.orderId ?? 0,
        permId: wire.permId,
        clientId: wire.clientId,
        account: wire.acctNumber,
        mode: modeOf(wire.acctNumber),
        side: wire.side,
        shares: wire.shares,
        price: wire.price,
        cumQty: wire.cumQty,
        avgPrice: wire.avgPrice,
        exchange: wire.exchange,
        time: timeOf(fill),
        timeText: wire.time,
        orderRef: wire.orderRef,
      },
      contract,
      commissionReport:
        report === undefined
          ? null
          : { commission: report.commission, currency: report.currency, realizedPnl: report.realizedPnl },
    };
  };

  return {
    add(row: ExecutionRow): void {
      const { fill, version } = versionOf(row.execution.execId);
      const known = fills.get(fill);
      if (known !== undefined && known.version > version) return;
      const next: Fill = { version, row };
      if (known !== undefined) forget(fill, known);
      fills.set(fill, next);
      index(next);
      if (fills.size > kept) {
        const [oldest] = fills;
        if (oldest !== undefined) forget(...oldest);
      }
    },
    addCommission(row: CommissionRow): void {
      commissions.set(row.execId, row);
      if (commissions.size > kept) {
        const [oldest] = commissions.keys();
        if (oldest !== undefined) commissions.delete(oldest);
      }
    },
    /** The fills named by these execution ids in their latest versions, oldest first. */
    named(execIds: Iterable<string>): Execution[] {
      return filledBy(execIds)
        .toSorted((a, b) => (timeOf(a) ?? "").localeCompare(timeOf(b) ?? ""))
        .map(toExecution);
    },
    /** The same as TWS told them, in no order. */
    rowsOf: (execIds: Iterable<string>): ExecutionRow[] => filledBy(execIds).map(({ row }) => row),
    /** When the first of them was that an order of these permIds had, ISO 8601; null when none can be told. */
    earliest(execIds: Iterable<string>, permIds: ReadonlySet<number>): string | null {
      let earliest: string | null = null;
      for (const fill of filledBy(execIds)) {
        const { permId } = fill.row.execution;
        if (permId === null || !permIds.has(permId)) continue;
        const at = timeOf(fill);
        if (at !== null && (earliest === null || at < earliest)) earliest = at;
      }
      return earliest;
    },
    /** Whether every one of these fills has its commission. */
    haveCommissions(execIds: Iterable<string>): boolean {
      for (const execId of execIds) {
        const known = fills.get(versionOf(execId).fill);
        if (known !== undefined && !commissions.has(known.row.execution.execId)) return false;
      }
      return true;
    },
    /** What the fills of an order add up to of which `counts` holds. */
    total(order: FilledOrder, counts: (row: ExecutionRow) => boolean): Fills {
      let quantity = 0;
      let cost = 0;
      const { permId, orderId, clientId } = order;
      const its = new Set([
        ...(permId === null ? [] : byPermId.of(permId)),
        ...byOrder.of(`${clientId} ${orderId}`),
      ]);
      for (const { row } of its) {
        if (!belongsTo(order, row) || !counts(row)) continue;
        quantity += row.execution.shares;
        cost += row.execution.shares * row.execution.price;
      }
      // 100 and 48 at 502.94 are 502.94 on average, and not 502.93999999999994
      return { quantity, avgPrice: quantity > 0 ? Math.round((cost / quantity) * 1e8) / 1e8 : null };
    },
    /** A fill of the order with IBKR's permanent id. */
    ofPermId(permId: number): ExecutionRow | undefined {
      const [first] = byPermId.of(permId);
      return first?.row;
    },
  };
}
export type Executions = ReturnType<typeof createExecutions>;
