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
