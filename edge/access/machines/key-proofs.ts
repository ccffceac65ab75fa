import { calculateJwkThumbprint, compactVerify, decodeProtectedHeader, importJWK } from "jose";
import { z } from "zod";
import {
  KeyId,
  type ProofPurpose,
  proofPaths,
  proofTimes,
  type PublicKey,
} from "../../../shared/machine-key.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { MachineStore } from "./machine-store.ts";
import type { ProofRefusal, Proven } from "../../rpc/access.ts";

const Claims = z.object({
  aud: z.string(),
  iat: z.int(),
  exp: z.int(),
  jti: z.string().min(16).max(100),
});

const longestJwt = 4_096;

interface ProofsOptions {
  readonly publicUrl: string;
  readonly store: MachineStore;
}

/** Checks proofs of agents' keys. Each is taken once. */
export function createProofs({ publicUrl, store }: ProofsOptions) {
  /** What is wrong with a proof by this key, null if nothing is; it is used up then. */
  async function check(
    proof: string,
    keyId: string,
    publicKey: PublicKey,
    purpose: ProofPurpose,
    nowMs: number,
  ): Promise<ProofRefusal | null> {
    const claims = await claimsOf(proof, publicKey);
    if (claims === null) return { why: "malformed" };
    const { aud, iat, exp, jti } = claims;
    if (aud !== `${publicUrl}${proofPaths[purpose]}`) return { why: "audience" };
    const aheadS = iat - Math.floor(nowMs / 1000);
    if (Math.abs(aheadS) > proofTimes.skewS || exp * 1000 <= nowMs) return { why: "clock", aheadS };
    if (exp - iat > proofTimes.lifeS) return { why: "malformed" };
    return store.takeProof(`${keyId}.${jti}`, exp * 1000) ? null : { why: "replayed" };
  }

  return {
    /** Of a machine that is paired. */
    async prove(proof: string, purpose: ProofPurpose, nowMs: number): Promise<Proven> {
      const keyId = keyIdOf(proof);
      if (keyId === null) return { ok: false, why: "malformed" };
      const key = store.key(keyId);
      if (key === null) return { ok: false, why: "unknown_key" };
      const refusal = await check(proof, keyId, key.publicKey, purpose, nowMs);
      if (refusal !== null) return { ok: false, ...refusal };
      // read again: it may have been revoked while we computed
      const known = store.key(keyId);
      if (known === null || known.revokedAt !== null) return { ok: false, why: "revoked" };
      return { ok: true, ...known };
    },

    /** Of whoever holds this key, known or not: for pairing and for a new key. Returns the key's id, or throws. */
    async possession(
      proof: string,
      publicKey: PublicKey,
      nowMs: number,
      purpose: "pair" | "rotate" = "pair",
    ): Promise<string> {
      const keyId = await calculateJwkThumbprint(publicKey);
      const refusal = await check(proof, keyId, publicKey, purpose, nowMs);
      if (refusal !== null) throw refusalError(refusal, publicUrl);
      return keyId;
    },
  };
}

/** The key that a JWT says it is signed by. */
export function keyIdOf(jwt: string): string | null {
  if (jwt.length > longestJwt) return null;
  try {
    const parsed = z.object({ alg: z.literal("EdDSA"), kid: KeyId }).safeParse(decodeProtectedHeader(jwt));
    return parsed.success ? parsed.data.kid : null;
  } catch {
    return null;
  }
}

/** What a JWT says that this key has signed; null for anything else. */
export async function signedBy(jwt: string, publicKey: PublicKey): Promise<unknown> {
  try {
    const { payload } = await compactVerify(jwt, await importJWK(publicKey, "EdDSA"), {
      algorithms: ["EdDSA"],
    });
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return null;
  }
}

async function claimsOf(proof: string, publicKey: PublicKey): Promise<z.infer<typeof Claims> | null> {
  if (proof.length > longestJwt) return null;
  const parsed = Claims.safeParse(await signedBy(proof, publicKey));
  return parsed.success ? parsed.data : null;
}

/** The same in words, for the person who runs the agent. */
export function refusalError(refusal: ProofRefusal, publicUrl: string): TwsError {
  const pair = `On that machine: tws-edge pair ${publicUrl}`;
  switch (refusal.why) {
    case "malformed":
      return new TwsError("unauthorized", "The agent's proof of its key is missing or not valid.", {
        nextStep: `${pair}. Where AGENT_TOKEN is set, take it out: it goes before the key.`,
      });
    case "unknown_key":
      return new TwsError("unauthorized", "This machine's key is not paired with this edge.", {
        nextStep: pair,
      });
    case "revoked":
      return new TwsError("unauthorized", "The owner has revoked this machine's key.", {
        nextStep: `To let it in again, delete its key file and pair it with a new key. ${pair}`,
      });
    case "audience":
      return new TwsError(
        "unauthorized",
        "The agent has proved itself to another address than this edge's.",
        {
          nextStep: `Use the edge's own address: EDGE_URL=${publicUrl}`,
        },
      );
    case "replayed":
      return new TwsError("unauthorized", "This proof has been used before.", {
        nextStep: "The agent makes a new one for each connection. If it did, somebody has copied this one.",
      });
    case "clock": {
      const { aheadS } = refusal;
      const by = `${Math.abs(aheadS)} s ${aheadS > 0 ? "ahead of" : "behind"}`;
      return new TwsError("unauthorized", `The clock of the agent's machine is ${by} the edge's.`, {
        nextStep: "Set that machine's clock by the network, and the agent connects by itself.",
      });
    }
    default:
      return refusal satisfies never;
  }
}
