import type { AccessSettings } from "../../config/settings.ts";
import { createAttemptLimits } from "../storage/attempt-limits.ts";
import { isPassphrase } from "../../crypto/passphrase.ts";
import { hashOf, isSame, newSecret } from "../../crypto/secrets.ts";
import type { OwnerStore } from "../storage/owner-store.ts";
import type { AccessStore } from "../storage/store.ts";
import { addressOf, isKnownAddress } from "../../http/client-address.ts";

const sessionCookie = "__Host-tws-edge-owner";
const sessionSeconds = 900;
/** Names a browser in which the owner has signed in. It opens nothing without the passphrase. */
const deviceCookie = "__Host-tws-edge-browser";
const deviceSeconds = 180 * 24 * 3_600;
const longestPassphrase = 1_000;
/** Each takes a good part of a second of computing. */
const mostWaiting = 5;

export interface OwnerSession {
  readonly hash: string;
  /** What each form of this session carries, and no other site knows. */
  readonly csrf: string;
}

type SignIn =
  | { readonly ok: true; readonly cookies: readonly string[] }
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
  readonly owners: OwnerStore;
  /** Tells the owner. */
  readonly tell: (words: string) => void;
}

export function createOwner({ settings, store, owners, tell }: OwnerOptions): Owner {
  const attemptLimits = createAttemptLimits(store, Date.now);
  // strangers who fill their lane keep nobody out of the other
  const lanes = { known: createLane(), strangers: createLane() };

  /** The hash of a browser's cookie where the owner has signed in there. */
  async function deviceOf(request: Request): Promise<string | null> {
    const secret = cookieFrom(request, deviceCookie);
    const hash = secret === null ? null : await hashOf(secret);
    return hash !== null && owners.isDevice(hash, Date.now()) ? hash : null;
  }

  /** Null when the passphrase is right. A try counts before it is looked at, and by the browser where that is known. */
  async function refusalOf(
    address: string,
    device: string | null,
    passphrase: string,
  ): Promise<SignIn | null> {
    const [kind, source, isAlone] =
      device === null ? (["sign-in", address, false] as const) : (["sign-in browser", device, true] as const);
    const waitMs = attemptLimits.waitMs(kind, source, isAlone);
    if (waitMs > 0) return tooMany(Math.ceil(waitMs / 1000));
    attemptLimits.failed(kind, source);
    const isRight =
      passphrase.length <= longestPassphrase && (await isPassphrase(passphrase, settings.passphraseHash));
    if (!isRight) {
      const nextMs = attemptLimits.waitMs(kind, source, isAlone);
      return {
        ok: false,
        message: "That is not the passphrase.",
        retryAfterSeconds: nextMs > 0 ? Math.ceil(nextMs / 1000) : null,
      };
    }
    attemptLimits.succeeded(kind, source);
    attemptLimits.trust("sign-in", address);
    return null;
  }

  async function newSession(request: Request, address: string, device: string | null): Promise<SignIn> {
    const now = Date.now();
    const createdAt = new Date(now).toISOString();
    const where = isKnownAddress(address) ? address : null;
    const secret = newSecret();
    const session = { hash: await hashOf(secret), createdAt, address: where };
    owners.addSession(session, newSecret(), now + sessionSeconds * 1000);
    const known = device === null ? null : cookieFrom(request, deviceCookie);
    const browser = known ?? newSecret();
    owners.saveDevice(await hashOf(browser), createdAt, now + deviceSeconds * 1000);
    if (known === null) {
      tell(`You signed in from a browser that was not known here${where === null ? "" : `, at ${where}`}.`);
    }
    return {
      ok: true,
      cookies: [
        cookieOf(sessionCookie, secret, sessionSeconds),
        cookieOf(deviceCookie, browser, deviceSeconds),
      ],
    };
  }

  return {
    async signedIn(request) {
      const secret = cookieFrom(request, sessionCookie);
      if (secret === null) return null;
      const hash = await hashOf(secret);
      const csrf = owners.csrfOf(hash, Date.now());
      if (csrf === null) return null;
      owners.noteSessionUse(hash, new Date().toISOString());
      return { hash, csrf };
    },

    async signIn(request, passphrase) {
      const address = addressOf(request, settings.publicUrl);
      const device = await deviceOf(request);
      const lane = device === null ? lanes.strangers : lanes.known;
      const refusal = await lane(() => refusalOf(address, device, passphrase));
      return refusal ?? (await newSession(request, address, device));
    },

    signOut({ hash }) {
      owners.removeSession(hash);
      return cookieOf(sessionCookie, "", 0);
    },

    async isOwnForm({ csrf }, form) {
      const sent = form.get("csrf");
      return typeof sent === "string" && (await isSame(sent, csrf));
    },
  };
}

/** One at a time, so that many at once are no way around the delays. */
function createLane() {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return async (attempt: () => Promise<SignIn | null>): Promise<SignIn | null> => {
    if (waiting >= mostWaiting) return tooMany(5);
    waiting += 1;
    const turn = last.then(attempt);
    last = turn.catch(() => undefined);
    return await turn.finally(() => (waiting -= 1));
  };
}

const tooMany = (retryAfterSeconds: number): SignIn => ({
  ok: false,
  message: `There were too many attemptLimits. Try again in ${retryAfterSeconds} s.`,
  retryAfterSeconds,
});

/**
 * Strict: a request that another site starts comes without it, so a client that sends the owner here makes them sign
 * in anew. The forms of these pages, and the redirects after them, carry it.
 */
const cookieOf = (name: string, value: string, maxAge: number): string =>
  `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=${maxAge}`;

function cookieFrom(request: Request, wanted: string): string | null {
  for (const part of (request.headers.get("Cookie") ?? "").split(";")) {
    const [name, value] = part.trim().split("=", 2);
    if (name === wanted && value !== undefined && /^[\w-]{43}$/.test(value)) return value;
  }
  return null;
}
