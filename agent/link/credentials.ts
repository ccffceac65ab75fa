import type { LinkConfig } from "../config/config.ts";
import { originOf, proofOf, readKey } from "./machine-key.ts";

type Config = Pick<LinkConfig, "agentToken" | "edgeUrl" | "keyFile">;

/** How the agent proves itself to its edge, in words for the log and the terminal. */
export interface Credentials {
  /** The header of one connection. */
  readonly header: () => Promise<string | null>;
  /** Empty when nothing needs to be said. */
  readonly note: string;
}

/**
 * AGENT_TOKEN where it is set, else a proof by this machine's key. Throws when the key cannot be used. The file is
 * read for each connection, so that neither pairing nor a new key needs a restart.
 */
export async function credentialsFor({ agentToken, edgeUrl, keyFile }: Config): Promise<Credentials> {
  if (agentToken !== null) return { header: async () => `Bearer ${agentToken}`, note: "" };
  const first = await readKey(keyFile);
  return {
    async header() {
      const key = await readKey(keyFile);
      return key === null ? null : `Bearer ${await proofOf(key, edgeUrl, "agent", Date.now())}`;
    },
    note:
      first === null
        ? `This machine has no key. If the edge asks for one: tws-edge pair ${originOf(edgeUrl)}`
        : `This machine's key: ${first.fingerprint}`,
  };
}
