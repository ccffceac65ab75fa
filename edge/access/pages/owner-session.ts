import type { AccessSettings } from "../../config/settings.ts";
import { createAttemptLimits } from "../storage/attempt-limits.ts";
import { isPassphrase } from "../../crypto/passphrase.ts";
import { hashOf, isSame, newSecret } from "../../crypto/secrets.ts";
import type { AccessStore } from "../storage/store.ts";
import { addressOf } from "../../http/client-address.ts";

const sessionCookie = "__Host-tws-edge-owner";
const sessionSeconds = 900;
const longestPassphrase = 1_000;
/** Each takes a good part of a second of computing. */
const mostWaiting = 5;

export interface OwnerSession {
  readonly hash: string;
  /** What each form of this session carries, and no other site knows. */
  readonly csrf: string;
}

type SignIn =
  | { readonly ok: true; readonly cookie: string }
  | { readonly ok: false; readonly message: string; readonly retryAfterSeconds: number | null };

/** The owner's sign-in with the passphrase, and the short session that follows. */
export interface Owner {
  signedIn(request: Request): Promise<OwnerSession | null>;
  signIn(request: Request, passphrase: string): Promise<SignIn>;
  /** Returns the cookie that ends the session in the browser as well. */
  signOut(session: OwnerSession): string;
  isOwnForm(session: OwnerSession, form: URLSearchParams): Promise<boolean>;
}

interface OwnerOptions {
  readonly settings: AccessSettings;
  readonly store: AccessStore;
}

export function createOwner({ settings, store }: OwnerOptions): Owner {
  const attemptLimits = createAttemptLimits(store, Date.now);
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  async function attempt(address: string, passphrase: string): Promise<SignIn> {
    const waitMs = attemptLimits.waitMs("sign-in", address);
    if (waitMs > 0) return tooMany(Math.ceil(waitMs / 1000));
    attemptLimits.failed("sign-in", address);
    const isRight =
      passphrase.length <= longestPassphrase && (await isPassphrase(passphrase, settings.passphraseHash));
    if (!isRight) {
      const nextMs = attemptLimits.waitMs("sign-in", address);
      return {
        ok: false,
        message: "That is not the passphrase.",
        retryAfterSeconds: nextMs > 0 ? Math.ceil(nextMs / 1000) : null,
      };
    }
    attemptLimits.succeeded("sign-in", address);
    attemptLimits.trust("sign-in", address);
    const secret = newSecret();
    store.addSession(await hashOf(secret), newSecret(), Date.now() + sessionSeconds * 1000);
    return { ok: true, cookie: cookieOf(secret, sessionSeconds) };
  }

  return {
    async signedIn(request) {
      const secret = cookieFrom(request);
      if (secret === null) return null;
      const hash = await hashOf(secret);
      const csrf = store.csrfOf(hash, Date.now());
      return csrf === null ? null : { hash, csrf };
    },

    /** One at a time, so that many at once are no way around the delays. */
    async signIn(request, passphrase) {
      if (waiting >= mostWaiting) return tooMany(5);
      waiting += 1;
      const turn = last.then(() => attempt(addressOf(request, settings.publicUrl), passphrase));
      last = turn.catch(() => undefined);
      return await turn.finally(() => (waiting -= 1));
    },

    signOut({ hash }) {
      store.removeSession(hash);
      return cookieOf("", 0);
    },

    async isOwnForm({ csrf }, form) {
      const sent = form.get("csrf");
      return typeof sent === "string" && (await isSame(sent, csrf));
    },
  };
}

const tooMany = (retryAfterSeconds: number): SignIn => ({
  ok: false,
  message: `There were too many attempts. Try again in ${retryAfterSeconds} s.`,
  retryAfterSeconds,
});

/**
 * Strict: a request that another site starts comes without it, so a client that sends the owner here makes them sign
 * in anew. The forms of these pages, and the redirects after them, carry it.
 */
const cookieOf = (value: string, maxAge: number): string =>
  `${sessionCookie}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=${maxAge}`;

function cookieFrom(request: Request): string | null {
  for (const part of (request.headers.get("Cookie") ?? "").split(";")) {
    const [name, value] = part.trim().split("=", 2);
    if (name === sessionCookie && value !== undefined && /^[\w-]{43}$/.test(value)) return value;
  }
  return null;
}
