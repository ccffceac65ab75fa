import { fromBase64Url } from "./base64url.ts";

/**
 * The hash of the owner's passphrase: `pbkdf2$<iterations>$<salt>$<hash>`, both base64url. Cloudflare refuses
 * more than 100,000 iterations at once (workerd by itself does not), so more are done in rounds, each taking the last
 * one's result for its password. `tws-edge passphrase` makes the same with Node.
 */

const perRound = 100_000;
const mostIterations = 10_000_000;

interface Parts {
  readonly rounds: number;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly hash: Uint8Array<ArrayBuffer>;
}

export const isPassphraseHash = (text: string): boolean => partsOf(text) !== null;

/** Whether the passphrase is the one that was hashed, in a time that says nothing of how near it is. */
export async function isPassphrase(passphrase: string, hashText: string): Promise<boolean> {
  const parts = partsOf(hashText);
  if (parts === null) return false;
  let result = new Uint8Array(new TextEncoder().encode(passphrase.normalize("NFKC")));
  for (let round = 0; round < parts.rounds; round += 1) result = await derive(result, parts.salt);
  return crypto.subtle.timingSafeEqual(result, parts.hash);
}

async function derive(
  password: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations: perRound }, key, 256),
  );
}

function partsOf(text: string): Parts | null {
  const match = /^pbkdf2\$(\d{1,9})\$([\w-]{22,86})\$([\w-]{43})$/.exec(text);
  if (match === null) return null;
  const [, iterationsText = "", saltText = "", hashText = ""] = match;
  const iterations = Number(iterationsText);
  const isAllowed = iterations >= perRound && iterations <= mostIterations && iterations % perRound === 0;
  const [salt, hash] = [fromBase64Url(saltText), fromBase64Url(hashText)];
  if (!isAllowed || salt === null || hash === null) return null;
  return { rounds: iterations / perRound, salt, hash };
}
