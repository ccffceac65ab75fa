import { z } from "zod";
import { Contract, contractFields } from "../contract.ts";
import { defineTool } from "./define.ts";

export const streamTools = {
  ibkr_start_market_data_resource: defineTool({
    title: "Start a quote stream",
    description:
      "Opens a live quote stream and returns the URI of a resource to read or subscribe to. Use it to follow a price; for one look use ibkr_get_quotes. Stop it with ibkr_stop_market_data_resource when done: market-data lines are few.",
    input: contractFields,
    output: {
      status: z.enum(["started", "already_started"]).describe("started or already_started"),
      resource_uri: z.string().describe("Read or subscribe to this"),
      resource_id: z.string().describe("Pass to ibkr_stop_market_data_resource"),
      topic: z.string().describe("Internal name of the stream"),
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
      resource_id: z
        .string()
        .trim()
        .min(1)
        .max(100)
        .describe("As returned by start, such as AAPL or EUR.USD"),
    },
    output: {
      status: z.enum(["stopped", "not_started"]).describe("stopped or not_started"),
      resource_id: z.string().describe("The id given"),
    },
    effect: "steers",
    deadline: "quick",
    toolset: "core",
    runs: "edge",
  }),
  ibkr_list_active_resource_streams: defineTool({
    title: "Active streams",
    description:
      "The resource streams that you have started and not stopped, with their state. Use it before starting more, or to find the resource_id to stop.",
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
} as const;
