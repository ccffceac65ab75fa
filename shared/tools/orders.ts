import { z } from "zod";
import { Contract, orderContractFields } from "../contract.ts";
import {
  Action,
  CompletedOrder,
  Execution,
  Order,
  OrderStatus,
  OrderType,
  TimeInForce,
  WaitUntil,
} from "../order.ts";
import { Mode } from "../status.ts";
import { defineTool, pageInput, pageOutput, spanOutput } from "./define.ts";

export const price = z.number().finite();
const orderId = z
  .int()
  .refine((id) => id !== 0, "0 is the id of no order")
  .describe("As ibkr_place_order gave it");
export const account = z.string().trim().max(50).default("").describe("Empty for the default");
const anyAccount = z.string().trim().max(50).default("").describe("Empty for all you may see");
export const idempotencyKey = z
  .string()
  .regex(/^[\w.:-]{1,64}$/)
  .optional()
  .describe("Your id for this order; a repeat returns the first outcome");
export const quantity = z
  .number()
  .positive()
  .max(10_000_000)
  .describe("Shares, contracts, bonds of 1,000 USD or units of the base currency");

/** What an order says beside its contract and its account, the same wherever one is placed or previewed. */
export const orderTerms = {
  action: Action.describe("BUY or SELL"),
  quantity,
  orderType: OrderType.default("MKT").describe(
    "LMT, LOC, LIT and STP LMT need limitPrice; STP, MIT, LIT, STP LMT, TRAIL, TRAIL LIMIT and REL need auxPrice",
  ),
  limitPrice: price.optional().describe("Limit; the cap of a REL"),
  auxPrice: price.optional().describe("Stop or touch price; trailing amount (TRAIL); offset (REL)"),
  trailStopPrice: price.optional().describe("First stop of a trailing order; TRAIL LIMIT needs it"),
  limitOffset: price.optional().describe("TRAIL LIMIT: distance of limit from stop"),
  tif: TimeInForce.default("DAY").describe("Time in force; GTD needs goodTillDate"),
  goodTillDate: z.iso.datetime({ offset: true }).optional().describe("End of a GTD order, ISO 8601"),
  outsideRth: z.boolean().default(false).describe("Also fill outside regular hours"),
} as const;

export const outcome = {
  orderId: z.int().describe("TWS order id"),
  account: z.string().describe("Account"),
  mode: Mode.describe("paper or live"),
  status: OrderStatus.describe("Where it stands"),
  isFinal: z.boolean().describe("False for an Inactive order that TWS may wake"),
  filled: z.number().describe("Filled so far"),
  remaining: z.number().describe("Still open"),
  avgFillPrice: z.number().nullable().describe("Null before a fill"),
  lastFillPrice: z.number().nullable().default(null).describe("Of the last fill"),
  whyHeld: z.string().nullable().describe("TWS's reason, such as locate"),
  warnings: z.array(z.string()).describe("TWS's words on the order"),
};

const placed = {
  ...outcome,
  symbol: z.string().describe("Symbol"),
  action: Action.describe("BUY or SELL"),
  quantity: z.number().describe("Ordered"),
  orderType: z.string().describe("Type"),
  permId: z.int().nullable().describe("IBKR's permanent id"),
  idempotencyKey: z.string().describe("Yours, or one made for it"),
};

const MarginChange = z.object({
  before: z.number().nullable(),
  change: z.number().nullable(),
  after: z.number().nullable(),
});

/** The state of an order intent in the agent's journal. */
const IntentStatus = z.object({
  intentId: z.string(),
  idempotencyKey: z.string(),
  /** received and refused: not sent; sending and unknown: perhaps sent; acked and done: TWS has it; rejected, absent: it has not. */
  state: z.string(),
  note: z.string(),
});
/** One limit of the owner's, and what an order comes to under it. */
const LimitCheck = z.object({ name: z.string(), limit: z.string(), asked: z.string(), ok: z.boolean() });

