import { z } from "zod";
import { Contract } from "./contract.ts";
import { Mode } from "./status.ts";

/** One figure of an account, as TWS words it: most values are decimal amounts, some are text. */
const AccountFigure = z.object({
  key: z.string(),
  value: z.string().nullable(),
  currency: z.string().nullable(),
});
export type AccountFigure = z.infer<typeof AccountFigure>;

/** A holding. Amounts in the contract's currency; null is "TWS has not said". */
const Holding = z.object({
  contract: Contract.partial(),
  /** Units of the contract, negative when short, 0 when closed today. */
  position: z.number(),
  /** For one unit, commissions and the multiplier included. */
  avgCost: z.number().nullable(),
  marketPrice: z.number().nullable(),
  marketValue: z.number().nullable(),
  unrealizedPnL: z.number().nullable(),
  realizedPnL: z.number().nullable(),
});
export type Holding = z.infer<typeof Holding>;

/** An account as TWS last showed it. */
export const Portfolio = z.object({
  account: z.string(),
  mode: Mode,
  /** When TWS last changed anything here, ISO 8601. */
  time: z.string(),
  values: z.array(AccountFigure),
  positions: z.array(Holding),
  /** Positions in all; a very long list is cut to the largest. */
  positionsTotal: z.int().nonnegative(),
});
export type Portfolio = z.infer<typeof Portfolio>;

/** One row that differs. `key` names the row within its account. */
export type PortfolioChange =
  | { readonly type: "portfolio"; readonly key: string; readonly data: Holding }
  | { readonly type: "account_value"; readonly key: string; readonly data: AccountFigure };

const figureKey = ({ key, currency }: AccountFigure): string => `value ${key}/${currency ?? ""}`;
const holdingKey = ({ contract }: Holding): string =>
  `position ${contract.conId ?? contract.localSymbol ?? contract.symbol ?? ""}`;

function rowsOf({ values, positions }: Portfolio): Map<string, PortfolioChange> {
  const rows = new Map<string, PortfolioChange>();
  for (const data of values) rows.set(figureKey(data), { type: "account_value", key: figureKey(data), data });
  for (const data of positions)
    rows.set(holdingKey(data), { type: "portfolio", key: holdingKey(data), data });
  return rows;
}

/** The rows of `after` that `before` does not have so; a holding that is gone is told with the position 0. */
export function portfolioChanges(before: Portfolio | null, after: Portfolio): PortfolioChange[] {
  const known = before === null ? new Map<string, PortfolioChange>() : rowsOf(before);
  const rows = rowsOf(after);
  const changed = [...rows.values()].filter(
    (row) => JSON.stringify(known.get(row.key)) !== JSON.stringify(row),
  );
  for (const row of known.values()) {
    if (row.type !== "portfolio" || rows.has(row.key) || row.data.position === 0) continue;
    changed.push({ ...row, data: { ...closed, contract: row.data.contract } });
  }
  return changed;
}

const closed = {
  position: 0,
  avgCost: null,
  marketPrice: null,
  marketValue: null,
  unrealizedPnL: null,
  realizedPnL: null,
} as const;
