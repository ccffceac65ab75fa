import {
  codeAlphabet,
  codeLength,
  fingerprintOf,
  type PairAnswer,
  type PairRequest,
  pairingTimes,
  type PublicKey,
  readCode,
  type RotateAnswer,
  type RotateRequest,
  showCode,
} from "../../../shared/machine-key.ts";
import type { z } from "zod";
import { TwsError } from "../../../shared/errors.ts";
import { defaultHostId } from "../../../shared/caller.ts";
import { hostOf } from "../../config/bindings.ts";
import type { AccessSettings } from "../../config/settings.ts";
import type { MachineStore, Host, Pairing, Target } from "./machine-store.ts";
import type { AttemptLimits } from "../storage/attempt-limits.ts";
import { createProofs } from "./key-proofs.ts";
import { hashOf, newSecret } from "../../crypto/secrets.ts";
import type { Key, Proven } from "../../rpc/access.ts";
import { isKnownAddress } from "../../http/client-address.ts";
import { toBase64Url } from "../../crypto/base64url.ts";

/** In an hour, from one address or session and from everywhere. */
const limits = { pairings: 20, tries: 5, pairingsOfAll: 200, triesOfAll: 100, hosts: 50 } as const;
/** Wrong codes until a code ends. They name none, so each is a try at every code that is open. */
const triesOfCode = 5;
const everywhere = "*";

type Asked = Extract<Pairing, { readonly kind: "asked" }>;

/** The machines that may connect as agents: how they are let in, and how they are put out. */
export interface Machines {
  proveAgent(proof: string, nowMs: number): Promise<Proven>;
  /** Whether a key is still good for a host, for who has just let it in there. */
  isGood(keyId: string, hostId: string): boolean;
  /** A machine asks, or brings the code that the owner has made. */
  pair(request: PairRequest, proof: string, address: string): Promise<PairAnswer>;
  /** What has become of it. */
  poll(publicKey: PublicKey, pollSecret: string, proof: string): Promise<PairAnswer>;
  /** A machine takes a new key in place of the one that has proved itself, which is revoked with all that it signed. */
  rotate(key: Key, request: z.infer<typeof RotateRequest>): Promise<z.infer<typeof RotateAnswer>>;
  /** For the owner. */
  readonly pairing: OwnerPairing;
}

/** What the owner does at the page. */
export interface OwnerPairing {
  hosts(): Host[];
  keys(): Key[];
  /** A code for a machine to bring. */
  offer(target: Target): Promise<{ readonly code: string; readonly expiresAt: string }>;
  /** The machine that shows this code; null if none does. Throws `rate_limited` after too many wrong ones. */
  find(code: string, who: string): Promise<Asked | null>;
  accept(asked: Asked, target: Target): Promise<Host>;
  decline(asked: Asked): void;
  rename(hostId: string, name: string): void;
  revoke(keyId: string): Promise<void>;
}

interface MachinesOptions {
  readonly settings: AccessSettings;
  readonly env: Cloudflare.Env;
  readonly store: MachineStore;
  readonly attemptLimits: AttemptLimits;
  /** Tells the owner. */
  readonly tell: (words: string) => void;
  /** Ends what a key has signed. */
  readonly keyEnded: (keyId: string) => Promise<void>;
}

