import { z } from "zod";
import { ContractRow } from "../contract.ts";
import { Action } from "../order.ts";
import { Mode } from "../status.ts";
import { defineTool } from "./define.ts";

const money = z.number().nonnegative().max(1_000_000_000);
const percent = z.number().min(0).max(100);
const figure = z.number().nullable();

const common = {
  account: z.string().describe("Account id"),
  mode: Mode.describe("paper or live"),
  currency: z.string().describe("Of all amounts but limitPrice"),
  netLiquidation: z.number().describe("Worth of the account"),
  asOf: z.string().describe("When, ISO 8601"),
  method: z.record(z.string(), z.string()).describe("How figures come about"),
  assumptions: z.array(z.string()).describe("What was not looked at"),
};

const account = z
  .string()
  .trim()
  .max(50)
  .default("")
  .describe("Account id; empty for the default or only one");

const instrument = {
  symbol: z.string(),
  conId: z.int().nullable(),
  secType: z.string(),
};

const PlannedOrder = z.object({
  ...instrument,
  exchange: z.string(),
  currency: z.string(),
  action: Action,
  quantity: z.number(),
  orderType: z.literal("LMT"),
  /** In the instrument's currency: the ask for a purchase, the bid for a sale. */
  limitPrice: z.number(),
  /** What the price is: live, delayed… or `portfolio` for TWS's own valuation where there was no quote. */
  dataType: z.string(),
  value: z.number(),
  commission: z.number(),
  currentPercent: z.number(),
  targetPercent: z.number(),
  percentAfter: z.number(),
});

const LeftAlone = z.object({
  ...instrument,
  reason: z.string(),
  currentPercent: figure,
  targetPercent: figure,
});

const RiskHolding = z.object({
  ...instrument,
  marketValue: z.number(),
  /** Of net liquidation, negative when short. */
  percent: z.number(),
  beta: figure,
  /** Standard deviation of a year in percent. */
  volatilityPercent: z.number(),
});

const Scenario = z.object({ scenario: z.string(), gain: z.number(), percent: z.number() });

export const analysisTools = {
  ibkr_plan_rebalance: defineTool({
    title: "Plan a rebalance",
    description:
      "Works out the exact orders that bring an account's stocks and funds to target percentages: whole lots, sales first, within the cash there is, commissions included. It only plans: check the orders, then place them with ibkr_place_order or ibkr_place_orders. What it leaves alone is listed with the reason.",
    input: {
      targets: z
        .array(ContractRow.extend({ percent }))
        .min(1)
        .max(50)
        .describe(
          "Instruments (conId or symbol…), each with percent to hold of net liquidation less the buffer; 0 sells all; at most 100 together",
        ),
      account,
      cashBufferPercent: z.number().min(0).max(90).default(1).describe("Percent to keep in cash"),
      driftBandPercent: percent.default(1).describe("Leave alone what is off by fewer points"),
      minTradeValue: money.default(100).describe("Smallest trade, in the account's currency"),
      lotSize: z.int().min(1).max(1_000_000).default(1).describe("Quantities are multiples of this"),
      others: z.enum(["keep", "sell"]).default("keep").describe("Stocks held that have no target"),
    },
    output: {
      ...common,
      orders: z
        .array(PlannedOrder)
        .describe(
          "In order of placing; pass conId, action, quantity, orderType, limitPrice on. Also value, commission, currentPercent, targetPercent, percentAfter",
        ),
      leftAlone: z.array(LeftAlone).describe("symbol, conId, reason, currentPercent, targetPercent"),
      cashBefore: z.number().describe("Cash now"),
      cashAfter: z.number().describe("Cash after all of them, commissions paid"),
      cashBuffer: z.number().describe("Cash that purchases leave"),
      working: z
        .object({
          orders: z.int(),
          cashSetAside: z.number(),
          offered: z.array(z.object({ symbol: z.string(), conId: z.int(), quantity: z.number() })),
          unknown: z.array(z.object({ orderId: z.int(), symbol: z.string(), reason: z.string() })),
        })
        .describe(
          "Working orders: orders (count), cashSetAside for purchases, offered (not sold again), unknown (purchases of unknown cost)",
        ),
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
    numbers: "exact",
  }),
  ibkr_assess_risk: defineTool({
    title: "Assess risk",
    description:
      "Value at risk, beta, concentration, correlations and stress losses of an account, worked out from its holdings now and their daily bars. Use it before adding to a position; for margin use ibkr_get_account_summary. It says what it could not include and why.",
    input: {
      account,
      benchmark: z
        .string()
        .trim()
        .min(1)
        .max(32)
        .default("SPX")
        .describe("Index or stock symbol, or a conId; SPY if there is no index data"),
      windowDays: z.int().min(30).max(750).default(252).describe("Trading days to look back"),
      confidence: z.number().min(0.8).max(0.995).default(0.95).describe("0.95 is 95 %"),
      horizonDays: z.int().min(1).max(20).default(1).describe("Trading days ahead"),
    },
    output: {
      ...common,
      window: z
        .object({ observations: z.int(), from: z.string().nullable(), to: z.string().nullable() })
        .describe("observations (daily returns), from, to"),
      benchmark: z
        .object({ symbol: z.string(), conId: z.int().nullable(), error: z.string().nullable() })
        .describe("symbol, conId, error when it has no bars"),
      valueAtRisk: z
        .object({
          confidence: z.number(),
          horizonDays: z.int(),
          historical: z.number(),
          historicalPercent: z.number(),
          expectedShortfall: z.number(),
          parametric: z.number(),
          parametricPercent: z.number(),
        })
        .nullable()
        .describe("Losses: historical, expectedShortfall, parametric; null with too few days"),
      volatilityPercent: figure.describe("Of a year, of net liquidation"),
      beta: figure.describe("Of net liquidation to the benchmark"),
      rSquared: figure.describe("Share of the variance that the benchmark explains"),
      holdings: z.array(RiskHolding).describe("Included: marketValue, percent, beta, volatilityPercent"),
      concentration: z
        .object({
          hhi: figure,
          effectiveHoldings: figure,
          top: z.array(z.object({ symbol: z.string(), percentOfGross: z.number() })),
        })
        .describe("hhi (0 to 1), effectiveHoldings, top; all holdings with a value"),
      correlation: z
        .object({ symbols: z.array(z.string()), matrix: z.array(z.array(figure)) })
        .describe("symbols and matrix of the ten largest"),
      stress: z.array(Scenario).describe("scenario, gain, percent of net liquidation"),
      excluded: z
        .array(z.object({ ...instrument, marketValue: figure, reason: z.string() }))
        .describe("Not in the figures, and why"),
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
  }),
} as const;
