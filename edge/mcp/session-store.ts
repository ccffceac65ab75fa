import type { Env } from "../config/bindings.ts";
import { signingObject } from "../rpc/session.ts";
import {
  importSessionKey,
  mintSessionId,
  readSessionId,
  type Session,
  type Elicits,
} from "../session/session-id.ts";

/** How long a Worker believes that a session goes on without asking its object. */
const trustMs = 10_000;
const maxRemembered = 10_000;
/** How long a Worker signs with what it knows: so soon a key that the owner has renewed is good nowhere. */
const secretForMs = 30_000;

// facts about the deployment, not about a request: the signing key, and until when a session needs no question
let signing: { readonly secret: string; readonly key: CryptoKey; readonly until: number } | null = null;
const aliveUntil = new Map<string, number>();

/** A new session id for this grant; stores nothing. */
export const newSessionId = async (env: Env, grantId: string, elicits: Elicits): Promise<string> =>
  mintSessionId(await keyOf(env), grantId, Date.now(), elicits);

/** Null for an id that we did not issue to this grant, and for a session that is over. */
export async function findSession(env: Env, sessionId: string, grantId: string): Promise<Session | null> {
  const now = Date.now();
  const session = await readSessionId(await keyOf(env), sessionId, grantId, now);
  if (session === null || (aliveUntil.get(session.name) ?? 0) > now) return session;
  if (await sessionOf(env, session).isOver()) return null;
  if (aliveUntil.size >= maxRemembered) aliveUntil.clear();
  aliveUntil.set(session.name, now + trustMs);
  return session;
}

export async function endSession(env: Env, session: Session): Promise<void> {
  await sessionOf(env, session).end(session.expiresAt);
  aliveUntil.delete(session.name);
}

export const sessionOf = (env: Env, { name }: Session) => env.MCP_SESSION.getByName(name);

const keyOf = async (env: Env): Promise<CryptoKey> => (await signingOf(env)).key;

/** What this deployment signs with; each use makes a key of its own of it. */
export const signingSecret = async (env: Env): Promise<string> => (await signingOf(env)).secret;

async function signingOf(env: Env) {
  if (signing !== null && signing.until > Date.now()) return signing;
  const secret = await env.MCP_SESSION.getByName(signingObject).signingSecret();
  signing = { secret, key: await importSessionKey(secret), until: Date.now() + secretForMs };
  return signing;
}