export function createMachines({
  settings,
  env,
  store,
  attemptLimits,
  tell,
  keyEnded,
}: MachinesOptions): Machines {
  const { publicUrl } = settings;
  const proofs = createProofs({ publicUrl, store });

  /** Those that were named. With an agent in this process its host is one too, whether or not a key was paired for it. */
  function hosts(): Host[] {
    const named = store.hosts();
    const isUnnamed =
      settings.localAgentToken !== null && named.every(({ hostId }) => hostId !== defaultHostId);
    return isUnnamed
      ? [{ hostId: defaultHostId, name: "this computer", createdAt: new Date().toISOString() }, ...named]
      : named;
  }

  /** Makes the key the one of its host. Any other machine that was this host is put out, for good. */
  async function settle(
    { keyId, publicKey, machine }: Pick<Key, "keyId" | "publicKey" | "machine">,
    target: Target,
    isRotation = false,
  ): Promise<Host> {
    const before = store.key(keyId);
    if (before !== null && before.revokedAt !== null) throw revokedForGood();
    const now = new Date().toISOString();
    const host = hostFor(target, now);
    const others = store
      .keys()
      .filter((key) => key.hostId === host.hostId && key.keyId !== keyId && key.revokedAt === null);
    store.saveKey({
      keyId,
      publicKey,
      hostId: host.hostId,
      machine,
      pairedAt: now,
      usedAt: null,
      revokedAt: null,
    });
    tell(`The machine ${machine} was let in as the host ${host.name}, with the key ${fingerprintOf(keyId)}.`);
    for (const other of others) {
      await (isRotation
        ? revoke(other.keyId, "This machine has a new key.", true)
        : revoke(other.keyId, "Another machine has taken the place of this one."));
    }
    if (before !== null && before.hostId !== host.hostId) {
      await keyEnded(keyId);
      await hostOf(env, before.hostId).dropAgent("This machine has been paired as another host.");
    }
    return host;
  }

  function hostFor(target: Target, now: string): Host {
    const known = hosts();
    if ("hostId" in target) {
      const host = known.find(({ hostId }) => hostId === target.hostId);
      if (host !== undefined) return host;
      throw new TwsError("invalid_input", "There is no such host.", {
        nextStep: "Reload the page and choose again.",
      });
    }
    requireFree(target.newName, null);
    if (known.length >= limits.hosts) {
      throw new TwsError("too_large", `An edge has at most ${limits.hosts} hosts.`);
    }
    const isDefaultFree = known.every(({ hostId }) => hostId !== defaultHostId);
    const hostId = isDefaultFree ? defaultHostId : `h_${randomId()}`;
    const host = { hostId, name: target.newName, createdAt: now };
    store.saveHost(host);
    return host;
  }

  function requireFree(name: string, ownHostId: string | null): void {
    const isTaken = hosts().some(
      (host) => host.hostId !== ownHostId && host.name.toLowerCase() === name.toLowerCase(),
    );
    if (isTaken) {
      throw new TwsError("invalid_input", "Another host has this name.", {
        nextStep: "Choose another name.",
      });
    }
  }

  /** `mayReturn`: its agent has another key by now. */
  async function revoke(keyId: string, reason: string, mayReturn = false): Promise<void> {
    const key = store.key(keyId);
    if (key === null || key.revokedAt !== null) return;
    // first of all, so that nothing is let in meanwhile
    store.saveKey({ ...key, revokedAt: new Date().toISOString() });
    await keyEnded(keyId);
    await hostOf(env, key.hostId).dropAgent(reason, mayReturn);
  }

  /** Counts a try before it is looked at, so that tries at one time count as well. */
  function allowOneMore(kind: string, who: string, perHour: number, perHourOfAll: number): void {
    requireOneMore(kind, who, perHour);
    requireOneMore(kind, everywhere, perHourOfAll);
  }

  function requireOneMore(kind: string, who: string, perHour: number): void {
    if (attemptLimits.mayOnceMore(kind, who, perHour)) return;
    throw new TwsError("rate_limited", "There were too many attempts to pair.", {
      nextStep: "Wait an hour, then try again.",
    });
  }

  async function newCode(): Promise<{ code: string; codeHash: string; expiresAt: number }> {
    const code = randomCode();
    return { code, codeHash: await hashOf(code), expiresAt: Date.now() + pairingTimes.codeS * 1000 };
  }

  async function askOwner(
    keyId: string,
    { publicKey, machine, suggestedName }: PairRequest,
  ): Promise<PairAnswer> {
    const { code, codeHash, expiresAt } = await newCode();
    const pollSecret = newSecret();
    const pollHash = await hashOf(pollSecret);
    const asked = { publicKey, keyId, machine, suggestedName, pollHash };
    store.savePairing({ kind: "asked", state: "open", codeHash, expiresAt, ...asked });
    return {
      state: "waiting",
      code: showCode(code),
      pairUrl: `${publicUrl}/pair`,
      expiresAt: new Date(expiresAt).toISOString(),
      pollSecret,
    };
  }

  /** What waits under a code as somebody typed it. */
  async function pairingOf(typed: string): Promise<Pairing | null> {
    const code = readCode(typed);
    return code === null ? null : store.pairingByCode(await hashOf(code), Date.now());
  }

  async function bringCode(keyId: string, request: PairRequest, typed: string, address: string) {
    allowOneMore("pair-code", address, limits.tries, limits.triesOfAll);
    const pairing = await pairingOf(typed);
    // taken as it is looked at, so that of two machines that bring it at once one is let in
    if (pairing?.kind !== "offered" || !store.removePairing(pairing.codeHash)) {
      store.countWrongCode("offered", triesOfCode);
      throw new TwsError(
        "unauthorized",
        "This code is not known, was used, is older than ten minutes, or ended after five wrong tries.",
        {
          nextStep: `The owner makes a new one at ${publicUrl}/pair, or enters one that this machine shows.`,
        },
      );
    }
    attemptLimits.succeeded("pair-code", address);
    const { publicKey, machine } = request;
    return paired(await settle({ keyId, publicKey, machine }, pairing.target));
  }

  const paired = ({ hostId, name }: Host): PairAnswer => ({ state: "paired", hostId, hostName: name });

  return {
    async proveAgent(proof, nowMs) {
      const proven = await proofs.prove(proof, "agent", nowMs);
      if (!proven.ok) return proven;
      // this alone: what was read of the key may be older than its revocation
      store.noteKeyUse(proven.keyId, new Date(nowMs).toISOString());
      return proven;
    },

    isGood(keyId, hostId) {
      const key = store.key(keyId);
      return key !== null && key.revokedAt === null && key.hostId === hostId;
    },

    async pair(request, proof, address) {
      // what proves nothing counts against nobody but its own address
      const isKnown = isKnownAddress(address);
      if (isKnown) requireOneMore("pair", address, limits.pairings);
      const keyId = await proofs.possession(proof, request.publicKey, Date.now());
      if (!isKnown) requireOneMore("pair", address, limits.pairings);
      requireOneMore("pair", everywhere, limits.pairingsOfAll);
      const known = store.key(keyId);
      if (known !== null && known.revokedAt !== null) throw revokedForGood();
      return request.code === null
        ? await askOwner(keyId, request)
        : await bringCode(keyId, request, request.code, address);
    },

    async poll(publicKey, pollSecret, proof) {
      // first of all: who does not know the secret is not worth a signature
      const pollHash = await hashOf(pollSecret);
      if (store.pairingByPoll(pollHash, Date.now()) === null) return { state: "expired" };
      const keyId = await proofs.possession(proof, publicKey, Date.now());
      const pairing = store.pairingByPoll(pollHash, Date.now());
      if (pairing?.kind !== "asked" || pairing.keyId !== keyId) return { state: "expired" };
      switch (pairing.state) {
        case "open":
          return { state: "open", expiresAt: new Date(pairing.expiresAt).toISOString() };
        case "declined":
          return { state: "declined" };
        case "paired": {
          const key = store.key(keyId);
          const host = hosts().find(({ hostId }) => hostId === key?.hostId);
          return host === undefined ? { state: "expired" } : paired(host);
        }
        default:
          return pairing.state satisfies never;
      }
    },

    async rotate({ keyId, hostId, machine }, { publicKey, proof }) {
      const freshId = await proofs.possession(proof, publicKey, Date.now(), "rotate");
      // read again: the old key may have been revoked while we computed
      const known = store.key(keyId);
      if (known === null || known.revokedAt !== null || known.hostId !== hostId) throw revokedForGood();
      if (store.key(freshId) !== null) {
        throw new TwsError(
          "invalid_input",
          "This key is known already. A new one must never have been used.",
          {
            nextStep:
              "Delete the key file that ends in .new on that machine, then run tws-edge rotate-key again.",
          },
        );
      }
      const host = await settle({ keyId: freshId, publicKey, machine }, { hostId }, true);
      return { hostId, hostName: host.name };
    },

    pairing: {
      hosts,
      keys: () => store.keys(),

      async offer(target) {
        if ("newName" in target) requireFree(target.newName, null);
        const { code, codeHash, expiresAt } = await newCode();
        store.savePairing({ kind: "offered", target, codeHash, expiresAt });
        return { code: showCode(code), expiresAt: new Date(expiresAt).toISOString() };
      },

      async find(typed, who) {
        // counted apart from what machines try, so that no stranger can keep the owner from it
        allowOneMore("pair-desk", who, limits.tries, limits.triesOfAll);
        const pairing = await pairingOf(typed);
        if (pairing?.kind === "asked" && pairing.state === "open") {
          attemptLimits.succeeded("pair-desk", who);
          return pairing;
        }
        store.countWrongCode("asked", triesOfCode);
        return null;
      },

      async accept(asked, target) {
        const host = await settle(asked, target);
        store.savePairing({ ...asked, state: "paired" });
        return host;
      },

      decline: (asked) => store.savePairing({ ...asked, state: "declined" }),

      rename(hostId, name) {
        requireFree(name, hostId);
        const host = hosts().find((one) => one.hostId === hostId);
        if (host !== undefined) store.saveHost({ ...host, name });
      },

      revoke: (keyId) => revoke(keyId, "The owner has revoked this machine's key."),
    },
  };
}

const revokedForGood = () =>
  new TwsError("unauthorized", "The owner has revoked this machine's key, and it is never taken again.", {
    nextStep: "Delete the key file on that machine, then run tws-edge pair again: it makes a new key.",
  });

const randomId = (): string => toBase64Url(crypto.getRandomValues(new Uint8Array(9)));

/** Every letter equally likely: bytes that would favour the first letters are thrown away. */
function randomCode(): string {
  const fair = 256 - (256 % codeAlphabet.length);
  let code = "";
  while (code.length < codeLength) {
    for (const byte of crypto.getRandomValues(new Uint8Array(16))) {
      if (byte < fair && code.length < codeLength) code += codeAlphabet.charAt(byte % codeAlphabet.length);
    }
  }
  return code;
}
