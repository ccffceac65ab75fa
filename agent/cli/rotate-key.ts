import { parseArgs } from "node:util";
import { proofPaths, RotateAnswer, TokenList } from "../../shared/machine-key.ts";
import { TwsError } from "../../shared/errors.ts";
import { type KeyConfig, parseEdgeUrl } from "../config/config.ts";
import { createEdgeClient } from "../link/edge-client.ts";
import {
  adoptDraft,
  type AgentKey,
  draftOf,
  loadKey,
  loadOrCreateKey,
  proofOf,
  readKey,
} from "../link/machine-key.ts";

export const rotateKeyHelp = `tws-edge rotate-key: gives this machine a new key in place of the one it has.

  tws-edge rotate-key

The edge is the one in EDGE_URL, or --edge URL. The old key vouches for the new one, so nobody has to pair anew. The edge
revokes the old key at once and ends the script tokens that it signed: make those again. A running agent connects again
by itself with the new key. If the command is interrupted, run it again: it goes on where it was.
`;

interface RotateParts {
  readonly config: KeyConfig;
  readonly say: (line: string) => void;
}

/** Throws TwsError with what went wrong and what to do. */
export async function rotateKey(args: readonly string[], { config, say }: RotateParts): Promise<void> {
  const edgeUrl = edgeUrlOf(args, config);
  const { keyFile } = config;
  const old = await loadKey(keyFile);
  const hasDraft = (await readKey(draftOf(keyFile))) !== null;
  // on disk before the edge hears of it: a key that was taken and lost would put this machine out
  const fresh = await loadOrCreateKey(draftOf(keyFile));
  if (!(hasDraft && (await isTaken(edgeUrl, fresh)))) await offer(edgeUrl, old, fresh);
  await adoptDraft(keyFile);
  say(`This machine's key is now: ${fresh.fingerprint}  (in ${keyFile})`);
  say(`The key ${old.fingerprint} is revoked, and the script tokens that it signed have ended.`);
}

async function offer(edgeUrl: string, old: AgentKey, fresh: AgentKey): Promise<void> {
  const proof = await proofOf(fresh, edgeUrl, "rotate", Date.now());
  await createEdgeClient(edgeUrl, old).ask(
    {
      method: "POST",
      path: proofPaths.rotate,
      purpose: "rotate",
      body: { publicKey: fresh.publicKey, proof },
    },
    RotateAnswer,
  );
}

/** True when the edge took the new key already, and only its answer was lost. */
async function isTaken(edgeUrl: string, fresh: AgentKey): Promise<boolean> {
  try {
    await createEdgeClient(edgeUrl, fresh).ask(
      { method: "GET", path: proofPaths.tokens, purpose: "tokens" },
      TokenList,
    );
    return true;
  } catch (error) {
    if (error instanceof TwsError && error.code === "unauthorized") return false;
    throw error;
  }
}

function edgeUrlOf(args: readonly string[], config: KeyConfig): string {
  const { edge } = readArgs(args);
  const edgeUrl = edge === undefined ? config.edgeUrl : parseEdgeUrl(edge);
  if (edgeUrl !== null) return edgeUrl;
  throw wrong(
    edge === undefined
      ? "rotate-key needs the address of the edge: set EDGE_URL, or give --edge URL."
      : `${JSON.stringify(edge)} is not an address of an edge.`,
  );
}

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: { edge: { type: "string" } } }).values;
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

const wrong = (message: string) =>
  new TwsError("invalid_input", message, { nextStep: "tws-edge rotate-key --help explains it." });
