import { DurableObject } from "cloudflare:workers";
import { type Caller, defaultHostId } from "../../shared/caller.ts";
import { hostOf } from "../config/bindings.ts";
import { type AccessSettings, parseEnv } from "../config/settings.ts";
import { createMachineAccess, type MachineAccess } from "./machines/machines.ts";
import { createOAuth, type OAuth } from "./oauth/oauth.ts";
import { createOwner } from "./pages/owner-session.ts";
import { createPages, type Pages } from "./pages/pages.ts";
import { publicFetch } from "./oauth/public-fetch.ts";
import { createOAuthStorage, type OAuthStorage } from "./oauth/oauth-storage.ts";
import type { AccessRpc, Identity, Ticket, TicketEndpoint, Proven } from "../rpc/access.ts";
import { signingObject } from "../rpc/session.ts";
import { hashOf, newSecret } from "../crypto/secrets.ts";
import { openOwnerStore } from "./storage/owner-store.ts";
import { type AccessStore, type Consent, openAccessStore } from "./storage/store.ts";

// nothing of the edge is to fetch anything else
globalThis.fetch = publicFetch(globalThis.fetch);

const ticketLifetimeMs = 30_000;
/** How long a client is kept that the owner has not agreed to. */
const unusedClientMs = 24 * 3600 * 1000;
/** Until what could not be ended at its host is tried once more. */
const revokeAgainMs = 10_000;
/** How exact the time of a grant's last use is. */
const useEveryMs = 60_000;

