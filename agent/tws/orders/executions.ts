import { modeOf } from "../../../shared/status.ts";
import type { Execution } from "../../../shared/order.ts";
import { instantIn } from "../contracts/time-zone.ts";
import type { CommissionRow, ExecutionRow } from "./order-wire.ts";

/** What the fills of one order add up to; the price is the average over them. */
export interface Fills {
  readonly quantity: number;
  readonly avgPrice: number | null;
}

/** Older fills are forgotten beyond this many. */
const kept = 20_000;

/** `0000e0d5.6a3f2b1c.01.02` is the second version of the fill `0000e0d5.6a3f2b1c.01`. */
function versionOf(execId: string): { readonly fill: string; readonly version: number } {
  const parts = /^(.+)\.(\d+)$/.exec(execId);
  return parts?.[1] === undefined
    ? { fill: execId, version: 0 }
    : { fill: parts[1], version: Number(parts[2]) };
}

/** TWS writes each fill on the clock of its own venue: "20261124 15:51:26 US/Central". */
function whenOf({ execution: { time } }: ExecutionRow): string {
  const [, day, clock, zone] = /^(\d{8})[ -]+(\d{2}:\d{2}:\d{2}) (.+)$/.exec(time) ?? [];
  return (zone === undefined ? null : instantIn(zone, `${day}-${clock}`)) ?? time;
}

/** The fills that TWS has reported, each once, with corrections in the place of what they correct. */
export function createExecutions() {
  const fills = new Map<string, { readonly version: number; readonly row: ExecutionRow }>();
  const commissions = new Map<string, CommissionRow>();

  const toExecution = ({ contract, execution: wire }: ExecutionRow): Execution => {
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
        time: wire.time,
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
      fills.set(fill, { version, row });
      if (fills.size > kept) {
        const [oldest] = fills.keys();
        if (oldest !== undefined) fills.delete(oldest);
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
      const wanted = new Set([...execIds].map((execId) => versionOf(execId).fill));
      const rows = [...wanted].flatMap((fill) => fills.get(fill)?.row ?? []);
      return rows.sort((a, b) => whenOf(a).localeCompare(whenOf(b))).map((row) => toExecution(row));
    },
    /** Whether every one of these fills has its commission. */
    haveCommissions(execIds: Iterable<string>): boolean {
      return this.named(execIds).every(({ commissionReport }) => commissionReport !== null);
    },
    /** What the fills add up to of which `belongs` holds. */
    total(belongs: (row: ExecutionRow) => boolean): Fills {
      let quantity = 0;
      let cost = 0;
      for (const { row } of fills.values()) {
        if (!belongs(row)) continue;
        quantity += row.execution.shares;
        cost += row.execution.shares * row.execution.price;
      }
      // 100 and 48 at 502.94 are 502.94 on average, and not 502.93999999999994
      return { quantity, avgPrice: quantity > 0 ? Math.round((cost / quantity) * 1e8) / 1e8 : null };
    },
    /** The first fill of which `belongs` holds. */
    find(belongs: (row: ExecutionRow) => boolean): ExecutionRow | undefined {
      for (const { row } of fills.values()) if (belongs(row)) return row;
      return undefined;
    },
  };
}
export type Executions = ReturnType<typeof createExecutions>;
