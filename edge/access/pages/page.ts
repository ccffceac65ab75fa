import type { AccessSettings } from "../../config/settings.ts";
import type { OwnerPairing } from "../machines/pairing.ts";
import type { ScriptTokens } from "../machines/script-tokens.ts";
import type { OwnerStore } from "../storage/owner-store.ts";
import type { OAuth } from "../oauth/oauth.ts";
import type { AccessStore } from "../storage/store.ts";
import type { Owner, OwnerSession } from "./owner-session.ts";

/** What a page of the owner gets: they have signed in, and the form is of one of our pages. */
export interface Visit {
  readonly request: Request;
  readonly session: OwnerSession;
}

export interface Page {
  show(visit: Visit): Promise<Response>;
  submit(visit: Visit, form: URLSearchParams): Promise<Response>;
}

/** What the pages are made of. */
export interface PagesOptions {
  readonly settings: AccessSettings;
  readonly env: Cloudflare.Env;
  readonly store: AccessStore;
  readonly oauth: OAuth;
  readonly owner: Owner;
  readonly owners: OwnerStore;
  readonly pairing: OwnerPairing;
  readonly tokens: ScriptTokens;
  readonly ended: (grantId: string) => Promise<unknown>;
  /** Makes a new key for the ids of MCP sessions. */
  readonly renewSigningKey: () => Promise<void>;
}