/** Who may come in: the owner's sign-in, clients and what they were granted. There is one, named `access`. */
export class Access extends DurableObject implements AccessRpc {
  readonly #store: AccessStore;
  readonly #oauthStorage: OAuthStorage;
  readonly #oauth: OAuth;
  readonly #pages: Pages;
  readonly #machines: MachineAccess;
  /** Grants that are being ended, which nothing new is given for. */
  readonly #ending = new Set<string>();

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    const settings = settingsOf(env);
    this.#store = openAccessStore(ctx.storage);
    this.#oauthStorage = createOAuthStorage(ctx.storage.sql, Date.now);
    const owners = openOwnerStore(ctx.storage);
    const parts = {
      settings,
      env,
      store: this.#store,
      owners,
      tell: (words: string) => owners.tell(words),
      storage: this.#oauthStorage,
      ctx,
      ended: (grantId: string) => this.revokeGrant(grantId),
      reused: ({ grantId, client }: Consent) => {
        console.warn(`access ${grantId} ends: a spent refresh token of it was used`);
        owners.tell(
          `The access of ${client} has ended, since a token of it was used twice: somebody may have copied it.`,
        );
      },
      renewSigningKey: async () => {
        await env.MCP_SESSION.getByName(signingObject).renewSigningSecret();
        owners.tell("The key that signs MCP sessions was renewed.");
      },
    };
    this.#oauth = createOAuth(parts);
    this.#machines = createMachineAccess({ ...parts, ctx, access: this.#store });
    this.#pages = createPages({
      ...parts,
      oauth: this.#oauth,
      owner: createOwner(parts),
      pairing: this.#machines.pairing,
      tokens: this.#machines.tokens,
    });
  }

  async identify(token: string, resource: string): Promise<Identity> {
    if (this.#machines.tokens.isOne(token)) return await this.#machines.tokens.identify(token, resource);
    const found = await this.#oauth.holderOf(token, resource);
    if (!found.ok) return found;
    const { consent, scopes } = found;
    const { grantId, client, policy, usedAt } = consent;
    const now = Date.now();
    if (usedAt === null || now - Date.parse(usedAt) > useEveryMs) {
      this.#store.noteUse(grantId, new Date(now).toISOString());
    }
    const { hostId, accounts, toolset, expiresAt } = policy;
    return { ok: true, caller: { grantId, client, scopes, accounts, hostId, toolset, expiresAt } };
  }

  async issueTicket(caller: Caller, endpoint: TicketEndpoint): Promise<Ticket | null> {
    const ticket = newSecret();
    const expiresAt = Date.now() + ticketLifetimeMs;
    const hash = await hashOf(ticket);
    // a Worker goes by what it heard of a token for a moment, and a ticket would outlive that
    if (!this.#isGranted(caller.grantId)) return null;
    this.#store.addTicket(hash, endpoint, caller, expiresAt);
    await this.#sweepAt(expiresAt);
    return { ticket, expiresAt: new Date(expiresAt).toISOString() };
  }

  async redeemTicket(ticket: string, endpoint: TicketEndpoint): Promise<Caller | null> {
    const taken = this.#store.takeTicket(await hashOf(ticket), Date.now());
    return taken?.endpoint === endpoint ? taken.caller : null;
  }

  async revokeGrant(grantId: string): Promise<boolean> {
    const consent = this.#store.consent(grantId);
    if (consent === null) return false;
    this.#ending.add(grantId);
    this.#store.removeTicketsOf(grantId);
    await this.#oauth.forget(grantId);
    // the consent goes last: should the host's object fail here, it can be ended once more, and the sweep does so
    await hostOf(this.env, consent.policy.hostId).dropGrant(grantId);
    this.#store.removeConsent(grantId);
    this.#ending.delete(grantId);
    return true;
  }

  async isGranted(grantId: string): Promise<boolean> {
    return this.#isGranted(grantId);
  }

  #isGranted(grantId: string): boolean {
    if (this.#ending.has(grantId)) return false;
    if (this.#machines.tokens.isGood(grantId)) return true;
    const consent = this.#store.consent(grantId);
    return consent !== null && Date.parse(consent.policy.expiresAt) > Date.now();
  }

  async hostIds(): Promise<readonly string[]> {
    const known = this.#machines.pairing.hosts().map(({ hostId }) => hostId);
    return known.length === 0 ? [defaultHostId] : known;
  }

  async proveAgent(proof: string, nowMs: number): Promise<Proven> {
    const proven = await this.#machines.proveAgent(proof, nowMs);
    await this.#sweep();
    return proven;
  }

  async isGoodKey(keyId: string, hostId: string): Promise<boolean> {
    return this.#machines.isGoodKey(keyId, hostId);
  }

  /** The owner's pages and the OAuth endpoints, under the public address. */
  override async fetch(request: Request): Promise<Response> {
    try {
      return await (this.#machines.api.fetch(request) ?? this.#pages.fetch(request));
    } finally {
      await this.#sweep();
    }
  }

  override async alarm(): Promise<void> {
    await this.#sweep();
  }

  /** Deletes what has expired, and comes back when more does. */
  async #sweep(): Promise<void> {
    const now = Date.now();
    const afterExpired = this.#oauthStorage.sweep();
    for (const { grantId, policy } of this.#store.consents()) {
      const isOver = Date.parse(policy.expiresAt) <= now || this.#oauth.isOver(grantId);
      if (isOver && !(await this.#tryToRevoke(grantId))) await this.#sweepAt(now + revokeAgainMs);
    }
    await this.#machines.tokens.endExpired(now);
    const oldest = this.#oauthStorage.sweepClients(Math.floor((now - unusedClientMs) / 1000));
    const afterClients = oldest === null ? null : (oldest + 1) * 1000 + unusedClientMs;
    const next = [afterExpired, afterClients, this.#store.sweep(now)].filter((at) => at !== null);
    if (next.length > 0) await this.#sweepAt(Math.min(...next));
  }

  /** One that cannot be ended now must not keep the others, nor the owner's pages. */
  async #tryToRevoke(grantId: string): Promise<boolean> {
    try {
      await this.revokeGrant(grantId);
      return true;
    } catch (error) {
      console.error(`access ${grantId} could not be ended at its host`, error);
      return false;
    }
  }

  async #sweepAt(at: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm();
    if (set === null || set > at) await this.ctx.storage.setAlarm(at);
  }
}

/** The Worker sends nobody here unless sign-in is on and complete. */
function settingsOf(env: Cloudflare.Env): AccessSettings {
  const parsed = parseEnv(env);
  if (!parsed.ok || parsed.settings.access === null) throw new Error("AUTH is not on.");
  return parsed.settings.access;
}
