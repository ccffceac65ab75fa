import { TwsError } from "../../../shared/errors.ts";
import { conditionOf, topicName } from "../../../shared/events.ts";
import {
  joinedId,
  parseResourceUri,
  type Resource,
  type ResourceKind,
  resourceUri,
  resourceWords,
} from "../../../shared/resources.ts";
import type { Caller } from "../../../shared/caller.ts";
import { streamTools } from "../../../shared/tools/streams.ts";
import { type Opened, type StreamResolver, startTools, type StartTool } from "../streams/stream-resolver.ts";
import { joinedText, resourceText } from "./resource-text.ts";
import type { HostCall, HostOutcome } from "../../rpc/host.ts";
import type { Ending, Running, Started } from "./started-streams.ts";
import type { TopicListener, Topics } from "../streams/topics.ts";

const mostStarted = 100;
/** How long reading waits for a value that the object forgot while it slept. */
const valueWithinMs = 2_000;

interface ResourcesOptions {
  readonly topics: Topics;
  readonly resolver: StreamResolver;
  readonly started: Started;
}

/** The streams that grants have started as resources: the tools about them, and reading. */
export class Resources {
  readonly #options: ResourcesOptions;

  constructor(options: ResourcesOptions) {
    this.#options = options;
  }

  /** The tools that start a stream. */
  async start({ callId, input, caller }: HostCall, tool: StartTool): Promise<HostOutcome> {
    const outcome = await this.#options.resolver.resolve({ tool, input }, caller, callId);
    if (!outcome.ok) return outcome;
    const { opened } = outcome;
    const kind = startTools[tool];
    const { topics, started } = this.#options;
    const mine = started.of(caller);
    const known = mine.find((one) => one.kind === kind && one.topic === opened.topic);
    if (known !== undefined) {
      started.used(known);
      return startedAs("already_started", known, opened);
    }
    const { hasId } = resourceWords[kind];
    const main = { kind, id: hasId ? freeId(kind, opened, mine) : "", topic: opened.topic };
    const added = kind === "portfolio" ? [main, ordersOf(opened)] : [main];
    // there is one of the kind, and it is to be another
    const replaced = hasId ? [] : mine.filter((one) => one.kind === kind);
    requireRoom(mine.length - replaced.length + added.length);
    topics.requireRoom(
      added.map(({ topic }) => topic),
      caller,
    );
    for (const one of replaced) started.end(one, null);
    for (const one of added) started.begin(caller, one, opened.contract);
    return startedAs("started", main, opened);
  }

  /** ibkr_stop_market_data_resource. */
  stopMarketData({ input, caller }: HostCall): HostOutcome {
    const { resource_id } = streamTools.ibkr_stop_market_data_resource.input.parse(input);
    const running = this.#stop({ kind: "market-data", id: resource_id }, caller);
    return stopped(running, { resource_id: running?.id ?? resource_id });
  }

  /** ibkr_stop_portfolio_resource. */
  stopPortfolio({ input, caller }: HostCall): HostOutcome {
    const { account } = streamTools.ibkr_stop_portfolio_resource.input.parse(input);
    const followed = this.#options.started
      .of(caller)
      .flatMap(({ kind, id }) => (kind === "portfolio" ? id : []));
    if (account === "" && followed.length > 1) {
      throw new TwsError("invalid_input", `account: name one of ${followed.join(", ")}.`);
    }
    const id = account === "" ? (followed[0] ?? "") : account;
    const running = this.#stop({ kind: "portfolio", id }, caller);
    this.#stop({ kind: "orders", id }, caller);
    return stopped(running, { account: running?.id ?? account });
  }

  /** ibkr_stop_tick_news_resource. */
  stopTickNews({ input, caller }: HostCall): HostOutcome {
    const { symbol } = streamTools.ibkr_stop_tick_news_resource.input.parse(input);
    const running = this.#stop({ kind: "tick-news", id: symbol }, caller);
    return stopped(running, { symbol: running?.id ?? symbol });
  }

  /** Stops what there is one of. */
  stopOnly(kind: "news-bulletins" | "broadtape-news", { caller }: HostCall): HostOutcome {
    return stopped(this.#stop({ kind, id: "" }, caller), {});
  }

  #stop(resource: Resource, caller: Caller): Running | undefined {
    const { started } = this.#options;
    const running = started.find(resource, caller);
    if (running !== undefined) started.end(running, null);
    return running;
  }

  /** ibkr_list_active_resource_streams. */
  active({ caller }: HostCall): HostOutcome {
    const { started, topics } = this.#options;
    const streams = started.of(caller).map(({ kind, id, topic, startedAt }) => ({
      resource_id: id === "" ? kind : id,
      resource_uri: resourceUri({ kind, id }),
      topic,
      state: topics.find(topic)?.condition.state ?? "ended",
      since: startedAt,
    }));
    return { ok: true, output: { streams, count: streams.length } };
  }

  /** All that a grant has started ends. */
  dropGrant(grantId: string): void {
    this.#options.started.dropGrant(grantId);
  }

