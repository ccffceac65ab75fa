import { z } from "zod";
import { Caller, Scope, Toolset } from "../../shared/caller.ts";
import type { PublicKey } from "../../shared/machine-key.ts";

/** What the owner has agreed to for one client. */
export const Policy = z.object({
  hostId: z.string().min(1).max(100),
  /** Null is all accounts. */
  accounts: z.array(z.string()).min(1).nullable(),
  scopes: z.array(Scope).min(1),
  toolset: Toolset,
  expiresAt: z.iso.datetime(),
});
export type Policy = z.infer<typeof Policy>;

export type Identity =
  | { readonly ok: true; readonly caller: Caller }
  | { readonly ok: false; readonly why: "unknown" | "expired" | "revoked" | "audience" };

/** What the object `Access` answers by `fetch`, and to which methods. */
export const accessPaths: Readonly<Record<string, readonly string[]>> = {
  "/authorize": ["GET", "POST"],
  "/sign-in": ["GET", "POST"],
  "/grants": ["GET", "POST"],
  "/pair": ["GET", "POST"],
  "/approvals": ["GET", "POST"],
  "/approvals/:id": ["GET", "POST"],
  "/audit": ["GET"],
  "/api/v1/pair": ["POST"],
  "/api/v1/pair/poll": ["POST"],
  "/api/v1/pair/rotate": ["POST"],
  "/api/v1/tokens": ["GET", "POST"],
  "/api/v1/tokens/:id": ["DELETE"],
  "/token": ["POST"],
  "/register": ["POST"],
  "/.well-known/oauth-authorization-server": ["GET"],
};

/** What a ticket opens. */
export const ticketEndpoints = ["market-data", "portfolio", "news"] as const;
export const TicketEndpoint = z.enum(ticketEndpoints);
export type TicketEndpoint = z.infer<typeof TicketEndpoint>;

export interface Ticket {
  readonly ticket: string;
  readonly expiresAt: string;
}

/** The key of one machine. */
export interface Key {
  readonly keyId: string;
  readonly publicKey: PublicKey;
  readonly hostId: string;
  readonly machine: string;
  readonly pairedAt: string;
  readonly usedAt: string | null;
  readonly revokedAt: string | null;
}

/** Why a proof is not taken. */
export type ProofRefusal =
  | { readonly why: "malformed" | "unknown_key" | "revoked" | "audience" | "replayed" }
  /** By how much the agent's clock is ahead of ours; negative is behind. */
  | { readonly why: "clock"; readonly aheadS: number };

export type Proven = ({ readonly ok: true } & Key) | ({ readonly ok: false } & ProofRefusal);

/** What the Worker and the hosts' objects may ask of the object `Access` by RPC. Its pages and the OAuth endpoints go through `fetch`. */
export interface AccessRpc {
  /** Who sends this bearer token to `resource`. */
  identify(token: string, resource: string): Promise<Identity>;
  /** A ticket for one WebSocket of this caller; null where its grant has ended. */
  issueTicket(caller: Caller, endpoint: TicketEndpoint): Promise<Ticket | null>;
  /** The caller of a ticket, once; null for one that is unknown, used, expired or for another endpoint. */
  redeemTicket(ticket: string, endpoint: TicketEndpoint): Promise<Caller | null>;
  /** The hosts that there are; before any is paired, the one that the first will be. */
  hostIds(): Promise<readonly string[]>;
  /** Whether a grant still stands. */
  isGranted(grantId: string): Promise<boolean>;
  /** Ends a grant with all its tokens, sockets and streams. False when there is none of this name. */
  revokeGrant(grantId: string): Promise<boolean>;
  /** Whose machine this is that wants to connect as an agent, and which host it is. A proof is taken once. */
  proveAgent(proof: string, nowMs: number): Promise<Proven>;
  /** Asked once more after an agent was let in: its key may have been revoked meanwhile, or paired for another host. */
  isGoodKey(keyId: string, hostId: string): Promise<boolean>;
}