export const orderTools = {
  ibkr_place_order: defineTool({
    title: "Place order",
    description:
      "Places one order and answers once TWS has taken it; a market order is usually filled by then. Check the price with ibkr_get_quotes first and the fill with ibkr_get_order_status after. To change a working order use ibkr_modify_order. Never repeat it after outcome_unknown.",
    input: {
      ...orderContractFields,
      ...orderTerms,
      account,
      idempotencyKey,
    },
    output: placed,
    effect: "trades",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
  }),
  ibkr_place_option_order: defineTool({
    title: "Place option order",
    description:
      "Places one order for an option, named by symbol, expiration, strike and right (on a future also secType FOP), or by conId. Find it with ibkr_get_option_chain, check cost and margin with ibkr_preview_order. For all else use ibkr_place_order; never repeat either after outcome_unknown.",
    input: {
      ...orderContractFields,
      action: orderTerms.action,
      quantity: quantity.describe("Contracts"),
      orderType: z.enum(["MKT", "LMT", "STP", "STP LMT"]).default("MKT").describe("Type"),
      limitPrice: price.optional().describe("Limit, for one unit of the underlying"),
      auxPrice: price.optional().describe("Stop price"),
      tif: z.enum(["DAY", "GTC", "IOC", "FOK"]).default("DAY").describe("Time in force"),
      account,
      idempotencyKey,
    },
    output: {
      ...placed,
      contract: Contract.partial().describe("The option that was ordered"),
    },
    effect: "trades",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_preview_order: defineTool({
    title: "Preview order",
    description:
      "What an order would do to margin, what it would cost, how it stands to the owner's limits and whether it needs approval; places nothing. The arguments are those of ibkr_place_order, and TWS refuses here what it would refuse there.",
    input: { ...orderContractFields, ...orderTerms, account },
    output: {
      account: z.string().describe("Account"),
      mode: Mode.describe("paper or live"),
      contract: Contract.partial().describe("What would be traded"),
      initMargin: MarginChange.describe("Null where TWS says none"),
      maintMargin: MarginChange.describe("The same"),
      equityWithLoan: MarginChange.describe("The same"),
      commission: z.number().nullable().describe("Null for none or a range"),
      minCommission: z.number().nullable().describe("Least"),
      maxCommission: z.number().nullable().describe("Most"),
      commissionCurrency: z.string().nullable().describe("Of the commission"),
      warnings: z.array(z.string()).describe("TWS's words on the order"),
      value: z.string().describe("Roughly, in the account's currency"),
      limits: z.array(LimitCheck).describe("The owner's limits; not ok is refused"),
      approval: z.string().nullable().describe("Why the owner must approve it; null: need not"),
      asOf: z.string().describe("When TWS said so"),
    },
    effect: "reads",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
    numbers: "exact",
  }),
  ibkr_modify_order: defineTool({
    title: "Modify order",
    description:
      "Changes quantity or prices of a working order of this agent; what you leave out stays. ibkr_get_open_orders lists them. To change side or symbol, cancel with ibkr_cancel_order and place anew.",
    input: {
      orderId,
      quantity: z
        .number()
        .positive()
        .max(10_000_000)
        .optional()
        .describe("New total quantity, filled part included"),
      limitPrice: price.optional().describe("New limit"),
      auxPrice: price.optional().describe("New stop or touch price, trailing amount or offset"),
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
      "Cancels a working order and answers with the state it ended in; a fill that came first wins. Repeating it is harmless. ibkr_get_open_orders lists working orders.",
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
      "Orders working now, of all clients of this TWS, newest first. For one use ibkr_get_order_status, for fills ibkr_get_executions.",
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
  ibkr_get_completed_orders: defineTool({
    title: "Completed orders",
    description:
      "Orders that ended today, filled or cancelled, of all clients of this TWS, newest first. Working ones are in ibkr_get_open_orders, both together in ibkr_get_all_orders, fills in ibkr_get_executions.",
    input: { account: anyAccount, ...pageInput },
    output: {
      orders: z
        .array(CompletedOrder)
        .describe("As ibkr_get_open_orders; orderId null if not known, completedTime, completedStatus"),
      count: z.int().describe("Orders in all"),
      ...spanOutput,
      ...pageOutput,
    },
    effect: "reads",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
    paged: "orders",
    inTime: { at: "completedTime", newest: "first" },
  }),
  ibkr_get_all_orders: defineTool({
    title: "All orders",
    description:
      "Today's orders of all clients of this TWS, those working first, each half newest first. For one half use ibkr_get_open_orders or ibkr_get_completed_orders.",
    input: { account: anyAccount, ...pageInput },
    output: {
      orders: z.array(z.union([Order, CompletedOrder])).describe("As those list them"),
      count: z.int().describe("Orders in all"),
      openCount: z.int().describe("Of these working"),
      ...pageOutput,
    },
    effect: "reads",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
    paged: "orders",
  }),
  ibkr_wait_for_order: defineTool({
    title: "Wait for order",
    description:
      "Waits until an order of this agent has filled or ended, and reports progress; at the deadline it answers with the state of then and reached false. Call again to go on waiting. Without waiting use ibkr_get_order_status.",
    input: {
      orderId,
      until: WaitUntil.default("ended").describe(
        "working: taken by the exchange; first_fill; filled: whole; ended: filled, cancelled or refused",
      ),
      timeoutSeconds: z.number().min(0.1).max(45).default(30).describe("At most this long"),
    },
    output: {
      ...outcome,
      reached: z.boolean().describe("False: too late, or out of reach"),
      waitedSeconds: z.number().describe("How long it took"),
    },
    effect: "reads",
    deadline: "slow",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_get_order_status: defineTool({
    title: "Order status",
    description:
      "Where one order is, by any one of its names. Use it after ibkr_place_order, and with the idempotencyKey after outcome_unknown: status Unknown means that it is still probed for. Fills are in ibkr_get_executions.",
    input: {
      orderId: orderId.optional(),
      permId: z.int().positive().optional().describe("IBKR's permanent id"),
      intentId: z.string().max(40).optional().describe("From an error"),
      idempotencyKey: z.string().max(64).optional().describe("Of your call"),
    },
    output: {
      ...outcome,
      orderId: z.int().nullable().describe("Null before it has one"),
      remaining: z.number().nullable().describe("Null while not known"),
      order: Order.nullable().describe("The whole order; null while TWS does not show it"),
      intent: IntentStatus.optional().describe("Its state in the agent's order journal"),
    },
    effect: "reads",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
  }),
  ibkr_get_executions: defineTool({
    title: "Executions",
    description:
      "Today's fills with price, time, commission and realized profit, oldest first; corrections replace what they correct. Resulting holdings are in ibkr_get_positions.",
    input: {
      symbol: z.string().trim().max(64).optional().describe("Only this symbol"),
      secType: z.string().trim().max(10).optional().describe("Only this security type"),
      exchange: z.string().trim().max(32).optional().describe("Only this venue"),
      account: anyAccount,
      ...pageInput,
    },
    output: {
      executions: z.array(Execution).describe("Each with execution, contract and commissionReport"),
      count: z.int().describe("Fills in all"),
      ...spanOutput,
      ...pageOutput,
    },
    effect: "reads",
    deadline: "normal",
    toolset: "core",
    runs: "agent",
    paged: "executions",
    inTime: { at: "execution.time", newest: "last" },
  }),
} as const;
