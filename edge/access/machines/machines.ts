import type { AccessSettings } from "../../config/settings.ts";
import { type AgentApi, createAgentApi } from "./machine-api.ts";
import { openAgentStore } from "./machine-store.ts";
import { type Agents, createAgents, type PairingDesk } from "./pairing.ts";
import { createAttempts } from "../storage/attempt-limits.ts";
import { createScriptTokens, type ScriptTokens } from "./script-tokens.ts";
import type { AccessStore } from "../storage/store.ts";

/** The agents' part of the object `Access`. */
export interface AgentAccess {
  readonly proveAgent: Agents["proveAgent"];
  readonly isGoodKey: Agents["isGood"];
  readonly tokens: ScriptTokens;
  readonly desk: PairingDesk;
  readonly api: AgentApi;
}

interface AgentAccessOptions {
  readonly ctx: DurableObjectState;
  readonly settings: AccessSettings;
  readonly env: Cloudflare.Env;
  readonly access: AccessStore;
}

export function createAgentAccess({ ctx, settings, env, access }: AgentAccessOptions): AgentAccess {
  const store = openAgentStore(ctx.storage);
  const tokens = createScriptTokens({ settings, env, store, access });
  const agents = createAgents({
    settings,
    env,
    store,
    attempts: createAttempts(access, Date.now),
    keyEnded: (keyId) => tokens.revokeAllOf(keyId),
  });
  return {
    proveAgent: (proof, nowMs) => agents.proveAgent(proof, nowMs),
    isGoodKey: (keyId, hostId) => agents.isGood(keyId, hostId),
    tokens,
    desk: agents.desk,
    api: createAgentApi({ settings, store, agents, tokens }),
  };
}
