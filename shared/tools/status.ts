import { z } from "zod";
import { DataType, Hop, Mode, TradingStatus } from "../status.ts";
import { defineTool } from "./define.ts";

const connection = {
  status: z.string().describe("connected, connecting, upstream_down or stopped"),
  host: z.string().describe("TWS host"),
  port: z.int().describe("TWS port"),
  clientId: z.int().describe("TWS client id"),
};

export const statusTools = {
  ibkr_connect: defineTool({
    title: "Connect to TWS",
    description:
      "Starts the agent's session with TWS again after ibkr_disconnect, or says that it is up. The agent reconnects by itself, so this is rarely needed; ibkr_get_status shows the state. It connects to the TWS that the owner configured and no other.",
    input: {
      host: z.string().max(255).optional().describe("Leave out"),
      port: z.int().min(1).max(65535).optional().describe("Leave out"),
      clientId: z.int().min(0).optional().describe("Leave out"),
    },
    output: {
      ...connection,
      note: z.string().optional().describe("Where another target was asked for"),
    },
    effect: "steers",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_disconnect: defineTool({
    title: "Disconnect from TWS",
    description:
      "Ends the agent's session with TWS until ibkr_connect is called. For every client of this host streams stop and calls fail meanwhile. Working orders stay at IBKR.",
    input: {},
    output: { status: z.string().describe("stopped") },
    effect: "disrupts",
    deadline: "quick",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_get_status: defineTool({
    title: "Connection status",
    description:
      "Health of every hop: edge, agent, TWS, market-data farms, each with what to do next. Call it first, and whenever another tool says that something is offline; it answers even when the agent is away.",
    input: {},
    output: {
      is_connected: z.boolean().describe("Whether TWS can be asked now"),
      edge: Hop.describe("The public side"),
      agent: Hop.describe("The process beside TWS"),
      tws: Hop.describe("The session with TWS"),
      farms: z.array(z.record(z.string(), z.unknown())).describe("Data farms with state"),
      accounts: z.array(z.string()).describe("Accounts you may use"),
      mode: Mode.nullable().describe("paper or live, by account id"),
      isSimulator: z.boolean().nullable().describe("True when prices and fills are simulated"),
      marketDataType: DataType.nullable().describe("How quotes come; null before one, or where they differ"),
      marketDataTypeAsked: DataType.nullable().describe("The best asked of TWS, for all clients"),
      target: z.record(z.string(), z.unknown()).nullable().describe("Where the agent connects"),
      trading: TradingStatus.extend({ audit: z.enum(["ok", "broken", "none"]) })
        .nullable()
        .describe("New orders: trading, approval, limits, frozen, journal, unknownOrders, audit"),
    },
    effect: "reads",
    deadline: "quick",
    toolset: "core",
    runs: "edge",
  }),
  ibkr_get_current_time: defineTool({
    title: "TWS server time",
    description:
      "The clock of TWS, to the second. Use it to check that TWS answers or to date an order; ibkr_get_status tells more.",
    input: {},
    output: {
      server_time: z.string().describe("ISO 8601, UTC"),
      timestamp: z.int().describe("Unix seconds"),
    },
    effect: "reads",
    deadline: "quick",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_get_managed_accounts: defineTool({
    title: "Accounts",
    description:
      "The accounts of this TWS login that you may use, and whether each is paper or live. For balances use ibkr_get_account_summary.",
    input: {},
    output: {
      accounts: z.array(z.string()).describe("Account ids"),
      count: z.int().describe("How many"),
      modes: z.record(z.string(), Mode).describe("paper or live for each"),
    },
    effect: "reads",
    deadline: "quick",
    toolset: "core",
    runs: "agent",
  }),
} as const;
