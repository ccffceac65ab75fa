import { OAuthAuthorizationServer, OAuthError, type OAuthHelpers } from "@cloudflare/workers-oauth-provider";
import { z } from "zod";
import { Scope } from "../../../shared/caller.ts";
import { bodySizes, type ReadBody, readForm, textOf } from "../../http/body.ts";
import type { AccessSettings } from "../../config/settings.ts";
import { createAttemptLimits } from "../storage/attempt-limits.ts";
import type { OAuthStorage } from "./oauth-storage.ts";
import { judgeRefresh, type Verdict } from "./refresh-families.ts";
import type { Identity } from "../../rpc/access.ts";
import type { AccessStore, Consent } from "../storage/store.ts";
import { addressOf } from "../../http/client-address.ts";

const accessTokenSeconds = 3_600;
/** The library takes no shorter life of a token. */
const leastSeconds = 60;
const limits = { clients: 500, registrationsPerHour: 20 } as const;

type Holder =
  | {
      readonly ok: true;
      readonly consent: Consent;
      readonly scopes: Scope[];
    }
  | Extract<Identity, { readonly ok: false }>;

/** OAuth 2.1 as the library does it, over this object's own records. */
export interface OAuth {
  /** The token and registration endpoints, and the metadata. */
  fetch(request: Request): Promise<Response>;
  readonly helpers: OAuthHelpers;
  /** Whether nothing can come of a grant any more: its code was never used, or the client has revoked it. */
  isOver(grantId: string): boolean;
  /** What a token stands for. */
  holderOf(token: string, resource: string): Promise<Holder>;
  /** Deletes a grant's codes and tokens. */
  forget(grantId: string): Promise<void>;
}

/** The library is written for Workers, but its endpoints ask nothing else of their context. */
interface Endpoints {
  fetch(
    request: Request,
    env: { readonly OAUTH_KV: OAuthStorage },
    context: Pick<ExecutionContext, "waitUntil">,
  ): Promise<Response>;
}

interface OAuthOptions {
  readonly settings: AccessSettings;
  readonly store: AccessStore;
  readonly storage: OAuthStorage;
  readonly ctx: DurableObjectState;
  /** A grant is over for the library. */
  readonly ended: (grantId: string) => Promise<unknown>;
  /** A grant is ended because a spent refresh token of it was brought. */
  readonly reused: (consent: Consent) => void;
}

