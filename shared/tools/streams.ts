import { z } from "zod";
import { Contract, contractFields } from "../contract.ts";
import { Mode } from "../status.ts";
import { defineTool } from "./define.ts";
import { newsStreamTools } from "./news-streams.ts";
import { startStatus, stopStatus, topic } from "./stream-fields.ts";
import { watchTools } from "./watches.ts";

const account = z
  .string()
  .trim()
  .max(50)
  .default("")
  .describe("Account id; empty for the default or only one");

export const streamTools = {
  ibkr_start_market_data_resource: defineTool({
    title: "Start a quote stream",
    description:
      "Opens a live quote stream and returns the URI of a resource to read or subscribe to. Use it to follow a price; for one look use ibkr_get_quotes. Stop it with ibkr_stop_market_data_resource when done: market-data lines are few.",
    input: contractFields,
    output: {
      status: startStatus,
      resource_uri: z.string().describe("Read or subscribe to this"),
      resource_id: z.string().describe("Pass to ibkr_stop_market_data_resource"),
      topic,
      contract: Contract.describe("What is streamed"),
    },
    effect: "steers",
    deadline: "slow",
    toolset: "core",
    runs: "agent",
  }),
  ibkr_stop_market_data_resource: defineTool({
    title: "Stop a quote stream",
    description:
      "Ends a stream that ibkr_start_market_data_resource opened. Other watchers of the same instrument are not affected. ibkr_list_active_resource_streams lists what runs.",
    input: {
      resource_id: z.string().trim().min(1).max(100).describe("As start gave it, such as EUR.USD"),
    },
    output: {
      status: stopStatus,
      resource_id: z.string().describe("The id given"),
    },
    effect: "steers",
    deadline: "quick",
    toolset: "core",
    runs: "edge",
  }),
  ibkr_start_portfolio_resource: defineTool({
    title: "Start a portfolio stream",
    description:
      "Opens a live stream of an account's figures and holdings, and of its orders, and returns the URIs to read or subscribe to. Use it to follow an account; for one look use ibkr_get_positions and ibkr_get_account_summary. Stop it with ibkr_stop_portfolio_resource.",
    input: { account },
    output: {
      status: startStatus,
      resource_uri: z.string().describe("Figures and holdings: read or subscribe to this"),
      resource_id: z.string().describe("The account"),
      orders_uri: z.string().describe("Its orders, likewise"),
      topic,
      account: z.string().describe("Account id"),
      mode: Mode.describe("paper or live"),
    },
    effect: "steers",
    deadline: "normal",
    toolset: "full",
    runs: "agent",
  }),
  ibkr_stop_portfolio_resource: defineTool({
    title: "Stop a portfolio stream",
    description:
      "Ends a stream that ibkr_start_portfolio_resource opened, and that of the account's orders. See what runs with ibkr_list_active_resource_streams.",
    input: { account: account.describe("Account id; empty for the only one started") },
    output: { status: stopStatus, account: z.string().describe("Account id") },
    effect: "steers",
    deadline: "quick",
    toolset: "full",
    runs: "edge",
  }),
  ...newsStreamTools,
  ibkr_list_active_resource_streams: defineTool({
    title: "Active streams",
    description:
      "The resource streams that you have started and not stopped, with their state; one that is neither read nor subscribed to for 30 minutes ends by itself. Use it before starting more, or to find the resource_id to stop.",
    input: {},
    output: {
      streams: z
        .array(
          z.object({
            resource_id: z.string(),
            resource_uri: z.string(),
            topic: z.string(),
            state: z.string(),
            since: z.string(),
          }),
        )
        .describe("resource_id, resource_uri, topic, state, since"),
      count: z.int().describe("How many"),
    },
    effect: "reads",
    deadline: "quick",
    toolset: "full",
    runs: "edge",
  }),
  ...watchTools,
} as const;
