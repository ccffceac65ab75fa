import { z } from "zod";
import { orderContractFields } from "../contract.ts";
import { ErrorBody } from "../errors.ts";
import { Action, OrderStatus } from "../order.ts";
import { Mode } from "../status.ts";
import { defineTool } from "./define.ts";
import { account, idempotencyKey, orderTerms, outcome, price, quantity } from "./orders.ts";

/**
 * One order of a basket; the contract and the terms as in ibkr_place_order. A word that is none of these is refused: an
 * order with its account or its price left out is another order.
 */
const BasketRow = z.strictObject({ ...orderContractFields, ...orderTerms });

/** What became of one order of a basket. */
const BasketOutcome = z.union([
  z.object({ row: z.int(), symbol: z.string(), ...outcome }),
  z.object({ row: z.int(), symbol: z.string(), error: ErrorBody }),
]);

export const orderGroupTools = {
  ibkr_place_bracket_order: defineTool({
    title: "Place bracket order",
    description:
      "Places a limit entry with a take profit and a stop loss attached: once the entry fills both wait, and the fill of one cancels the other. If TWS refuses one of the three, the entry is cancelled and the error says what remains. For a single order use ibkr_place_order; follow it with ibkr_wait_for_order. Never repeat it after outcome_unknown.",
    input: {
      ...orderContractFields,
      action: Action.describe("BUY or SELL, of the entry"),
      quantity,
      entryPrice: price.describe("Limit of the entry"),
      takeProfitPrice: price.describe("Limit of the exit with profit"),
      stopLossPrice: price.describe("Stop of the exit with loss"),
      tif: z.enum(["DAY", "GTC"]).default("DAY").describe("Of the entry"),
      exitTif: z
        .enum(["DAY", "GTC"])
        .default("GTC")
        .describe("Of the exits: DAY leaves a position bare overnight"),
      outsideRth: z.boolean().default(false).describe("All three also outside regular hours"),
      account,
      idempotencyKey,
    },
    output: {
      parentOrderId: z.int().describe("Entry"),
      takeProfitOrderId: z.int().describe("Take profit"),
      stopLossOrderId: z.int().describe("Stop loss"),
      status: OrderStatus.describe("Of the entry"),
      takeProfitStatus: OrderStatus.describe("PreSubmitted until the entry fills"),
      stopLossStatus: OrderStatus.describe("PreSubmitted until its stop is reached"),
      account: z.string().describe("Account"),
      mode: Mode.describe("paper or live"),
      symbol: z.string().describe("Symbol"),
      filled: z.number().describe("Filled of the entry"),
      avgFillPrice: z.number().nullable().describe("Of the entry; null before a fill"),
      warnings: z.array(z.string()).describe("TWS's words on the three"),
      idempotencyKey: z.string().describe("Yours, or the one made for this bracket"),
    },
    effect: "trades",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
  }),
  ibkr_place_orders: defineTool({
    title: "Place several orders",
    description:
      "Places up to 30 orders in the order given, and answers for each what became of it: a bad one does not stop the others. With oneCancelsOther the fill of one cancels the rest. For an entry with exits use ibkr_place_bracket_order, for one order ibkr_place_order. Never repeat rows whose error is outcome_unknown.",
    input: {
      orders: z.array(BasketRow).min(1).max(30).describe("Each as for ibkr_place_order"),
      oneCancelsOther: z.boolean().default(false).describe("Joins them to one OCA group"),
      account,
      idempotencyKey,
    },
    output: {
      orders: z
        .array(BasketOutcome)
        .describe(
          "In the order given: row, symbol and orderId, status, filled…, or error {code, message, nextStep}",
        ),
      count: z.int().describe("Rows"),
      accepted: z.int().describe("Taken by TWS"),
      refused: z.int().describe("Not working, by the error of the row"),
      unknown: z.int().describe("Perhaps placed: read the error of the row first"),
      account: z.string().describe("Account"),
      mode: Mode.describe("paper or live"),
      ocaGroup: z.string().nullable().describe("Name of the OCA group"),
      idempotencyKey: z.string().describe("Yours, or the one made for this basket"),
    },
    effect: "trades",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_cancel_all_orders: defineTool({
    title: "Cancel all orders",
    description:
      "Cancels every working order, those of other clients too, and answers with what each came to. Without account it covers all accounts you may see, or only the one to which the owner has bound this host. Positions stay, and repeating it is harmless; for one order use ibkr_cancel_order.",
    input: { account: z.string().trim().max(50).default("").describe("Only this account") },
    output: {
      orders: z
        .array(z.object({ ...outcome, symbol: z.string() }))
        .describe("The first 60, open ones first: orderId, symbol, account, mode, status, filled, remaining"),
      count: z.int().describe("Orders that were working"),
      cancelled: z.int().describe("Now cancelled"),
      stillOpen: z.int().describe("Not confirmed: see warnings, look again"),
      accounts: z.array(z.string()).describe("Covered"),
      elsewhere: z.int().describe("Left working in your other accounts"),
    },
    effect: "cancels",
    deadline: "slow",
    toolset: "core",
    runs: "agent",
  }),
} as const;
