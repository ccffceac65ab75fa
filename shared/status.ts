import { z } from "zod";
import { ApprovalPlace } from "./errors.ts";

/** Paper or live, known from the account ids that TWS reports; paper ids start with D. Never from a port or label. */
export const Mode = z.enum(["paper", "live"]);
export type Mode = z.infer<typeof Mode>;

export const modeOf = (account: string): Mode => (account.startsWith("D") ? "paper" : "live");

/** What the market data of a quote is: `live`, the last known of a closed market, or 15 to 20 minutes old. */
export const DataType = z.enum(["live", "frozen", "delayed", "delayed-frozen"]);
export type DataType = z.infer<typeof DataType>;

/** One hop of the road, as `ibkr_get_status` and `/health` show it. */
export const Hop = z.object({
  state: z.string().max(50),
  since: z.string().nullable(),
  /** The last sign of life by which the state is known; null while nothing is known of now. */
  asOf: z.string().nullable(),
  /** What the reader can do about it; empty when all is well. */
  nextStep: z.string().max(500),
});
export type Hop = z.infer<typeof Hop>;

/** The agent's session with TWS. */
export const TwsState = z.enum([
  /** Trying, or waiting to try again. */
  "connecting",
  /** Requests are answered. */
  "connected",
  /** The socket is up but TWS has no connection to IBKR (1100, 2110). */
  "upstream_down",
  /** Stopped by ibkr_disconnect; ibkr_connect starts it again. */
  "stopped",
]);
export type TwsState = z.infer<typeof TwsState>;

/** Who stopped new orders, and why. */
export const Freeze = z.object({
  /** The owner on the TWS host, the owner at the edge's page, or the loss limit. */
  by: z.enum(["host", "page", "loss"]),
  since: z.string(),
  reason: z.string().max(200),
});
export type Freeze = z.infer<typeof Freeze>;

/** Which orders wait for the owner's approval. */
export const ApprovalPolicy = z.enum(["never", "live", "always"]);
export type ApprovalPolicy = z.infer<typeof ApprovalPolicy>;

/** Whether new orders are taken, as the agent alone decides. */
export const TradingStatus = z.object({
  trading: z.enum(["off", "paper", "live"]),
  approval: ApprovalPolicy,
  approvalAt: ApprovalPlace.default("page"),
  /** The limits in force, by the variable that sets each; account ids are left out. */
  limits: z.record(z.string().max(50), z.string().max(300)).default({}),
  /** Null: not stopped. */
  frozen: Freeze.nullable(),
  journal: z.enum(["ok", "failed"]),
  /** Orders of which it is not known whether TWS has them. */
  unknownOrders: z.int().nonnegative(),
});
export type TradingStatus = z.infer<typeof TradingStatus>;

/** The agent's session with TWS, and TWS's data farms. */
export const SessionStatus = z.object({
  tws: z.object({
    state: TwsState,
    since: z.string(),
    host: z.string().max(255),
    port: z.int(),
    clientId: z.int(),
    /** Rises with each fresh session; ids and subscriptions never outlive one. */
    connection: z.int().nonnegative(),
    serverVersion: z.int().nullable(),
    accounts: z.array(z.string().max(50)),
    /** Null until TWS has named an account. */
    mode: Mode.nullable(),
    isSimulator: z.boolean(),
    /**
     * The best that is asked of TWS for quotes, set by any caller for all. The default is for what an earlier release
     * has stored.
     */
    marketDataType: DataType.default("delayed-frozen"),
    /** TWS has refused orders, or their lists, because its API is read-only. */
    isReadOnlyApi: z.boolean().default(false),
    /** How quotes have come since that was set; empty while TWS has sent none, and from an earlier release. */
    dataTypes: z.array(DataType).max(4).default([]),
    /** Why the last attempt or session ended; empty if none did. */
    lastError: z.string().max(500),
  }),
  /** Data farms by name, as TWS last reported them. */
  farms: z.array(
    z.object({
      name: z.string().max(100),
      kind: z.enum(["market data", "historical data", "security definitions"]),
      state: z.enum(["ok", "inactive", "connecting", "broken"]),
      since: z.string(),
    }),
  ),
});
export type SessionStatus = z.infer<typeof SessionStatus>;

/** What the agent says of itself and of TWS; sent in hello and whenever it changes. */
export const AgentStatus = SessionStatus.extend({
  /** Null from an agent that does not say. */
  trading: TradingStatus.nullable().default(null),
});
export type AgentStatus = z.infer<typeof AgentStatus>;
