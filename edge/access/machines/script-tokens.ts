import { z } from "zod";
import { KeyId, type TokenView, tokenTimes } from "../../../shared/machine-key.ts";
import { TwsError } from "../../../shared/errors.ts";
import { Scope, Toolset } from "../../../shared/caller.ts";
import { hostOf } from "../../config/bindings.ts";
import type { AccessSettings } from "../../config/settings.ts";
import type { MachineStore, KeptToken } from "./machine-store.ts";
import { keyIdOf, signedBy } from "./key-proofs.ts";
import type { Identity, Key } from "../../rpc/access.ts";
import type { AccessStore } from "../storage/store.ts";

/** Tokens that an agent's machine signs for its owner's scripts. The edge takes those that it was told of, until they are revoked. */

const mostTokens = 100;
/** How exact the time of a token's last use is. */
const useEveryMs = 60_000;
/** What a clock may be ahead of ours. */
const skewS = 60;

const Claims = z.object({
  iss: KeyId,
  aud: z.url().max(500),
  jti: z.string().regex(/^t_[\w-]{22}$/),
  iat: z.int(),
  exp: z.int(),
  name: z
    .string()
    .max(100)
    .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u),
  scope: z
    .string()
    .transform((text) => text.split(" "))
    .pipe(z.array(Scope).min(1)),
  accounts: z.array(z.string().min(1).max(50)).min(1).max(100).nullable(),
  toolset: Toolset,
});

export interface ScriptTokens {
  /** Whether this is one by its looks, good or not. */
  isOne(token: string): boolean;
  identify(token: string, resource: string): Promise<Identity>;
  /** Whether the token with this id is there and not revoked. */
  isGood(id: string): boolean;
  register(key: Key, token: string): Promise<TokenView>;
  list(key: Key): TokenView[];
  /** False when this key has no such token. */
  revoke(key: Key, id: string): Promise<boolean>;
  /** Those that are good, of every machine. */
  all(now: number): KeptToken[];
  /** Ends the token with this id, whichever machine has made it. */
  end(id: string): Promise<void>;
  /** Closes what was opened by tokens whose time is up, and forgets them. */
  endExpired(now: number): Promise<void>;
  /** Revokes all that a key has signed. */
  revokeAllOf(keyId: string): Promise<void>;
}

interface ScriptTokensOptions {
  readonly settings: AccessSettings;
  readonly env: Cloudflare.Env;
  readonly store: MachineStore;
  readonly access: Pick<AccessStore, "removeTicketsOf">;
  /** Tells the owner. */
  readonly tell: (words: string) => void;
}

