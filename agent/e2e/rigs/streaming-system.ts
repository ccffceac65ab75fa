import type { Quote } from "../../../shared/events.ts";
import type { SimulatorOptions } from "../../simulator/server.ts";
import { eventually } from "../clients/clients.ts";
import type { Proxy } from "./proxy.ts";
import { startSystem, type System } from "./system.ts";
import { violationsOf, linesAsked, mostASecond, saidOf } from "../chaos/quote-oracle.ts";
import { startWatcher, type Watcher } from "../clients/watcher.ts";

/** A system whose market is always open, watchers that remember all, and what must be true in the end. */
export interface StreamingSystem {
  readonly system: System;
  /** One more watcher, through a stretch of network if that is given. */
  watcher(network?: Proxy): Watcher;
  /** One that follows the usual symbols, and sees all of them live. */
  watching(network?: Proxy): Promise<Watcher>;
  /** Stops the market: from now on no price changes. */
  freeze(): void;
  /** The market goes on, from where it would be. */
  thaw(): void;
  /** Whether a quote shows exactly what the market that stands still shows of the instrument. */
  isStanding(conId: number, quote: Quote | null): boolean;
  /** Stops the market, and resolves once everyone shows all of its last values, live. */
  settled(...watchers: readonly Watcher[]): Promise<void>;
  /**
   * All watchers leave, and no line stays open at TWS. Resolves with everything that was wrong, in words: what a watcher
   * showed that was not true, ids that were used twice, and too much asked of TWS at once.
   */
  end(): Promise<string[]>;
  close(): Promise<void>;
}

/** Two stocks and a currency pair, which has no last price and another farm. */
export const usualSymbols = ["AAPL", "MSFT", "EUR.USD"] as const;

/** A Tuesday, 15:00 in New York: everything trades. */
const tuesday = Date.UTC(2026, 10, 24, 20);

/** Outages that take minutes take a second; nothing else is hurried. */
const fastTimeouts = {
  linkTimes: { firstWaitMs: 100, longestWaitMs: 400, pingEveryMs: 300, pongWithinMs: 1_000 },
  sessionTimes: { retryFirstMs: 100, retryCapMs: 300 },
  quoteTimes: {
    answerMs: 500,
    competingRetryMs: 600,
    exhaustedRetryMs: 400,
    sweepMs: 50,
    patienceMs: 2_000,
    longestPatienceMs: 60_000,
  },
};

interface StreamingSystemOptions {
  readonly simulator?: SimulatorOptions;
  /** How fast the market's clock runs; 1 by default. */
  readonly marketSpeed?: number;
  readonly persistTo?: string;
}

export async function startStreamingSystem({
  simulator,
  marketSpeed = 1,
  ...rest
}: StreamingSystemOptions = {}): Promise<StreamingSystem> {
  const startedAt = Date.now();
  let frozenAt: number | null = null;
  const system = await startSystem({
    simulator: {
      now: () => tuesday + ((frozenAt ?? Date.now()) - startedAt) * marketSpeed,
      recordTicks: true,
      ...simulator,
    },
    times: { ...fastTimeouts, marketAheadMs: tuesday - startedAt },
    ...rest,
  });
  const watchers: Watcher[] = [];

  function watcher(network?: Proxy): Watcher {
    const one = startWatcher(network === undefined ? system.wsUrl : `ws://127.0.0.1:${network.port}`);
    watchers.push(one);
    return one;
  }

  const freeze = () => {
    frozenAt ??= Date.now();
  };

  const thaw = () => {
    frozenAt = null;
  };

  function isStanding(conId: number, quote: Quote | null): boolean {
    const { universe, market, now } = system.simulator.world;
    const instrument = universe.byConId(conId);
    if (instrument === undefined) throw new Error(`no instrument ${conId}`);
    const expected = market.quote(instrument, now());
    return quote !== null && compared.every((field) => quote[field] === expected[field]);
  }

  return {
    system,
    watcher,
    async watching(network) {
      const one = watcher(network);
      one.follow(...usualSymbols);
      for (const symbol of usualSymbols) await one.live(symbol);
      return one;
    },
    freeze,
    thaw,
    isStanding,
    async settled(...some) {
      freeze();
      for (const watcher of some) {
        for (const [symbol, conId] of watcher.followed) {
          await watcher.until(symbol, ({ state, quote }) => state === "live" && isStanding(conId, quote));
        }
      }
    },
    async end() {
      const { simulator } = system;
      const left = watchers.splice(0);
      for (const watcher of left) watcher.close();
      await eventually(
        async () => simulator.subscriptions(),
        (open) => open === 0,
      );
      thaw();
      const violations = left.flatMap((watcher) =>
        [...watcher.followed].flatMap(([symbol, conId]) =>
          violationsOf(watcher, symbol, saidOf(simulator, conId)),
        ),
      );
      const busiest = mostASecond(simulator);
      return [
        ...violations,
        ...idsUsedTwice(system),
        ...(busiest > 50 ? [`TWS got ${busiest} messages a second`] : []),
      ];
    },
    close: () => system.close(),
  };
}

/** Ids under which one process of the agent asked for more than one line. */
function idsUsedTwice({ simulator, agent }: System): string[] {
  const used = new Set<string>();
  return linesAsked(simulator).flatMap(({ at, fields }) => {
    const process = agent.startedAt.findLastIndex((startedAt) => startedAt <= at);
    const id = `${process} ${fields[2]}`;
    const isUsed = used.has(id);
    used.add(id);
    return isUsed ? [`the id ${id} was used twice`] : [];
  });
}

const compared = [
  "bid",
  "bidSize",
  "ask",
  "askSize",
  "last",
  "lastSize",
  "volume",
  "high",
  "low",
] as const satisfies readonly (keyof Quote)[];
