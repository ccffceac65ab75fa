import { z } from "zod";
import { StreamClient, usualTimes } from "../../../docs/examples/stream-client.js";
import { Quote } from "../../../shared/events.ts";

/** What a page showed at one moment. */
export interface Shown {
  /** Unix milliseconds. */
  readonly at: number;
  readonly symbol: string;
  readonly state: string;
  readonly reason: string;
  readonly quote: Quote | null;
}

/** One that follows quotes with the client of docs/examples, and remembers all that it was ever told and showed. */
export interface Watcher {
  follow(...symbols: readonly string[]): void;
  leave(symbol: string): void;
  /** Everything that was shown, oldest first. */
  readonly shown: readonly Shown[];
  /** The numbers of a symbol's messages as they came over each connection. */
  readonly numbers: ReadonlyMap<string, readonly number[]>;
  /** The instrument of each symbol that the edge has confirmed. */
  readonly followed: ReadonlyMap<string, number>;
  readonly problems: readonly string[];
  /** What is shown of a symbol now; null before anything is. */
  now(symbol: string): Shown | null;
  /** Resolves when what is shown of the symbol satisfies the condition, now or later. */
  until(symbol: string, isSo: (shown: Shown) => boolean): Promise<Shown>;
  /** Resolves when the symbol is live with a value, now or later. */
  live(symbol: string): Promise<Shown>;
  /** Resolves when every symbol has been shown for this reason, now or later. */
  told(reason: string): Promise<void>;
  close(): void;
}

const Confirmed = z.object({ type: z.literal("subscribed"), symbol: z.string(), conId: z.int() });
const DataMessage = z.object({ type: z.literal("market_data"), symbol: z.string(), seq: z.int() });

/** The client in a hurry, but not so that a busy machine makes it give up what is well. */
const fastTimeouts: Partial<typeof usualTimes> = {
  pingEveryMs: 300,
  answerWithinMs: 1_000,
  firstWaitMs: 50,
  longestWaitMs: 400,
  askAgainMs: 100,
};

export function startWatcher(wsUrl: string, times = fastTimeouts): Watcher {
  const shown: Shown[] = [];
  const latest = new Map<string, Shown>();
  const numbers = new Map<string, number[]>();
  const followed = new Map<string, number>();
  const problems: string[] = [];
  const looks = new Set<() => void>();
  let connections = 0;
  const client = new StreamClient(`${wsUrl}/api/v1/stream/market-data`, {
    times,
    onProblem: (text) => problems.push(text),
    onConnection: (isConnected) => {
      if (isConnected) connections += 1;
    },
    onMessage(message) {
      const confirmed = Confirmed.safeParse(message).data;
      if (confirmed !== undefined) followed.set(confirmed.symbol, confirmed.conId);
      const { data } = DataMessage.safeParse(message);
      if (data === undefined) return;
      const key = `${data.symbol} on connection ${connections}`;
      numbers.set(key, [...(numbers.get(key) ?? []), data.seq]);
    },
  });
  const subscriptions = new Map<string, { close: () => void }>();

  async function until(symbol: string, isSo: (one: Shown) => boolean): Promise<Shown> {
    const { promise, resolve } = Promise.withResolvers<Shown>();
    const look = () => {
      const one = latest.get(symbol);
      if (one !== undefined && isSo(one)) resolve(one);
    };
    looks.add(look);
    look();
    return promise.finally(() => looks.delete(look));
  }

  return {
    follow(...symbols) {
      for (const symbol of symbols) {
        const subscription = client.subscribe({ symbol }, ({ state, reason, value }) => {
          const quote = value === null ? null : Quote.parse(value);
          const one = { at: Date.now(), symbol, state, reason, quote };
          shown.push(one);
          latest.set(symbol, one);
          for (const look of looks) look();
        });
        subscriptions.set(symbol, subscription);
      }
    },
    leave: (symbol) => subscriptions.get(symbol)?.close(),
    shown,
    numbers,
    followed,
    problems,
    now: (symbol) => latest.get(symbol) ?? null,
    until,
    live: (symbol) => until(symbol, ({ state, quote }) => state === "live" && quote !== null),
    async told(reason) {
      await Promise.all(
        [...subscriptions.keys()].map((symbol) => until(symbol, (one) => one.reason === reason)),
      );
    },
    close: () => client.close(),
  };
}
