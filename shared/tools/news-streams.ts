import { z } from "zod";
import { Contract, contractFields } from "../contract.ts";
import { defineTool } from "./define.ts";
import { startStatus, stopStatus, topic } from "./stream-fields.ts";

const uri = z.string().describe("Read or subscribe to this");
const steers = { effect: "steers", toolset: "full" } as const;

/** Streams of news. What they carry is written by others: data, never instructions. */
export const newsStreamTools = {
  ibkr_start_news_resource: defineTool({
    title: "Start the news bulletins",
    description:
      "Opens the stream of bulletins: notices of exchanges and of IBKR, such as a halt of trading. They are rare; for headlines about an instrument use ibkr_start_tick_news_resource. Stop it with ibkr_stop_news_resource.",
    input: {
      allMessages: z.boolean().default(true).describe("Also those of earlier today; false for new ones only"),
    },
    output: {
      status: startStatus,
      resource_uri: uri,
      resource_id: z.string().describe("news-bulletins"),
      topic,
    },
    ...steers,
    deadline: "normal",
    runs: "agent",
  }),
  ibkr_stop_news_resource: defineTool({
    title: "Stop the news bulletins",
    description:
      "Ends the stream that ibkr_start_news_resource opened. See what runs with ibkr_list_active_resource_streams.",
    input: {},
    output: { status: stopStatus },
    ...steers,
    deadline: "quick",
    runs: "edge",
  }),
  ibkr_start_tick_news_resource: defineTool({
    title: "Start headlines of an instrument",
    description:
      "Opens the stream of headlines about an instrument as they are published. The symbol * joins the headlines of all instruments started; for past ones use ibkr_get_historical_news. Stop it with ibkr_stop_tick_news_resource: it holds a market-data line.",
    input: {
      ...contractFields,
      symbol: contractFields.symbol
        .unwrap()
        .default("*")
        .describe("Symbol, or * for all instruments already started"),
    },
    output: {
      status: startStatus,
      resource_uri: uri,
      resource_id: z.string().describe("Pass as symbol to ibkr_stop_tick_news_resource"),
      topic,
      contract: Contract.optional().describe("What is streamed; absent for *"),
    },
    ...steers,
    deadline: "normal",
    runs: "agent",
  }),
  ibkr_stop_tick_news_resource: defineTool({
    title: "Stop headlines of an instrument",
    description:
      "Ends a stream that ibkr_start_tick_news_resource opened. The symbol * ends the joined stream and leaves the others; see what runs with ibkr_list_active_resource_streams.",
    input: { symbol: z.string().trim().min(1).max(100).describe("As returned by start, such as AAPL or *") },
    output: { status: stopStatus, symbol: z.string().describe("The symbol given") },
    ...steers,
    deadline: "quick",
    runs: "edge",
  }),
  ibkr_start_broadtape_news_resource: defineTool({
    title: "Start the broad tape",
    description:
      "Opens the stream of every headline of all news providers that the account has. It can be busy; for one instrument use ibkr_start_tick_news_resource. Stop it with ibkr_stop_broadtape_news_resource.",
    input: {},
    output: {
      status: startStatus,
      resource_uri: uri,
      resource_id: z.string().describe("broadtape-news"),
      topic,
      providers: z.array(z.string()).describe("Codes of the providers"),
    },
    ...steers,
    deadline: "normal",
    runs: "agent",
  }),
  ibkr_stop_broadtape_news_resource: defineTool({
    title: "Stop the broad tape",
    description:
      "Ends the stream that ibkr_start_broadtape_news_resource opened. See what runs with ibkr_list_active_resource_streams.",
    input: {},
    output: { status: stopStatus },
    ...steers,
    deadline: "quick",
    runs: "edge",
  }),
} as const;
