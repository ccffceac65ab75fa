import type { AccessSettings } from "../../config/settings.ts";
import { type MachineApi, createMachineApi } from "./machine-api.ts";
import { openMachineStore } from "./machine-store.ts";
import { type Machines, createMachines, type OwnerPairing } from "./pairing.ts";
import { createAttemptLimits } from "../storage/attempt-limits.ts";
import { createScriptTokens, type ScriptTokens } from "./script-tokens.ts";
import type { AccessStore } from "../storage/store.ts";

/** The machines' part of the object `Access`. */
export interface MachineAccess {
  readonly proveAgent: Machines["proveAgent"];
  readonly isGoodKey: Machines["isGood"];
  readonly tokens: ScriptTokens;
  readonly pairing: OwnerPairing;
  readonly api: MachineApi;
}

interface MachineAccessOptions {
  readonly ctx: DurableObjectState;
  readonly settings: AccessSettings;
  readonly env: Cloudflare.Env;
  readonly access: AccessStore;
  /** Tells the owner. */
  readonly tell: (words: string) => void;
}

export function createMachineAccess({
  ctx,
  settings,
  env,
  access,
  tell,
}: MachineAccessOptions): MachineAccess {
  const store = openMachineStore(ctx.storage);
  const tokens = createScriptTokens({ settings, env, store, access, tell });
  const machines = createMachines({
    settings,
    env,
    store,
    tell,
    attemptLimits: createAttemptLimits(access, Date.now),
    keyEnded: (keyId) => tokens.revokeAllOf(keyId),
  });
  return {
    proveAgent: (proof, nowMs) => machines.proveAgent(proof, nowMs),
    isGoodKey: (keyId, hostId) => machines.isGood(keyId, hostId),
    tokens,
    pairing: machines.pairing,
    api: createMachineApi({ settings, store, machines, tokens }),
  };
}
