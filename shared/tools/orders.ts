import { z } from "zod";
import { contractFields } from "../contract.ts";
import { Action, Execution, Order, OrderStatus, OrderType, TimeInForce } from "../order.ts";
import { Mode } from "../status.ts";
import { defineTool, pageInput, pageOutput } from "./define.ts";

const price = z.number().finite();
const orderId = z.int().positive().describe("Order id as ibkr_place_order returned it");

const outcome = {
  orderId: z.int().describe("TWS order id"),
  account: z.string().describe("Account"),
  mode: Mode.describe("paper or live"),
  status: OrderStatus.describe("TWS status; Filled, Cancelled and Inactive are final"),
  filled: z.number().describe("Quantity filled so far"),
  remaining: z.number().describe("Quantity still open"),
  avgFillPrice: z.number().nullable().describe("Null before a fill"),
  warnings: z.array(z.string()).describe("TWS's words on the order"),
};

export const orderTools = {
  ibkr_place_order: defineTool({
    title: "Place order",
    description:
      "Places one order and answers once TWS has taken it; a market order is usually filled by then. Check the price with ibkr_get_quotes first and the fill with ibkr_get_order_status or ibkr_get_executions after. To change a working order use ibkr_modify_order. Never repeat it after outcome_unknown.",
    input: {
      ...contractFields,
      action: Action.describe("BUY or SELL"),
      quantity: z
        .number()
        .positive()
        .max(10_000_000)
        .describe("Shares, contracts or units of the base currency"),
      orderType: OrderType.default("MKT").describe("LMT needs limitPrice; STP auxPrice; STP LMT both"),
      limitPrice: price.optional().describe("Limit"),
      auxPrice: price.optional().describe("Stop trigger"),
      tif: TimeInForce.default("DAY").describe("Time in force"),
      outsideRth: z.boolean().default(false).describe("Also fill outside regular hours"),
      account: z.string().trim().max(50).default("").describe("Empty for the default or only one"),
      idempotencyKey: z
        .string()
        .regex(/^[\w.:-]{1,64}$/)
        .optional()
        .describe("Your own id for this order; a repeat with the same key returns the first outcome"),
    },
    output: {
      ...outcome,
      symbol: z.string().describe("Symbol"),
      action: Action.describe("BUY or SELL"),
      quantity: z.number().describe("Ordered"),
      orderType: z.string().describe("Type"),
      permId: z.int().nullable().describe("IBKR's permanent id"),
      idempotencyKey: z.string().describe("Yours, or the one made for this order"),
    },
    effect: "trades",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
  }),
  ibkr_modify_order: defineTool({
    title: "Modify order",
    description:
      "Changes quantity or prices of a working order of this agent; what you leave out stays. See what is working with ibkr_get_open_orders. To change side or symbol, cancel with ibkr_cancel_order and place a new one.",
    input: {
      orderId,
      quantity: z
        .number()
        .positive()
        .max(10_000_000)
        .optional()
        .describe("New total quantity, filled part included"),
      limitPrice: price.optional().describe("New limit"),
      auxPrice: price.optional().describe("New stop trigger"),
    },
    output: outcome,
    effect: "trades",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
  }),
  ibkr_cancel_order: defineTool({
    title: "Cancel order",
    description:
      "Cancels a working order and answers with the state it ended in; a fill that came first wins and is reported. Repeating it is harmless. Working orders are listed by ibkr_get_open_orders.",
    input: { orderId },
    output: outcome,
    effect: "cancels",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
  }),
  ibkr_get_open_orders: defineTool({
    title: "Open orders",
    description:
      "Orders that are working now, of this agent and of other clients of the same TWS. For one order use ibkr_get_order_status, for fills ibkr_get_executions.",
    input: { ...pageInput },
    output: {
      orders: z
        .array(Order)
        .describe("orderId, account, mode, contract, action, quantity, prices, status, filled, remaining"),
      count: z.int().describe("Orders in all"),
      ...pageOutput,
    },
    effect: "reads",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
    paged: "orders",
  }),
  ibkr_get_order_status: defineTool({
    title: "Order status",
    description:
      "Where one order is: status, filled, remaining, average price, why it is held. Use it after ibkr_place_order; the fills themselves are in ibkr_get_executions.",
    input: { orderId },
    output: {
      ...outcome,
      whyHeld: z.string().nullable().describe("TWS's reason, such as locate"),
      order: Order.describe("The whole order"),
    },
    effect: "reads",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
  }),
  ibkr_get_executions: defineTool({
    title: "Executions",
    description:
      "Today's fills with price, time, commission and realized profit, oldest first; corrections replace what they correct. Open quantities are in ibkr_get_open_orders, the resulting holdings in ibkr_get_positions.",
    input: {
      symbol: z.string().trim().max(64).optional().describe("Only this symbol"),
      secType: z.string().trim().max(10).optional().describe("Only this security type"),
      exchange: z.string().trim().max(32).optional().describe("Only this venue"),
      account: z.string().trim().max(50).default("").describe("Empty for all you may see"),
      ...pageInput,
    },
    output: {
      executions: z.array(Execution).describe("Each with execution, contract and commissionReport"),
      count: z.int().describe("Fills in all"),
      ...pageOutput,
    },
    effect: "reads",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
    paged: "executions",
  }),
} as const;
