import { Contract, ContractSelector, readingsOf } from "../../../shared/contract.ts";
import { type ErrorBody, TwsError } from "../../../shared/errors.ts";
import { parseTopic, type Topic } from "../../../shared/events.ts";
import type { ResourceKind } from "../../../shared/resources.ts";
import type { Caller } from "../../../shared/caller.ts";
import type { ToolName } from "../../../shared/tools/index.ts";
import { streamTools } from "../../../shared/tools/streams.ts";
import type { Calls } from "../relay/calls.ts";
import type { HostCall } from "../../rpc/host.ts";
import type { Topics } from "./topics.ts";

/** The tools that start a stream, and what each starts. */
export const startTools = {
  ibkr_start_market_data_resource: "market-data",
  ibkr_start_portfolio_resource: "portfolio",
  ibkr_start_news_resource: "news-bulletins",
  ibkr_start_tick_news_resource: "tick-news",
  ibkr_start_broadtape_news_resource: "broadtape-news",
} as const satisfies Partial<Record<ToolName, ResourceKind>>;
export type StartTool = keyof typeof startTools;

export const isStartTool = (name: ToolName): name is StartTool => Object.hasOwn(startTools, name);

/** A stream that can be watched. */
export interface Opened {
  readonly topic: string;
  /** Null for what is not about one instrument. */
  readonly contract: Contract | null;
  readonly resourceId: string;
  /** The agent's whole answer. */
  readonly output: Readonly<Record<string, unknown>>;
}

type ResolveOutcome =
  | { readonly ok: true; readonly opened: Opened }
  | { readonly ok: false; readonly error: ErrorBody };

/** What is to be watched: the tool that starts it, and its input. */
export interface Ask {
  readonly tool: StartTool;
  readonly input: HostCall["input"];
}

/** Finds the topic of a stream, for whoever wants to watch it. */
export interface StreamResolver {
  resolve(ask: Ask, caller: Caller, callId?: string): Promise<ResolveOutcome>;
}

const mostRemembered = 1_000;

/** Only the agent can say what is meant, and whether its stream can be had; what it said is remembered while somebody watches. */
export function createStreamResolver(calls: Calls, topics: Topics): StreamResolver {
  const known = new Map<string, Opened>();
  /** Of watchers: hundreds that come back at once ask for the same. */
  const underWay = new Map<string, Promise<ResolveOutcome>>();

  return {
    async resolve(ask, caller, callId) {
      if (callId !== undefined) return await look(ask, caller, callId);
      const key = JSON.stringify([ask, caller]);
      const joined = underWay.get(key) ?? look(ask, caller, crypto.randomUUID());
      underWay.set(key, joined);
      return await joined.finally(() => underWay.delete(key));
    },
  };

  async function look({ tool, input }: Ask, caller: Caller, callId: string): Promise<ResolveOutcome> {
    const meant =
      tool === "ibkr_start_market_data_resource" ? readingsOf(ContractSelector.parse(input)) : input;
    // which account is the default one depends on who asks
    const key = JSON.stringify([tool, meant, caller.accounts]);
    const remembered = known.get(key);
    if (remembered !== undefined && topics.find(remembered.topic) !== null) {
      return { ok: true, opened: remembered };
    }
    const outcome = await calls.ask({ callId, tool, input, caller });
    if (!outcome.ok) return outcome;
    const output = streamTools[tool].output.safeParse(outcome.output);
    const topic = output.success ? parseTopic(output.data.topic) : null;
    if (!output.success || topic === null || !isOf(topic, startTools[tool])) {
      return failed(new TwsError("protocol_error", "The agent's answer was malformed."));
    }
    if (!mayWatch(caller, topic)) {
      return failed(new TwsError("forbidden", "This sign-in does not cover the account."));
    }
    const { data } = output;
    const opened: Opened = {
      topic: data.topic,
      resourceId: data.resource_id,
      contract: Contract.nullable()
        .catch(null)
        .parse(outcome.output["contract"] ?? null),
      output: data,
    };
    if (known.size >= mostRemembered) known.clear();
    known.set(key, opened);
    return { ok: true, opened };
  }
}

const failed = (error: TwsError): ResolveOutcome => ({ ok: false, error: error.toBody() });

/** Whether the caller's grant covers what the topic shows: of accounts, only those that it names. */
export const mayWatch = ({ accounts }: Pick<Caller, "accounts">, topic: Topic): boolean =>
  (topic.kind !== "portfolio" && topic.kind !== "orders") ||
  accounts === null ||
  accounts.includes(topic.account);

const topicKinds: Readonly<Record<ResourceKind, Topic["kind"]>> = {
  "market-data": "quote",
  portfolio: "portfolio",
  orders: "orders",
  "news-bulletins": "bulletins",
  "tick-news": "tick-news",
  "broadtape-news": "broadtape",
};

const isOf = (topic: Topic, kind: ResourceKind): boolean => topic.kind === topicKinds[kind];