export function createOAuth({ settings, store, storage, ctx, ended, reused }: OAuthOptions): OAuth {
  const attemptLimits = createAttemptLimits(store, Date.now);
  const env = { OAUTH_KV: storage };
  const server = new OAuthAuthorizationServer<typeof env>({
    issuer: settings.publicUrl,
    resources: [settings.resource],
    authorizeEndpoint: "/authorize",
    tokenEndpoint: "/token",
    clientRegistrationEndpoint: "/register",
    clientIdMetadataDocumentEnabled: true,
    // which of them, the consent page decides
    allowPrivateUseRedirectUris: true,
    scopesSupported: [...Scope.options, "offline_access"],
    accessTokenTTL: accessTokenSeconds,
    tokenExchangeCallback: ({ userId }) => lifetimesOf(store.consent(userId)),
    onError: ({ internal }) => console.log(`oauth: ${internal.category} ${internal.reason}`),
  });
  const endpoints: Endpoints = server;
  const context = { waitUntil: (promise: Promise<unknown>) => ctx.waitUntil(promise) };
  const inTurn = createTurns();

  /** Requests about one grant run one after the other: the library reads, then writes, and a code must work once. */
  async function token(request: Request): Promise<Response> {
    const read = await readForm(request, bodySizes.form, addressOf(request, settings.publicUrl));
    if (!read.ok) return notRead(read, "invalid_request");
    const body = textOf(read.bytes) ?? "";
    const form = new URLSearchParams(body);
    const grantId = grantOf(form);
    // asked first, since looking at an unknown client may mean to fetch its document from anywhere
    if (grantId === null || store.consent(grantId) === null) {
      const isRevocation = form.has("token");
      // revoking what does not exist has succeeded
      return isRevocation
        ? new Response(null, { status: 200 })
        : oauthError(400, "invalid_grant", "The grant does not exist, has ended or was revoked.");
    }
    return await inTurn(grantId, async () => {
      const verdict = await judge(grantId, form);
      if (verdict !== "pass") return await endFamily(grantId, verdict);
      const response = await endpoints.fetch(withBody(request, body), env, context);
      if (storage.count(`grant:${grantId}:`) === 0) await ended(grantId);
      return response;
    });
  }

  /** Asked in the grant's turn: of two that bring one token, the second finds it spent. */
  async function judge(grantId: string, form: URLSearchParams): Promise<Verdict> {
    const token = form.get("refresh_token");
    const consent = store.consent(grantId);
    if (token === null || form.get("grant_type") !== "refresh_token" || consent === null) return "pass";
    const expiresAt = Date.parse(consent.policy.expiresAt);
    return await judgeRefresh(storage, { grantId, token, expiresAt }, Date.now());
  }

  async function endFamily(grantId: string, verdict: Exclude<Verdict, "pass">): Promise<Response> {
    const consent = store.consent(grantId);
    if (consent !== null && verdict === "reused") reused(consent);
    await ended(grantId);
    return oauthError(400, "invalid_grant", endings[verdict]);
  }

  async function register(request: Request): Promise<Response> {
    const address = addressOf(request, settings.publicUrl);
    if (!attemptLimits.mayOnceMore("register", address, limits.registrationsPerHour)) {
      return oauthError(429, "temporarily_unavailable", "Too many registrations from this address.", {
        "Retry-After": "3600",
      });
    }
    const read = await readForm(request, bodySizes.largeForm, address);
    if (!read.ok) return notRead(read, "invalid_client_metadata");
    const body = textOf(read.bytes) ?? "";
    const response = await endpoints.fetch(withBody(request, body), env, context);
    // whoever registers many pushes out the first that nobody uses, and never keeps the next one out
    while (storage.count("client:") > limits.clients && storage.removeOldestUnusedClient());
    return response;
  }

  return {
    async fetch(request) {
      if (request.method === "POST") {
        const { pathname } = new URL(request.url);
        if (pathname === "/token") return await token(request);
        if (pathname === "/register") return await register(request);
      }
      return await endpoints.fetch(request, env, context);
    },

    helpers: server.getOAuthApi(env),

    isOver: (grantId) => storage.count(`grant:${grantId}:`) === 0,

    async holderOf(token, resource) {
      if (resource !== settings.resource) return { ok: false, why: "audience" };
      const valid = await server.validateToken<unknown>(resource, token, env);
      if (valid === null) return { ok: false, why: "unknown" };
      const consent = store.consent(valid.userId);
      if (consent === null) return { ok: false, why: "revoked" };
      if (Date.parse(consent.policy.expiresAt) <= Date.now()) return { ok: false, why: "expired" };
      const granted = z.array(z.string()).parse(valid.scope);
      return {
        ok: true,
        consent,
        scopes: consent.policy.scopes.filter((scope) => granted.includes(scope)),
      };
    },

    async forget(grantId) {
      for (const prefix of [`grant:${grantId}:`, `token:${grantId}:`, `spent:${grantId}:`]) {
        for (let left = true; left;) {
          const { keys, list_complete } = await storage.list({ prefix });
          for (const { name } of keys) await storage.delete(name);
          left = !list_complete;
        }
      }
    },
  };
}

/** Tokens end with what was agreed to. */
function lifetimesOf(consent: Consent | null) {
  const leftSeconds =
    consent === null ? 0 : Math.floor((Date.parse(consent.policy.expiresAt) - Date.now()) / 1000);
  if (leftSeconds < leastSeconds) {
    throw new OAuthError("invalid_grant", { description: "The grant has ended: ask for consent again." });
  }
  return { accessTokenTTL: Math.min(accessTokenSeconds, leftSeconds), refreshTokenTTL: leftSeconds };
}

const endings: Readonly<Record<Exclude<Verdict, "pass">, string>> = {
  reused: "This refresh token was used before, so the whole grant has ended. Ask for consent again.",
  worn_out: "The grant was renewed as often as one may be, and has ended. Ask for consent again.",
};

/** The field of each kind of request that the library goes by. Revocation names no kind. */
const fieldOf: Readonly<Record<string, string>> = {
  authorization_code: "code",
  refresh_token: "refresh_token",
};

/** Codes and tokens begin with the name of their grant. */
function grantOf(form: URLSearchParams): string | null {
  const text = form.get(fieldOf[form.get("grant_type") ?? ""] ?? "token") ?? "";
  const [grantId = ""] = text.split(":", 1);
  return /^g_[\w-]{22}$/.test(grantId) ? grantId : null;
}

function createTurns() {
  const last = new Map<string, Promise<unknown>>();
  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const turn = (last.get(key) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined);
    last.set(key, settled);
    try {
      return await turn;
    } finally {
      if (last.get(key) === settled) last.delete(key);
    }
  };
}

const notRead = ({ why }: Extract<ReadBody, { ok: false }>, error: string): Response =>
  why === "too_large"
    ? oauthError(413, error, "The request is too large.")
    : oauthError(408, error, "The request was not all there in time. Send it again.");

const withBody = ({ url, headers }: Request, body: string): Request =>
  new Request(url, { method: "POST", headers, body });

const oauthError = (
  status: number,
  error: string,
  description: string,
  headers: Record<string, string> = {},
): Response =>
  Response.json(
    { error, error_description: description },
    { status, headers: { "Cache-Control": "no-store", ...headers } },
  );
