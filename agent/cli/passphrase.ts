import { text } from "node:stream/consumers";
import { hashPassphrase } from "../process/passphrase-hash.ts";

const leastCharacters = 12;

const help = `tws-edge passphrase: the hash of the owner's passphrase, for the secret OWNER_PASSPHRASE_HASH of a deployed edge.

It reads the passphrase, of ${leastCharacters} characters or more, as one line from standard input, so that it stays out of
the shell's history and of the list of processes:

  npm run -s tws-edge -- passphrase | npx wrangler secret put OWNER_PASSPHRASE_HASH
`;

/** Returns what was wrong. */
export async function runPassphrase(rest: readonly string[]): Promise<string | null> {
  if (rest.length > 0) {
    if (rest.some((word) => word !== "--help" && word !== "-h")) return help;
    process.stdout.write(help);
    return null;
  }
  if (process.stdin.isTTY) process.stderr.write("Passphrase, then Enter and Ctrl-D: ");
  const passphrase = (await text(process.stdin)).replace(/\r?\n$/, "");
  if (passphrase.length < leastCharacters || /[\r\n]/.test(passphrase)) {
    return `The passphrase is one line of ${leastCharacters} characters or more.`;
  }
  process.stdout.write(`${hashPassphrase(passphrase)}\n`);
  return null;
}
