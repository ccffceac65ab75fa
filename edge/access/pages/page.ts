import type { AccessSettings } from "../../config/settings.ts";
import type { OwnerPairing } from "../machines/pairing.ts";
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
  readonly pairing: OwnerPairing;
  readonly ended: (grantId: string) => Promise<unknown>;
}