export function createScriptTokens({
  settings,
  env,
  store,
  access,
  tell,
}: ScriptTokensOptions): ScriptTokens {
  async function end({ id, hostId }: KeptToken): Promise<void> {
    store.revokeToken(id, new Date().toISOString());
    access.removeTicketsOf(id);
    await hostOf(env, hostId).dropGrant(id);
  }

  return {
    isOne: (token) => keyIdOf(token) !== null,

    async identify(token, resource) {
      const key = store.key(keyIdOf(token) ?? "");
      if (key === null) return { ok: false, why: "unknown" };
      const claims = Claims.safeParse(await signedBy(token, key.publicKey));
      if (!claims.success || claims.data.iss !== key.keyId) return { ok: false, why: "unknown" };
      const { aud, exp, jti } = claims.data;
      const now = Date.now();
      if (exp * 1000 <= now) return { ok: false, why: "expired" };
      const kept = store.token(jti);
      // read again: the key may have been revoked while we computed
      const isKeyGood = store.key(key.keyId)?.revokedAt === null;
      if (kept === null || kept.keyId !== key.keyId) return { ok: false, why: "unknown" };
      if (kept.revokedAt !== null || !isKeyGood) return { ok: false, why: "revoked" };
      if (aud !== resource || kept.audience !== resource) return { ok: false, why: "audience" };
      if (kept.usedAt === null || now - Date.parse(kept.usedAt) > useEveryMs) {
        store.noteTokenUse(kept.id, new Date(now).toISOString());
      }
      const { id: grantId, name, scopes, accounts, hostId, toolset, expiresAt } = kept;
      return {
        ok: true,
        caller: {
          grantId,
          client: name,
          scopes: [...scopes],
          accounts: accounts === null ? null : [...accounts],
          hostId,
          toolset,
          expiresAt: new Date(expiresAt).toISOString(),
        },
      };
    },

    isGood(id) {
      const kept = store.token(id);
      return kept !== null && kept.revokedAt === null && kept.expiresAt > Date.now();
    },

    async register(key, token) {
      const claims = Claims.safeParse(await signedBy(token, key.publicKey));
      if (!claims.success || claims.data.iss !== key.keyId) {
        throw wrong("The token is not one that this machine's key has signed, or its claims are not valid.");
      }
      const { jti, aud, iat, exp, name, scope, accounts, toolset } = claims.data;
      const nowS = Math.floor(Date.now() / 1000);
      if (Math.abs(iat - nowS) > skewS) {
        throw wrong("The clock of this machine differs from the edge's by more than a minute. Set it right.");
      }
      if (exp - iat < tokenTimes.leastS || exp - iat > tokenTimes.mostS) {
        throw wrong("A token lives from one minute to 30 days.");
      }
      if (new URL(aud).origin !== settings.publicUrl) {
        throw wrong(`The audience must be an address of this edge, such as ${settings.resource}.`);
      }
      const live = store.tokensOf(key.keyId).filter(({ revokedAt }) => revokedAt === null);
      if (live.length >= mostTokens) {
        throw new TwsError("too_large", `One machine has at most ${mostTokens} tokens at a time.`, {
          nextStep: "Revoke some: tws-edge token list, then tws-edge token revoke ID.",
        });
      }
      if (store.token(jti) !== null) throw wrong("This token has been registered already.");
      // read again: the body may have come long after the proof, and the machine be put out or another host by now
      const now = store.key(key.keyId);
      if (now === null || now.revokedAt !== null || now.hostId !== key.hostId) {
        throw wrong("This machine is not the host any more that it was when it asked.");
      }
      store.addToken({
        id: jti,
        keyId: key.keyId,
        hostId: key.hostId,
        name,
        scopes: scope,
        accounts,
        toolset,
        audience: aud,
        createdAt: new Date().toISOString(),
        expiresAt: exp * 1000,
      });
      const kept = store.token(jti);
      if (kept === null) throw new Error("a token was written and is not there");
      tell(`The machine ${key.machine} made the script token ${name}: ${scope.join(" ")}.`);
      return viewOf(kept);
    },

    all: (now) => store.tokens().filter((one) => one.revokedAt === null && one.expiresAt > now),

    async end(id) {
      const kept = store.token(id);
      if (kept !== null) await end(kept);
    },

    list: ({ keyId }) => store.tokensOf(keyId).map(viewOf),

    async revoke({ keyId }, id) {
      const kept = store.token(id);
      if (kept === null || kept.keyId !== keyId) return false;
      await end(kept);
      return true;
    },

    async endExpired(now) {
      for (const { id, hostId } of store.takeExpiredTokens(now)) await hostOf(env, hostId).dropGrant(id);
    },

    async revokeAllOf(keyId) {
      for (const kept of store.tokensOf(keyId)) if (kept.revokedAt === null) await end(kept);
    },
  };
}

const wrong = (message: string) => new TwsError("invalid_input", message);

const viewOf = ({
  id,
  name,
  scopes,
  accounts,
  toolset,
  audience,
  createdAt,
  expiresAt,
  revokedAt,
  usedAt,
}: KeptToken): TokenView => ({
  id,
  name,
  scopes: [...scopes],
  accounts: accounts === null ? null : [...accounts],
  toolset,
  audience,
  createdAt,
  expiresAt: new Date(expiresAt).toISOString(),
  revokedAt,
  lastUsedAt: usedAt,
});