  list(caller: Caller) {
    return this.#options.started.of(caller).map(({ kind, id, contract }) => ({
      uri: resourceUri({ kind, id }),
      name: id === "" ? kind : `${kind}-${id}`,
      title: titleOf(kind, contract?.localSymbol ?? contract?.symbol ?? id),
    }));
  }

  /** The latest value as JSON; throws `not_started` or `unknown_resource`. */
  async read(uri: string, caller: Caller): Promise<string> {
    const { topics, started } = this.#options;
    const { running, isJoined } = this.#find(uri, caller);
    for (const one of running) started.used(one);
    const unknown = running.filter(({ topic }) => topics.find(topic)?.value === null);
    await Promise.all(unknown.map(({ topic }) => valueOf(topics, topic)));
    const parts = running.map((resource) => ({ resource, view: topics.find(resource.topic) }));
    const [only] = parts;
    return isJoined || only === undefined ? joinedText(parts) : resourceText(only.resource, only.view);
  }

  /** Throws for a resource that is not there to be followed, as `read` does. */
  requireStarted(uri: string, caller: Caller): void {
    this.#find(uri, caller);
  }

  /** Never empty: what runs under a URI, or the headlines started one by one that `*` joins. */
  #find(uri: string, caller: Caller): { readonly running: readonly Running[]; readonly isJoined: boolean } {
    const parsed = parseResourceUri(uri);
    if (parsed === null || parsed.kind === "status") {
      throw new TwsError("unknown_resource", `There is no resource ${uri}.`);
    }
    const { started } = this.#options;
    const running = started.find(parsed, caller);
    if (running !== undefined) return { running: [running], isJoined: false };
    const joined =
      parsed.kind === "tick-news" && parsed.id === joinedId
        ? started.of(caller).filter(({ kind }) => kind === "tick-news")
        : [];
    if (joined.length === 0) throw notStarted(parsed, started.endingOf(parsed, caller));
    return { running: joined, isJoined: true };
  }
}

/** The usual id, or the conId where another instrument of the same name has been started. */
function freeId(kind: ResourceKind, { resourceId, contract }: Opened, mine: readonly Resource[]): string {
  const isTaken = mine.some(
    (other) => other.kind === kind && other.id.toUpperCase() === resourceId.toUpperCase(),
  );
  return isTaken && contract !== null ? String(contract.conId) : resourceId;
}

/** The orders of an account are started with its portfolio. */
const ordersOf = ({ resourceId: account }: Opened) => ({
  kind: "orders" as const,
  id: account,
  topic: topicName({ kind: "orders", account }),
});

function requireRoom(streams: number): void {
  if (streams <= mostStarted) return;
  throw new TwsError("too_large", `At most ${mostStarted} streams can be started.`, {
    nextStep: "Stop some; ibkr_list_active_resource_streams lists them.",
  });
}

function titleOf(kind: ResourceKind, what: string): string {
  const { title } = resourceWords[kind];
  return what === "" ? title : `${title} of ${what === "*" ? "all started" : what}`;
}

function notStarted(resource: Resource, ending: Ending | null): TwsError {
  const { title, startTool, hasId } = resourceWords[resource.kind];
  const what = hasId ? `${title} of ${resource.id}` : title;
  const again = ending === null ? "" : " again";
  return new TwsError("not_started", `The stream "${what}" ${endingWords(ending)}`, {
    nextStep: `Call ${startTool}${again}, then read the URI it returns. It runs for as long as it is subscribed to, or read at least every 30 minutes.`,
  });
}

function endingWords(ending: Ending | null): string {
  switch (ending) {
    case "idle":
      return "has ended: nobody read or watched it for 30 minutes.";
    case "given_up":
      return `has ended. ${conditionOf("given_up").message}`;
    case null:
      return "has not been started, or has ended because nobody read or watched it for 30 minutes.";
    default:
      return ending satisfies never;
  }
}

const startedAs = (
  status: "started" | "already_started",
  { kind, id }: Resource,
  { output }: Opened,
): HostOutcome => ({
  ok: true,
  output: {
    ...output,
    status,
    resource_uri: resourceUri({ kind, id }),
    resource_id: id === "" ? kind : id,
  },
});

const stopped = (running: Running | undefined, named: Readonly<Record<string, string>>): HostOutcome => ({
  ok: true,
  output: { status: running === undefined ? "not_started" : "stopped", ...named },
});

/** Waits until the agent has told the topic's value or state again, but not long. */
function valueOf(topics: Topics, topic: string): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      topics.unwatch(topic, listener);
      resolve();
    };
    // it only joins the stream that was started
    const listener: TopicListener = { grantId: "", valueChanged: done, stateChanged: done };
    const timer = setTimeout(done, valueWithinMs);
    // a topic without a value is asked for by whoever begins to watch it
    const { state } = topics.watch(topic, listener).condition;
    if (state === "stale" || state === "ended") done();
  });
}
