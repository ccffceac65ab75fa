import { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import { marketDataUri, parseResourceUri } from "../../shared/resources.ts";
import type { Caller } from "../../shared/scopes.ts";
import { streamTools } from "../../shared/tools/streams.ts";
import { failed } from "./calls.ts";
import type { Opened, OpenQuotes } from "./open-quotes.ts";
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
  readonly openQuotes: OpenQuotes;
  readonly updates: Updates;
}

/** A started resource, watching its topic. */
interface Running extends StartedResource {
  readonly listener: TopicListener;
}

/** The quote streams that grants have started as resources. Each belongs to its grant and runs until it is stopped. */
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

  /** ibkr_start_market_data_resource. */
  async start({ callId, input, caller }: HostCall): Promise<HostOutcome> {
    const { store, topics, openQuotes } = this.#options;
    const outcome = await openQuotes.open(ContractSelector.parse(input), caller, callId);
    if (!outcome.ok) return outcome;
    const { opened } = outcome;
    const mine = this.#of(caller);
    const known = mine.find(({ topic }) => topic === opened.topic);
    if (known !== undefined) return started("already_started", known);
    if (mine.length >= mostStarted) {
      return failed(
        new TwsError("too_large", `At most ${mostStarted} quote streams can be started.`, {
          nextStep: "Stop some with ibkr_stop_market_data_resource.",
        }),
      );
    }
    const resource: StartedResource = {
      grantId: caller.grantId,
      resourceId: freeId(opened, mine),
      topic: opened.topic,
      contract: opened.contract,
      startedAt: new Date().toISOString(),
    };
    store.addStarted(resource);
    topics.watch(resource.topic, this.#run(resource).listener);
    return started("started", resource);
  }

  /** ibkr_stop_market_data_resource. */
  stop({ input, caller }: HostCall): HostOutcome {
    const { resource_id } = streamTools.ibkr_stop_market_data_resource.input.parse(input);
    const running = this.#find(resource_id, caller);
    if (running === undefined) return { ok: true, output: { status: "not_started", resource_id } };
    const { store, topics, updates } = this.#options;
    this.#running.delete(keyOf(running.grantId, running.resourceId));
    store.removeStarted(running.grantId, running.resourceId);
    topics.unwatch(running.topic, running.listener);
    updates.quoteChanged(running.grantId, running.resourceId);
    return { ok: true, output: { status: "stopped", resource_id: running.resourceId } };
  }

  /** ibkr_list_active_resource_streams. */
  active({ caller }: HostCall): HostOutcome {
    const streams = this.#of(caller).map(({ resourceId, topic, startedAt }) => ({
      resource_id: resourceId,
      resource_uri: marketDataUri(resourceId),
      topic,
      state: this.#options.topics.find(topic)?.state ?? "ended",
      since: startedAt,
    }));
    return { ok: true, output: { streams, count: streams.length } };
  }

  list(caller: Caller) {
    return this.#of(caller).map(({ resourceId, contract }) => ({
      uri: marketDataUri(resourceId),
      name: `market-data-${resourceId}`,
      title: `Live quote of ${contract.localSymbol ?? contract.symbol}`,
    }));
  }

  /** The latest quote as JSON; throws `not_started` or `unknown_resource`. */
  async read(uri: string, caller: Caller): Promise<string> {
    const parsed = parseResourceUri(uri);
    if (parsed?.kind !== "market-data")
      throw new TwsError("unknown_resource", `There is no resource ${uri}.`);
    const running = this.#find(parsed.id, caller);
    if (running === undefined) {
      throw new TwsError("not_started", `The quote stream of ${parsed.id} has not been started.`);
    }
    const { topics } = this.#options;
    const { topic, contract, resourceId } = running;
    if (topics.find(topic)?.value === null) await valueOf(topics, topic);
    const view = topics.find(topic);
    const value = view?.value ?? null;
    return JSON.stringify({
      symbol: contract.symbol,
      resource_id: resourceId,
      contract,
      data: value?.data ?? null,
      state: view?.state ?? "ended",
      reason: view?.reason ?? "",
      asOf: value === null ? null : (value.data.time ?? new Date(value.at).toISOString()),
      seq: value?.seq ?? null,
    });
  }

  #of(caller: Caller): Running[] {
    return [...this.#running.values()].filter(({ grantId }) => grantId === caller.grantId);
  }

  #find(resourceId: string, caller: Caller): Running | undefined {
    return this.#running.get(keyOf(caller.grantId, resourceId));
  }

  #run(resource: StartedResource): Running {
    const changed = () => this.#options.updates.quoteChanged(resource.grantId, resource.resourceId);
    const running = { ...resource, listener: { valueChanged: changed, stateChanged: changed } };
    this.#running.set(keyOf(resource.grantId, resource.resourceId), running);
    return running;
  }
}

const keyOf = (grantId: string, resourceId: string): string =>
  JSON.stringify([grantId, resourceId.toUpperCase()]);

/** The usual id, or the conId where another instrument of the same name has been started. */
function freeId({ resourceId, contract }: Opened, mine: readonly StartedResource[]): string {
  const isTaken = mine.some((other) => other.resourceId.toUpperCase() === resourceId.toUpperCase());
  return isTaken ? String(contract.conId) : resourceId;
}

const started = (status: "started" | "already_started", resource: StartedResource): HostOutcome => ({
  ok: true,
  output: {
    status,
    resource_uri: marketDataUri(resource.resourceId),
    resource_id: resource.resourceId,
    topic: resource.topic,
    contract: resource.contract,
  },
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
