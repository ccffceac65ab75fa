import { TwsError } from "../../shared/errors.ts";
import { type Caller, ownerOfLocalMode } from "../../shared/caller.ts";
import type { Identity } from "../rpc/access.ts";
import { accessOf, type Env } from "../config/bindings.ts";
import type { AccessSettings, Settings } from "../config/settings.ts";
import { bearerChallenge } from "../http/bearer-challenge.ts";
import { requireNotBlocked } from "../http/address-limits.ts";
import { addressOf } from "../http/client-address.ts";

/** How long a Worker goes by what `Access` has said of a token. */
const trustMs = 1_000;
const maxRemembered = 1_000;
const longestToken = 4_096;

interface Remembered {
  readonly identity: Identity;
  readonly until: number;
}

// about tokens, not about a request
const remembered = new Map<string, Remembered>();

/**
 * Who asks, by the bearer token of the request and nothing else: neither the query nor a cookie counts. The answer
 * that refuses, where nobody is known. Throws `rate_limited`.
 */
export async function callerOf(request: Request, env: Env, { access }: Settings): Promise<Caller | Response> {
  if (access === null) return ownerOfLocalMode;
  const header = request.headers.get("Authorization")?.trim() ?? "";
  if (header === "") return challenge(access, null);
  const token = /^Bearer +([\w.~+/:=-]+)$/i.exec(header)?.[1] ?? "";
  if (token === "" || token.length > longestToken) return challenge(access, "unknown");
  const identity = await identify(token, env, access, addressOf(request, access.publicUrl));
  return identity.ok ? identity.caller : challenge(access, identity.why);
}

/** Throws `rate_limited` for a token that nobody knows from an address that has brought too many of these. */
async function identify(
  token: string,
  env: Env,
  { resource }: AccessSettings,
  address: string,
): Promise<Identity> {
  const now = Date.now();
  const key = JSON.stringify([resource, token]);
  const known = remembered.get(key);
  if (known !== undefined && known.until > now) return known.identity;
  // one that was good is asked about all the same: who shares an address with a guesser is not shut out
  if (known?.identity.ok !== true) requireNotBlocked(address);
  const identity = await accessOf(env).identify(token, resource);
  if (remembered.size >= maxRemembered) remembered.clear();
  remembered.set(key, { identity, until: now + trustMs });
  return identity;
}

type Why = Extract<Identity, { readonly ok: false }>["why"];

const words: Readonly<Record<Why, string>> = {
  unknown: "The access token is not valid.",
  expired: "This access has expired.",
  revoked: "This access was ended.",
  audience: "The access token is for another service.",
};

/** 401, and where to go for a token; null for a request that carried none. */
function challenge({ publicUrl }: AccessSettings, why: Why | null): Response {
  const error = new TwsError("unauthorized", why === null ? "An access token is required." : words[why], {
    nextStep: "Sign in by OAuth, as the WWW-Authenticate header says, and send Authorization: Bearer.",
  });
  return Response.json(
    { error: error.toBody() },
    {
      status: 401,
      headers: {
        "WWW-Authenticate": bearerChallenge(publicUrl, ["tws:read"], why === null ? null : "invalid_token"),
      },
    },
  );
}

/** What the MCP endpoint is, and who gives tokens for it (RFC 9728). */
export const resourceMetadata = ({ publicUrl, resource }: AccessSettings): Response =>
  Response.json({
    resource,
    authorization_servers: [publicUrl],
    scopes_supported: ["tws:read", "tws:trade"],
    bearer_methods_supported: ["header"],
    resource_name: "Trader Workstation",
  });
