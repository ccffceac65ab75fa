import { z } from "zod";
import { Contract, contractFields } from "../contract.ts";
import { Mode } from "../status.ts";
import { defineTool, pageInput, pageOutput } from "./define.ts";

const account = z
  .string()
  .trim()
  .max(50)
  .default("")
  .describe("Account id; empty for the default or only one");
const asOf = z.string().describe("When TWS answered, ISO 8601");

const AccountValue = z.object({
  key: z.string(),
  /** As TWS words it: most are decimal amounts, some are text. Null where it has set none. */
  value: z.string().nullable(),
  currency: z.string().nullable(),
  account: z.string(),
});

const Position = z.object({
  account: z.string(),
  mode: Mode,
  contract: Contract.partial(),
  /** Units of the contract, negative when short. */
  position: z.number(),
  /** For one unit, commissions and the multiplier included. */
  avgCost: z.number().nullable(),
  marketPrice: z.number().nullable(),
  marketValue: z.number().nullable(),
  /** Against the previous close, what was closed today included. */
  dailyPnL: z.number().nullable(),
  unrealizedPnL: z.number().nullable(),
  realizedPnL: z.number().nullable(),
});

const pnl = {
  account: z.string().describe("Account id"),
  mode: Mode.describe("paper or live"),
  dailyPnL: z.number().nullable().describe("Against the previous close; null if TWS has none"),
  unrealizedPnL: z.number().nullable().describe("Open profit"),
  realizedPnL: z.number().nullable().describe("Closed profit today"),
  asOf,
};

export const accountTools = {
  ibkr_get_account_summary: defineTool({
    title: "Account summary",
    description:
      "Key figures of an account: net liquidation, cash, buying power. Start here for the size of an account; ibkr_get_account_values has every figure and ibkr_get_positions the holdings.",
    input: {
      account,
      tags: z
        .string()
        .regex(/^[\w$:,\s-]{1,500}$/)
        .default("NetLiquidation,TotalCashValue,SettledCash,BuyingPower,GrossPositionValue")
        .describe("TWS tags, comma-separated; All for every one"),
    },
    output: {
      account: z.string().describe("Account id"),
      mode: Mode.describe("paper or live"),
      summary: z
        .record(
          z.string(),
          z.object({ value: z.union([z.number(), z.string(), z.null()]), currency: z.string().nullable() }),
        )
        .describe("For each tag its value and currency"),
      asOf,
    },
    effect: "reads",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
  }),
  ibkr_get_positions: defineTool({
    title: "Positions",
    description:
      "Holdings with quantity, average cost, market value and profit. Use it before trading and to confirm a fill; cash is in ibkr_get_account_summary.",
    input: { account: account.describe("Account id; empty for all you may see"), ...pageInput },
    output: {
      positions: z
        .array(Position)
        .describe(
          "account, mode, contract, position, avgCost, marketPrice, marketValue, dailyPnL against the previous close, unrealizedPnL, realizedPnL",
        ),
      count: z.int().describe("Positions in all"),
      asOf,
      ...pageOutput,
    },
    effect: "reads",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
    paged: "positions",
  }),
  ibkr_get_account_values: defineTool({
    title: "Account values",
    description:
      "Every figure TWS keeps for an account, by key and currency: margins, accruals, ledgers. It is long; for the usual figures use ibkr_get_account_summary.",
    input: { account, ...pageInput },
    output: {
      account: z.string().describe("Account id"),
      mode: Mode.describe("paper or live"),
      values: z.array(AccountValue).describe("key, value, currency, account"),
      count: z.int().describe("Values in all"),
      asOf,
      ...pageOutput,
    },
    effect: "reads",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
    paged: "values",
  }),
  ibkr_get_pnl: defineTool({
    title: "Profit and loss",
    description:
      "An account's profit today, against the previous close, open and closed, in its base currency, as TWS works it out. For one holding use ibkr_get_pnl_single; for open profit of all holdings ibkr_get_positions.",
    input: { account },
    output: pnl,
    effect: "reads",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_get_pnl_single: defineTool({
    title: "Profit of a holding",
    description:
      "Profit of one holding today, against the previous close, with its size and value. Name it by conId or symbol; for the whole account use ibkr_get_pnl. What is not held has position 0 and null for the rest.",
    input: { account, ...contractFields },
    output: {
      ...pnl,
      conId: z.int().describe("Contract id"),
      position: z.number().nullable().describe("Units held, negative when short"),
      value: z.number().nullable().describe("Market value"),
    },
    effect: "reads",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
  }),
} as const;
