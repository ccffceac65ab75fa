import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { HostName, PairAnswer, pairingTimes, proofPaths, readCode } from "../../shared/machine-key.ts";
import { TwsError } from "../../shared/errors.ts";
import { type KeyConfig, parseEdgeUrl } from "../config/config.ts";
import { createEdgeClient, type EdgeClient } from "../link/edge-client.ts";
import { type AgentKey, loadOrCreateKey } from "../link/machine-key.ts";

export const pairHelp = `tws-edge pair: makes this machine's key known to an edge, so that the agent may connect.

  tws-edge pair https://tws-edge.example.workers.dev

It makes a key if this machine has none, and shows a code. Sign in at the edge's /pair as its owner, enter the code
there and compare the four words of the key. Or make a code at /pair first, and bring it:

  tws-edge pair https://tws-edge.example.workers.dev --code ABCD-EFGH

  --code CODE   a code that the owner has made at the edge
  --name NAME   what to call this host, if the owner does not choose another name

The key stays in ~/.config/tws-edge/key.json, or where TWS_EDGE_KEY says; nobody but you may be able to read it.
The exit code is 4 when an agent runs on this machine already, and by another key than the one that was paired,
unless TWS_EDGE_KEY names the key.
Afterwards: EDGE_URL=https://tws-edge.example.workers.dev TWS_PORT=7497 tws-edge agent
`;

interface PairOptions {
  readonly edgeUrl: string;
  readonly code: string | null;
  readonly name: string | null;
}

/** What was typed; throws `invalid_input` for what cannot be meant. */
export function parsePairArgs(args: readonly string[], config: KeyConfig): PairOptions {
  const { values, positionals } = readArgs(args);
  const [typedUrl, ...more] = positionals;
  if (more.length > 0) throw wrong(`pair takes one address, so not ${more.join(" ")}.`);
  const edgeUrl = typedUrl === undefined ? config.edgeUrl : parseEdgeUrl(typedUrl);
  if (edgeUrl === null) {
    throw wrong(
      typedUrl === undefined
        ? "pair needs the address of the edge."
        : `${JSON.stringify(typedUrl)} is not an address of an edge, such as https://tws-edge.example.workers.dev (http only on loopback).`,
    );
  }
  if (values.code !== undefined && readCode(values.code) === null) {
    throw wrong("A code has eight letters and digits, such as ABCD-EFGH.");
  }
  const name = values.name === undefined ? null : HostName.safeParse(values.name);
  if (name !== null && !name.success) throw wrong("A name has from 1 to 60 characters.");
  return { edgeUrl, code: values.code ?? null, name: name === null ? null : name.data };
}

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { code: { type: "string" }, name: { type: "string" } },
    });
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

const wrong = (message: string) =>
  new TwsError("invalid_input", message, { nextStep: "tws-edge pair --help explains it." });

interface PairParts {
  readonly config: KeyConfig;
  readonly say: (line: string) => void;
  readonly pollMs?: number;
}

/** Pairs this machine. Throws TwsError with what went wrong and what to do. */
export async function pair(
  { edgeUrl, code, name }: PairOptions,
  { config, say, pollMs = pairingTimes.pollMs }: PairParts,
): Promise<void> {
  const key = await loadOrCreateKey(config.keyFile);
  const edge = createEdgeClient(edgeUrl, key);
  say(`This machine's key: ${key.fingerprint}  (in ${config.keyFile})`);
  const first = await edge.ask(
    {
      method: "POST",
      path: proofPaths.pair,
      purpose: "pair",
      body: { publicKey: key.publicKey, machine: hostname().slice(0, 200), suggestedName: name, code },
    },
    PairAnswer,
  );
  const last = first.state === "waiting" ? await untilDecided(edge, key, first, { say, pollMs }) : first;
  switch (last.state) {
    case "paired":
      say(`Paired with ${edge.origin} as the host ${JSON.stringify(last.hostName)}.`);
      say(`Start the agent: EDGE_URL=${edge.origin} tws-edge agent`);
      return;
    case "declined":
      throw new TwsError("forbidden", "The owner of the edge has said no to this machine.", {
        nextStep: "If that was a mistake, run tws-edge pair again.",
      });
    case "expired":
    case "open":
    case "waiting":
      throw new TwsError(
        "timeout",
        "The code is void: nobody entered it within ten minutes, or wrong codes were entered five times.",
        { nextStep: "Run tws-edge pair again for a new one." },
      );
    default:
      return last satisfies never;
  }
}

async function untilDecided(
  edge: EdgeClient,
  { publicKey }: AgentKey,
  { code, pairUrl, expiresAt, pollSecret }: Extract<PairAnswer, { readonly state: "waiting" }>,
  { say, pollMs }: Required<Pick<PairParts, "say" | "pollMs">>,
): Promise<PairAnswer> {
  say("");
  say(`  Code: ${code}`);
  say("");
  say(`Open ${pairUrl} as the owner of the edge, enter the code, and compare the words of the key.`);
  say("Waiting, for ten minutes at most …");
  // by this machine's clock, which may differ: the edge has the last word
  const longestMs = (pairingTimes.codeS + 60) * 1000;
  const until = performance.now() + longestMs;
  while (performance.now() < until) {
    await sleep(pollMs);
    const answer = await edge
      .ask(
        {
          method: "POST",
          path: `${proofPaths.pair}/poll`,
          purpose: "pair",
          body: { publicKey, pollSecret },
        },
        PairAnswer,
      )
      .catch(patient);
    if (answer !== null && answer.state !== "open") return answer;
  }
  return { state: "open", expiresAt };
}

/** A network that fails for a moment does not end the waiting. */
function patient(error: unknown): null {
  if (error instanceof TwsError && error.code === "internal") return null;
  throw error;
}
