import type { Contract } from "../../../shared/contract.ts";
import type { SessionStatus } from "../../../shared/status.ts";

export type Farm = SessionStatus["farms"][number];

const farmCodes: ReadonlyMap<number, Pick<Farm, "kind" | "state">> = new Map([
  [2103, { kind: "market data", state: "broken" }],
  [2104, { kind: "market data", state: "ok" }],
  [2105, { kind: "historical data", state: "broken" }],
  [2106, { kind: "historical data", state: "ok" }],
  [2107, { kind: "historical data", state: "inactive" }],
  [2108, { kind: "market data", state: "inactive" }],
  [2119, { kind: "market data", state: "connecting" }],
  [2157, { kind: "security definitions", state: "broken" }],
  [2158, { kind: "security definitions", state: "ok" }],
]);

/** A farm's state from a notice of TWS, such as 2104 "Market data farm connection is OK:usfarm"; null if it is none. */
export function farmOf(code: number, text: string): Omit<Farm, "since"> | null {
  const known = farmCodes.get(code);
  if (known === undefined) return null;
  // 2107 and 2108 end in "upon demand.ushmds", the others in ":usfarm.nj"
  const name = /(?::|demand\.)\s*([^\s:]+)\s*$/.exec(text)?.[1] ?? "unnamed";
  return { ...known, name: name.slice(0, 100) };
}

/**
 * Whether a market-data farm may carry an instrument's quotes. TWS does not say which farm serves what; the names do,
 * roughly. To be wrong costs little: a stream marked stale is live again at its next tick.
 */
export function mayServe(farm: string, contract: Contract): boolean {
  const isCash = contract.secType === "CASH";
  if (farm.startsWith("cash")) return isCash;
  if (isCash) return false;
  if (farm.startsWith("usfut")) return contract.secType === "FUT" || contract.secType === "FOP";
  if (farm.startsWith("usopt")) return contract.secType === "OPT" || contract.secType === "FOP";
  return farm.startsWith("us") === (contract.currency === "USD");
}
