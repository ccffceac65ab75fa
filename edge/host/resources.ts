import { TwsError } from "../../shared/errors.ts";
import { parseTopic, topicName } from "../../shared/events.ts";
import {
  parseResourceUri,
  type Resource,
  type ResourceKind,
  resourceUri,
  resourceWords,
} from "../../shared/resources.ts";
import type { Caller } from "../../shared/scopes.ts";
import { streamTools } from "../../shared/tools/streams.ts";
import { failed } from "./calls.ts";
import { mayWatch, type Opened, type OpenStreams, startTools, type StartTool } from "./open-streams.ts";
import { resourceText } from "./resource-text.ts";
import type { HostCall, HostOutcome } from "./rpc.ts";
import type { StartedResource, Store } from "./store.ts";
import type { TopicListener, Topics } from "./topics.ts";
import type { Updates } from "./updates.ts";

const mostStarted = 100;
/** How long reading waits for a value that the object forgot while it slept. */
const valueWithinMs = 2_000;

interface ResourcesOptions {
  readonly store: Store;
  readonly topics: Topics;
  readonly openStreams: OpenStreams;
  readonly updates: Updates;
}

/** A started resource, watching its topic. */
interface Running extends StartedResource {
  readonly listener: TopicListener;
}

/** The streams that grants have started as resources. Each belongs to its grant and runs until it is stopped. */
export class Resources {
  readonly #options: ResourcesOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: ResourcesOptions) {
    this.#options = options;
    for (const started of options.store.allStarted()) {
      const running = this.#run(started);
      options.topics.restore(started.topic, running.listener);
    }
  }

  /** The tools that start a stream. */
  async start({ callId, input, caller }: HostCall, tool: StartTool): Promise<HostOutcome> {
    const outcome = await this.#options.openStreams.open({ tool, input }, caller, callId);
    if (!outcome.ok) return outcome;
    const { opened } = outcome;
    const kind = startTools[tool];
    const mine = this.#of(caller);
    const known = mine.find((one) => one.kind === kind && one.topic === opened.topic);
    if (known !== undefined) return started("already_started", known, opened);
    const { hasId } = resourceWords[kind];
    // there is one of the kind, and it is to be another
    if (!hasId) for (const one of mine) if (one.kind === kind) this.#end(one);
    if (mine.length >= mostStarted) {
      return failed(
        new TwsError("too_large", `At most ${mostStarted} streams can be started.`, {
          nextStep: "Stop some; ibkr_list_active_resource_streams lists them.",
        }),
      );
    }
    const id = hasId ? freeId(kind, opened, mine) : "";
    const resource = this.#begin(caller, { kind, id }, opened.topic, opened);
    if (kind === "portfolio") {
      const orders = topicName({ kind: "orders", account: id });
      this.#begin(caller, { kind: "orders", id }, orders, opened);
    }
    return started("started", resource, opened);
  }

  #begin(caller: Caller, { kind, id }: Resource, topic: string, { contract }: Opened): StartedResource {
    const { grantId } = caller;
    const resource = { grantId, kind, id, topic, contract, startedAt: new Date().toISOString() };
    this.#options.store.addStarted(resource);
    this.#options.topics.watch(topic, this.#run(resource).listener);
    return resource;
  }

  #end(running: Running): void {
    const { store, topics, updates } = this.#options;
    this.#running.delete(keyOf(running.grantId, running));
    store.removeStarted(running);
    topics.unwatch(running.topic, running.listener);
    updates.changed(running.grantId, running);
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
    const followed = this.#of(caller).flatMap(({ kind, id }) => (kind === "portfolio" ? id : []));
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
    const running = this.#find(resource, caller);
    if (running !== undefined) this.#end(running);
    return running;
  }

  /** ibkr_list_active_resource_streams. */
  active({ caller }: HostCall): HostOutcome {
    const streams = this.#of(caller).map(({ kind, id, topic, startedAt }) => ({
      resource_id: id === "" ? kind : id,
      resource_uri: resourceUri({ kind, id }),
      topic,
      state: this.#options.topics.find(topic)?.state ?? "ended",
      since: startedAt,
    }));
    return { ok: true, output: { streams, count: streams.length } };
  }

  list(caller: Caller) {
    return this.#of(caller).map(({ kind, id, contract }) => ({
      uri: resourceUri({ kind, id }),
      name: id === "" ? kind : `${kind}-${id}`,
      title: titleOf(kind, contract?.localSymbol ?? contract?.symbol ?? id),
    }));
  }

  /** The latest value as JSON; throws `not_started` or `unknown_resource`. */
  async read(uri: string, caller: Caller): Promise<string> {
    const parsed = parseResourceUri(uri);
    if (parsed === null || parsed.kind === "status") {
      throw new TwsError("unknown_resource", `There is no resource ${uri}.`);
    }
    const running = this.#find(parsed, caller);
    if (running === undefined) throw notStarted(parsed);
    const { topics } = this.#options;
    if (topics.find(running.topic)?.value === null) await valueOf(topics, running.topic);
    return resourceText(running, topics.find(running.topic));
  }

  /** A grant may have come to cover fewer accounts since it started something. */
  #of(caller: Caller): Running[] {
    return [...this.#running.values()].filter(
      ({ grantId, topic }) => grantId === caller.grantId && isCovered(caller, topic),
    );
  }

  #find(resource: Resource, caller: Caller): Running | undefined {
    const running = this.#running.get(keyOf(caller.grantId, resource));
    return running !== undefined && isCovered(caller, running.topic) ? running : undefined;
  }

  #run(resource: StartedResource): Running {
    const changed = () => this.#options.updates.changed(resource.grantId, resource);
    const running = { ...resource, listener: { valueChanged: changed, stateChanged: changed } };
    this.#running.set(keyOf(resource.grantId, resource), running);
    return running;
  }
}

function isCovered(caller: Caller, name: string): boolean {
  const topic = parseTopic(name);
  return topic !== null && mayWatch(caller, topic);
}

const keyOf = (grantId: string, { kind, id }: Resource): string =>
  JSON.stringify([grantId, kind, id.toUpperCase()]);

/** The usual id, or the conId where another instrument of the same name has been started. */
function freeId(kind: ResourceKind, { resourceId, contract }: Opened, mine: readonly Resource[]): string {
  const isTaken = mine.some(
    (other) => other.kind === kind && other.id.toUpperCase() === resourceId.toUpperCase(),
  );
  return isTaken && contract !== null ? String(contract.conId) : resourceId;
}

function titleOf(kind: ResourceKind, what: string): string {
  const { title } = resourceWords[kind];
  return what === "" ? title : `${title} of ${what === "*" ? "all started" : what}`;
}

function notStarted({ kind, id }: Resource): TwsError {
  const { title, startTool, hasId } = resourceWords[kind];
  const what = hasId ? `${title} of ${id}` : title;
  return new TwsError("not_started", `The stream "${what}" has not been started.`, {
    nextStep: `Call ${startTool} first, then read the URI it returns.`,
  });
}

const started = (
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
    const listener: TopicListener = { valueChanged: done, stateChanged: done };
    const timer = setTimeout(done, valueWithinMs);
    // a topic without a value is asked for by whoever begins to watch it
    if (topics.watch(topic, listener).state !== "live") done();
  });
}
