import { defaultHostId } from "../../../shared/caller.ts";
import type { OwnerPairing } from "../machines/pairing.ts";

export interface NamedHost {
  readonly hostId: string;
  readonly name: string;
}

/** The hosts that were paired, and the one without a name where an agent may come by AGENT_TOKEN or none is paired yet. */
export function hostsOf(env: Cloudflare.Env, pairing: OwnerPairing): readonly NamedHost[] {
  const named = pairing.hosts().map(({ hostId, name }) => ({ hostId, name }));
  const isPaired = named.some(({ hostId }) => hostId === defaultHostId);
  const isUnnamed = !isPaired && (named.length === 0 || (env.AGENT_TOKEN ?? "") !== "");
  return isUnnamed ? [{ hostId: defaultHostId, name: defaultHostId }, ...named] : named;
}

/** How long a page waits for one host, so that none keeps the owner from what the others say. */
export const hostWithinMs = 3_000;

/** What a host answers; null when it takes too long. */
export async function inTime<T>(answer: Promise<T>): Promise<T | null> {
  const late = Promise.withResolvers<null>();
  const timer = setTimeout(() => late.resolve(null), hostWithinMs);
  // whoever is late may still fail, which nobody is told
  answer.catch(() => undefined);
  return await Promise.race([answer, late.promise]).finally(() => clearTimeout(timer));
}
