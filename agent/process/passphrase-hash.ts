import { pbkdf2Sync, randomBytes } from "node:crypto";

/** The edge's limit for one PBKDF2 call; `edge/crypto/passphrase.ts` checks these hashes, and says why it goes in rounds. */
const perRound = 100_000;

/** The hash of the owner's passphrase that a deployment keeps in OWNER_PASSPHRASE_HASH. */
export function hashPassphrase(passphrase: string, rounds = 6): string {
  const salt = randomBytes(16);
  let result = Buffer.from(passphrase.normalize("NFKC"));
  for (let round = 0; round < rounds; round += 1) {
    result = pbkdf2Sync(result, salt, perRound, 32, "sha256");
  }
  return `pbkdf2$${rounds * perRound}$${salt.toString("base64url")}$${result.toString("base64url")}`;
}
