import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { createServer } from "node:net";
import { once } from "node:events";
import { type Agent, createAgent } from "../agent.ts";
import type { OwnerSecret, StartConfig, TwsTarget } from "../config/config.ts";
import { makePrivate } from "./private-folder.ts";
import { startEmbeddedEdge } from "./embedded-edge.ts";
import type { LinkTimes } from "../link/link.ts";
import { createLog } from "../process/log.ts";
import { inMemory, openJournalFile, type JournalFile } from "../journal/database.ts";
import { simulatorJournal } from "../config/journal-path.ts";
import { hashPassphrase } from "../process/passphrase-hash.ts";
import type { Network } from "./public-fetch.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "../simulator/server.ts";
import type { SessionTimes } from "../tws/session/session.ts";

export interface LocalOptions {
  /** `server.port` 0 takes any free port. */
  readonly config: StartConfig;
  /** The folder for what the edge keeps; null keeps nothing. */
  readonly persistTo: string | null;
  /** Receives the log, line by line; stderr by default. */
  readonly write?: (line: string) => void;
  readonly linkTimes?: Partial<LinkTimes>;
  readonly sessionTimes?: Partial<SessionTimes>;
  /** For the simulator, which only runs when the configuration names no TWS. */
  readonly simulator?: SimulatorOptions;
  /** What the edge reaches the descriptions of clients by; the internet when absent. */
  readonly network?: Network;
}

export interface Local {
  /** `http://127.0.0.1:8000`, without a slash at the end. */
  readonly url: string;
  readonly mcpUrl: string;
  readonly port: number;
  /** What the agent sends to prove itself. */
  readonly agentToken: string;
  readonly simulator: Simulator | null;
  readonly agent: Agent;
  close(): Promise<void>;
}

/** The address to listen on is not to be had; the message says which and what to do. */
export class AddressError extends Error {
  override readonly name = "AddressError";
}

const readyWithinMs = 15_000;

/**
 * Edge, agent and, without a configured TWS, the simulator, in one process. Resolves when calls are answered, which
 * does not wait for a real TWS. Throws AddressError when the port is taken.
 */
export async function startLocal(options: LocalOptions): Promise<Local> {
  const { config, persistTo, simulator: simulatorOptions } = options;
  const { server } = config;
  await requireFree(server.host, server.port);
  if (persistTo !== null) makePrivate(persistTo);
  // new each time: no page or program that does not read our memory can pose as the agent
  const given = server.owner === null ? config.agentToken : null;
  const agentToken = given ?? randomBytes(32).toString("base64url");
  const log = createLog({
    level: config.logLevel ?? "warn",
    secrets: [agentToken, ...(server.owner?.kind === "passphrase" ? [server.owner.passphrase] : [])],
    write: options.write ?? ((line) => void process.stderr.write(line)),
    now: Date.now,
  });
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closeOne of closers.splice(0).toReversed()) await closeOne();
  };
  try {
    const simulator =
      config.tws === null
        ? await startSimulator({ port: 0, seed: config.simSeed, ...simulatorOptions })
        : null;
    if (simulator !== null) closers.push(() => simulator.close());
    const edge = await startEmbeddedEdge({
      host: server.host,
      port: server.port,
      variables: variablesOf(config, agentToken),
      persistTo,
      log,
      ...(options.network && { network: options.network }),
    });
    closers.push(() => edge.close());
    const journalFile = openJournal(config, persistTo);
    const agent = createAgent({
      config,
      journalFile,
      tws: targetOf(config.tws, simulator),
      edge: {
        url: `${edge.origin.replace(/^http/, "ws")}/api/v1/agent`,
        authorization: async () => `Bearer ${agentToken}`,
      },
      log,
      ...(options.linkTimes && { linkTimes: options.linkTimes }),
      ...(options.sessionTimes && { sessionTimes: options.sessionTimes }),
    });
    closers.push(() => agent.close());
    await agent.whenLinked(readyWithinMs);
    if (simulator !== null) await agent.session.whenConnected(readyWithinMs);
    const { port } = edge;
    const url = server.owner === null ? edge.origin : (server.publicUrl ?? edge.origin);
    return { url, mcpUrl: `${url}/api/v1/mcp`, port, agentToken, simulator, agent, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A simulator is new each time, and so is the journal of what was sent to it. */
function openJournal({ tws, journalFile }: StartConfig, persistTo: string | null): JournalFile {
  if (tws !== null) return openJournalFile({ path: journalFile, exclusive: true });
  const path = persistTo === null ? inMemory : join(persistTo, simulatorJournal);
  return openJournalFile({ path, exclusive: true, fresh: true });
}

const targetOf = (tws: TwsTarget | null, simulator: Simulator | null) => ({
  host: tws?.host ?? simulator?.host ?? "127.0.0.1",
  port: tws?.port ?? simulator?.port ?? 0,
  isSimulator: simulator !== null,
});

const variablesOf = ({ server }: StartConfig, agentToken: string): Record<string, string> => ({
  ...(server.owner === null
    ? { AUTH: "off", AGENT_TOKEN: agentToken }
    : {
        AUTH: "on",
        OWNER_PASSPHRASE_HASH: passphraseHashOf(server.owner),
        LOCAL_AGENT_TOKEN: agentToken,
      }),
  ALLOWED_ORIGINS: server.allowedOrigins.join(","),
  PUBLIC_URL: server.publicUrl ?? "",
  SECURITY_CONTACT: server.securityContact ?? "",
});

/** The passphrase itself never gets to the edge. */
const passphraseHashOf = (owner: OwnerSecret): string =>
  owner.kind === "hash" ? owner.hash : hashPassphrase(owner.passphrase);

/** Asks the system before anything is started: its answer is plain, and workerd's comes late and in C++. */
async function requireFree(host: string, port: number): Promise<void> {
  const probe = createServer();
  try {
    await once(probe.listen(port, host), "listening");
  } catch (error) {
    throw new AddressError(explainAddress(error, host, port), { cause: error });
  }
  await new Promise((resolve) => probe.close(resolve));
}

function explainAddress(error: unknown, host: string, port: number): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  switch (code) {
    case "EADDRINUSE":
      return `Port ${port} is in use on ${host}. Choose another: SERVER_PORT=${port === 9000 ? 9001 : 9000} npm start`;
    case "EACCES":
      return `This user may not listen on port ${port}. Choose one above 1023: SERVER_PORT=8000 npm start`;
    default:
      return `Cannot listen on ${host}:${port} (${String(code)}). Set SERVER_HOST to an address of this machine, such as 127.0.0.1.`;
  }
}
