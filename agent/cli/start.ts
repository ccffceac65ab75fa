import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { TwsError } from "../../shared/errors.ts";
import type { SessionStatus } from "../../shared/status.ts";
import { credentialsFor } from "../link/credentials.ts";
import { banner, twsLines } from "./banner.ts";
import { createAgent } from "../agent.ts";
import {
  ConfigError,
  forgetSecrets,
  type LinkConfig,
  loadConfig,
  parseLinkConfig,
  parseStartConfig,
  type StartConfig,
} from "../config/config.ts";
import { isInContainer } from "../process/container.ts";
import { envFileWarning } from "../config/env-file.ts";
import { limitsInWords } from "../limits/limits-in-force.ts";
import { createLog } from "../process/log.ts";
import { inMemory, JournalTakenError, openJournalFile } from "../journal/database.ts";
import { journalPathOf } from "../config/journal-path.ts";
import { registerAgent, type Registration } from "../process/running-agents.ts";
import { closeOnSignal } from "../process/signals.ts";
import { stateFolderOf } from "../config/state-folder.ts";
import type { Simulator } from "../simulator/server.ts";
import type { TwsSession } from "../tws/session/api.ts";
import { version } from "../process/version.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** Resolves once all of it runs; the words for the person who started it if it cannot, else null. */
export async function runStart(): Promise<string | null> {
  const config = orMistakes(() => loadConfig(parseStartConfig));
  if (typeof config === "string") return config;
  if (config.server.isPublishedOnLoopback && !isInContainer()) return notInContainer;
  keepPrivate();
  // the agent alone is installed without what the edge needs
  if (!isHere("../local/local.ts") || !isHere("../../edge/worker.ts")) return withoutEdge;
  if (config.tws === null && !isHere("../simulator/server.ts")) return withoutSimulator;
  const { AddressError, startLocal } = await import("../local/local.ts");
  try {
    const local = await startLocal({ config, persistTo: stateFolderOf(config.server.port) });
    const registration = register(config, null);
    const closing = closeOnSignal(async () => {
      await local.close();
      registration.close();
    });
    const { session } = local.agent;
    const status = await settled(session);
    const { trading, limits } = config;
    const signInAt = config.server.owner === null ? null : local.url;
    say(banner({ version, mcpUrl: local.mcpUrl, status, trading, limits: limitsInWords(limits), signInAt }));
    sayChanges(session, status, closing);
    return null;
  } catch (error) {
    if (error instanceof AddressError || error instanceof JournalTakenError) return error.message;
    throw error;
  }
}

/** As `runStart`, for the agent without an edge. */
export async function runAgent(): Promise<string | null> {
  const config = orMistakes(() => loadConfig(parseLinkConfig));
  if (typeof config === "string") return config;
  keepPrivate();
  const log = createLog({
    level: config.logLevel ?? "info",
    secrets: config.agentToken === null ? [] : [config.agentToken],
    write: (line) => void process.stderr.write(line),
    now: Date.now,
  });
  const authorization = await orWords(() => credentialsFor(config));
  if (typeof authorization === "string") return authorization;
  if (config.tws === null && !isHere("../simulator/server.ts")) return withoutSimulator;
  const simulator = config.tws === null ? await startSimulator(config.simSeed) : null;
  const tws = config.tws ?? { host: "127.0.0.1", port: simulator?.port ?? 0 };
  const journalFile = orTaken(() => openJournalFile({ path: journalPathOf(config), exclusive: true }));
  if (typeof journalFile === "string") return journalFile;
  const agent = createAgent({
    config,
    journalFile,
    tws: { ...tws, isSimulator: simulator !== null },
    edge: { url: config.edgeUrl, authorization: authorization.header },
    log,
  });
  const registration = register(config, config.agentToken === null ? config.keyFile : null);
  const closing = closeOnSignal(async () => {
    await agent.close();
    await simulator?.close();
    registration.close();
  });
  const status = await settled(agent.session);
  say(`tws-edge ${version}, agent for ${config.edgeUrl}`);
  if (authorization.note !== "") say(authorization.note);
  say(limitsInWords(config.limits));
  twsLines(status).forEach(say);
  sayChanges(agent.session, status, closing);
  return null;
}

/** The simulator is loaded where it is needed only: not every image has it. */
async function startSimulator(seed: number): Promise<Simulator> {
  const simulator = await import("../simulator/server.ts");
  return simulator.startSimulator({ port: 0, seed });
}

/** Lists this process where the owner's commands find it from every folder of this machine. */
function register(config: StartConfig | LinkConfig, keyFile: string | null): Registration {
  const journal = journalPathOf(config);
  const registration = registerAgent(
    config.agentsFolder,
    {
      journal: journal === inMemory ? null : journal,
      keyFile: keyFile === null ? null : resolve(keyFile),
      tws: config.tws === null ? "the simulator" : `TWS at ${config.tws.host}:${config.tws.port}`,
    },
    new Date(),
  );
  if (registration.problem !== "") {
    process.stderr.write(
      `tws-edge freeze finds this agent only by its journal: it could not be listed in ${config.agentsFolder} (${registration.problem}).\n`,
    );
  }
  return registration;
}

const isHere = (file: string): boolean => existsSync(new URL(file, import.meta.url));

const withoutEdge =
  "There is no edge in this image, so only `agent` runs here. Set EDGE_URL to an edge elsewhere, or build the target `local`.";

const withoutSimulator =
  "TWS_HOST and TWS_PORT are not set, and there is no simulator in this image to stand in. Set them, or build the image with --build-arg SIMULATOR=yes.";

const notInContainer =
  "SERVER_PUBLISHED=loopback holds in a container alone, and this is none: the edge would answer other machines without a login. Remove it.";

/** What this process and its children write is for its own user, and no child is given the owner's secrets. */
function keepPrivate(): void {
  process.umask(0o077);
  forgetSecrets();
  const warning = envFileWarning();
  if (warning !== null) process.stderr.write(`${warning}\n`);
}

function orMistakes<T extends object>(load: () => T): T | string {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { mistakes } = error;
    return ["The configuration is not right:", ...mistakes.map((mistake) => `  ${mistake}`)].join("\n");
  }
}

function orTaken<T extends object>(open: () => T): T | string {
  try {
    return open();
  } catch (error) {
    if (error instanceof JournalTakenError) return error.message;
    throw error;
  }
}

/** What `work` gives, or the words of the error that it throws on purpose. */
async function orWords<T extends object>(work: () => Promise<T>): Promise<T | string> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof TwsError)) throw error;
    const { message, nextStep } = error.toBody();
    return `${message}\n${nextStep}`;
  }
}

/** The status after the first attempt at TWS, which a refusal ends in milliseconds; a silent TWS is not waited for. */
async function settled(session: TwsSession): Promise<SessionStatus> {
  const isOpen = ({ tws }: SessionStatus) => tws.state === "connecting" && tws.lastError === "";
  if (isOpen(session.status())) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, 1_000);
    const forget = session.onStatus((status) => {
      if (!isOpen(status)) resolve();
    });
    await promise;
    clearTimeout(timer);
    forget();
  }
  return session.status();
}

/** Says what becomes of TWS, each time in words that differ from the last ones. */
function sayChanges(session: TwsSession, first: SessionStatus, closing: AbortSignal): void {
  let said = twsLines(first).join("\n");
  session.onStatus((status) => {
    if (closing.aborted) return;
    const lines = twsLines(status).join("\n");
    // a new attempt is no news to who has read that it keeps trying
    if (lines === said || (status.tws.state === "connecting" && status.tws.lastError === "")) return;
    said = lines;
    say(lines);
  });
}
