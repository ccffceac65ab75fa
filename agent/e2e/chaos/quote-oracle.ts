import type { ReceivedMessage, Simulator } from "../../simulator/server.ts";
import type { Shown, Watcher } from "../clients/watcher.ts";

type Field =
  | "bid"
  | "bidSize"
  | "ask"
  | "askSize"
  | "last"
  | "lastSize"
  | "volume"
  | "high"
  | "low"
  | "close";

const fieldOf: ReadonlyMap<number, Field> = new Map([
  [0, "bidSize"],
  [1, "bid"],
  [2, "ask"],
  [3, "askSize"],
  [4, "last"],
  [5, "lastSize"],
  [6, "high"],
  [7, "low"],
  [8, "volume"],
  [9, "close"],
]);

/** One tick, and the line that it came on: how many had been asked for before it. */
interface LineTick {
  readonly at: number;
  readonly value: number;
  readonly line: number;
}

type Witness = Pick<Watcher, "shown" | "numbers">;

/** What TWS said of one instrument, by field, oldest first. */
export type Said = ReadonlyMap<Field, readonly LineTick[]>;

const reqMktData = "1";

/** The quote lines that were ever asked for, in order. */
export const linesAsked = (simulator: Simulator): readonly ReceivedMessage[] =>
  simulator.received().filter(({ fields }) => fields[0] === reqMktData);

export function saidOf(simulator: Simulator, conId: number): Said {
  const lines = [...linesAsked(simulator).entries()].filter(([, { fields }]) => Number(fields[3]) === conId);
  const said = new Map<Field, LineTick[]>();
  for (const { at, reqId, tick, value } of simulator.ticks()) {
    const field = fieldOf.get(tick);
    // another process of the agent counts its ids from the beginning
    const [line] = lines.findLast(([, asked]) => Number(asked.fields[2]) === reqId && asked.at <= at) ?? [];
    if (field === undefined || line === undefined) continue;
    const ticks = said.get(field) ?? [];
    ticks.push({ at, value, line });
    said.set(field, ticks);
  }
  return said;
}

/**
 * How many messages a second TWS got in its busiest five. In a single second a test process that was busy reads what
 * came in two.
 */
export function mostASecond(simulator: Simulator): number {
  const times = simulator.received().map(({ at }) => at);
  let from = 0;
  let most = 0;
  for (const [index, at] of times.entries()) {
    while ((times[from] ?? at) <= at - windowMs) from += 1;
    most = Math.max(most, index - from + 1);
  }
  return most / (windowMs / 1_000);
}

const windowMs = 5_000;

/** Binary sums leave dust that the wire does not carry. */
const isSame = (a: number, b: number): boolean => Math.abs(a - b) < 1e-9;

/**
 * Every violation in what a watcher showed of an instrument, in words; none when it showed only what is so: nothing
 * that TWS did not say, nothing older after something newer, nothing of a new line without a word about the break
 * before it, nothing from before a break as live, and numbers that rise.
 */
export function violationsOf(watcher: Witness, symbol: string, said: Said): string[] {
  const shown = watcher.shown.filter((one) => one.symbol === symbol);
  const violations = [...said].flatMap(([field, ticks]) => [...untrue(shown, field, ticks)]);
  return [
    ...violations,
    ...unsaidBreaks(shown, said),
    ...relapses(shown, said),
    ...unordered(watcher, symbol),
  ];
}

/** Follows a field through what TWS sent: each value shown must be found there, and never before the one before it. */
function* untrue(shown: readonly Shown[], field: Field, ticks: readonly LineTick[]): Generator<string> {
  let index = 0;
  for (const { quote, at } of shown) {
    const value = quote?.[field] ?? null;
    if (value === null) continue;
    const isIt = (tick: LineTick): boolean => tick.at <= at && isSame(tick.value, value);
    while (index < ticks.length && !isIt(ticks[index] ?? raise())) index += 1;
    if (index < ticks.length) continue;
    yield `${field} ${value} at ${at} ${ticks.some(isIt) ? "is older than what came before" : "was never sent"}`;
    return;
  }
}

const raise = (): never => {
  throw new Error("unreachable");
};

/** A new line means that changes may have been missed, which must be said in between. */
function* unsaidBreaks(shown: readonly Shown[], said: Said): Generator<string> {
  const starts = startsOf(said);
  let before = -1;
  let isBroken = true;
  for (const { state, at } of shown) {
    if (state !== "live") {
      isBroken = true;
      continue;
    }
    const line = newestAt(starts, at);
    if (line > before && !isBroken) yield `line ${line} followed ${before} at ${at} without a word`;
    before = line;
    isBroken = false;
  }
}

/** When each line sent its first tick. */
function startsOf(said: Said): ReadonlyMap<number, number> {
  const starts = new Map<number, number>();
  for (const { line, at } of [...said.values()].flat())
    starts.set(line, Math.min(starts.get(line) ?? at, at));
  return starts;
}

/** The newest line that had sent something at that time; -1 for none. */
const newestAt = (starts: ReadonlyMap<number, number>, at: number): number =>
  Math.max(-1, ...[...starts].flatMap(([line, start]) => (start <= at ? [line] : [])));

/** A tick so young may be on its way still. */
const onTheWayMs = 150;

/** After a break the value of before may be shown as live only if TWS has sent no other since. */
function* relapses(shown: readonly Shown[], said: Said): Generator<string> {
  const starts = startsOf(said);
  let last: Shown | null = null;
  let isBroken = false;
  for (const one of shown) {
    if (one.state !== "live") isBroken = true;
    else {
      if (isBroken && last !== null && last.quote?.time === one.quote?.time) {
        const { at } = last;
        const isNewLine = newestAt(starts, one.at) > newestAt(starts, at);
        const until = isNewLine ? one.at : one.at - onTheWayMs;
        const differs = [...said].some(([field, ticks]) =>
          ticks.some(
            (tick) =>
              tick.at > at + onTheWayMs && tick.at < until && !isSame(tick.value, one.quote?.[field] ?? NaN),
          ),
        );
        if (differs) yield `the value of ${at} was shown as live again at ${one.at}`;
      }
      last = one;
      isBroken = false;
    }
  }
}

function* unordered({ numbers }: Witness, symbol: string): Generator<string> {
  for (const [key, seqs] of numbers) {
    if (!key.startsWith(`${symbol} `)) continue;
    for (const [index, seq] of seqs.entries()) {
      if (index > 0 && seq <= (seqs[index - 1] ?? 0)) yield `number ${seq} of ${key} does not rise`;
    }
  }
}
