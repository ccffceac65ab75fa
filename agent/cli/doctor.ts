import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { access, constants } from "node:fs/promises";
import { parseArgs } from "node:util";
import { z } from "zod";
import { TwsError } from "../../shared/errors.ts";
import {
  ConfigError,
  type JournalConfig,
  type LoadedEnvironment,
  loadEnvironment,
  originAt,
  parseJournalConfig,
  parseKeyConfig,
  parseLinkConfig,
  parseStartConfig,
  type StartConfig,
  type TwsTarget,
} from "../config/config.ts";
import { jsonOf, type Failure, failureOf, plain, terminal } from "./output.ts";
import { originOf, readKey } from "../link/machine-key.ts";
import { envFileWarning } from "../config/env-file.ts";
import { limitsInWords } from "../limits/limits-in-force.ts";
import { checkChain } from "../journal/audit-trail.ts";
import { inMemory, isJournalTaken, openJournalFile, proveWritable } from "../journal/database.ts";
import { journalPathOf } from "../config/journal-path.ts";
import { conflictOf } from "../journal/conflicts.ts";
import { createJournal, freezeOf } from "../journal/journal.ts";
import { probeTws } from "../tws/session/handshake-probe.ts";

export const doctorHelp = `tws-edge doctor: looks at what the agent needs on this machine, and says what to do where something is wrong.

  tws-edge doctor
  tws-edge doctor --json     the same as a JSON array

It changes nothing, sends nothing to TWS but the opening of the API handshake, and exits with 1 when something is wrong.
`;

/** What was found: right, worth knowing, or wrong. */
interface Finding {
  readonly about: "node" | "configuration" | "journal" | "key" | "tws" | "edge";
  readonly state: "ok" | "note" | "wrong";
  readonly words: string;
  /** What to do; empty when there is nothing to do. */
  readonly nextStep: string;
}

/** A refused agent asks again within half a minute. */
const conflictMs = 10 * 60_000;

const marks: Readonly<Record<Finding["state"], string>> = { ok: "ok   ", note: "note ", wrong: "WRONG" };

export async function runDoctor(args: readonly string[]): Promise<Failure> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(doctorHelp);
    return null;
  }
  try {
    const { json } = readArgs(args);
    const findings = await examine(loadEnvironment());
    if (json === true) terminal.out(jsonOf(findings, 2));
    else findings.forEach(say);
    const wrong = findings.filter(({ state }) => state === "wrong").length;
    return wrong === 0 ? null : { words: `Wrong: ${wrong}.`, exitCode: 1 };
  } catch (error) {
    return failureOf(error);
  }
}

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: { json: { type: "boolean" } } }).values;
  } catch (error) {
    throw new TwsError("invalid_input", error instanceof Error ? error.message : String(error), {
      nextStep: "tws-edge doctor --help explains it.",
    });
  }
}

function say({ about, state, words, nextStep }: Finding): void {
  terminal.out(`${marks[state]}  ${about}: ${plain(words)}`);
  if (nextStep !== "") terminal.out(`       ${plain(nextStep)}`);
}

/** Everything that can be looked at; what depends on a mistaken variable is left out. */
async function examine({ env, mistakes: ofNames }: LoadedEnvironment): Promise<readonly Finding[]> {
  const isAlone = (env["EDGE_URL"]?.trim() ?? "") !== "";
  const start = parsedOrNull(() => parseStartConfig(env));
  const link = isAlone ? parsedOrNull(() => parseLinkConfig(env)) : null;
  const journal = parsedOrNull(() => parseJournalConfig(env)).config;
  const key = parsedOrNull(() => parseKeyConfig(env)).config;
  const mistakes = [...new Set([...ofNames, ...start.mistakes, ...(link?.mistakes ?? [])])];
  const edgeUrl = link?.config?.edgeUrl ?? null;
  const agentToken = link?.config?.agentToken ?? null;
  return [
    { about: "node", state: "ok", words: `Node ${process.versions.node}.`, nextStep: "" },
    ...configurationFindings(mistakes, start.config),
    ...(journal === null ? [] : journalFindings(journal)),
    ...(journal === null ? [] : await folderFindings(journalPathOf(journal))),
    ...(key === null ? [] : [await keyFinding(key.keyFile, edgeUrl !== null && agentToken === null)]),
    ...(journal === null ? [] : [await twsFinding(journal.tws, start.config?.limits.trading !== "off")]),
    ...(edgeUrl === null ? [] : [await edgeFinding(originOf(edgeUrl))]),
    ...(isAlone || start.config === null ? [] : [await localFinding(start.config)]),
  ];
}

function parsedOrNull<T>(parse: () => T): {
  readonly config: T | null;
  readonly mistakes: readonly string[];
} {
  try {
    return { config: parse(), mistakes: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { config: null, mistakes: error.mistakes };
  }
}

function configurationFindings(mistakes: readonly string[], config: StartConfig | null): Finding[] {
  const about = "configuration";
  const warning = envFileWarning();
  const findings: Finding[] = mistakes.map((words) => ({
    about,
    state: "wrong",
    words,
    nextStep: "Correct it in the environment or in .env; .env.example explains each variable.",
  }));
  if (mistakes.length === 0) {
    findings.push({ about, state: "ok", words: "Every variable can be understood.", nextStep: "" });
  }
  if (config !== null) {
    findings.push({ about, state: "ok", words: limitsInWords(config.limits), nextStep: "" });
  }
  if (warning !== null) findings.push({ about, state: "note", words: warning, nextStep: "" });
  return findings;
}

/** The journal that is there, written to for once without a change. */
function journalFindings(config: JournalConfig): Finding[] {
  const path = journalPathOf(config);
  const about = "journal";
  if (path === inMemory) {
    return [{ about, state: "ok", words: "The simulator's journal is in memory only.", nextStep: "" }];
  }
  if (!existsSync(path)) return [];
  const file = openJournalFile({ path, exclusive: false });
  try {
    proveWritable(file);
    const journal = createJournal(file, Date.now);
    const unknown = journal.countUnknown();
    // what an agent reads before it sends anything
    journal.unfinished();
    const { freeze, chain, conflict } = file.read((db) => ({
      freeze: freezeOf(db),
      chain: checkChain(db),
      conflict: conflictOf(db),
    }));
    const holder = isJournalTaken(path) ? "an agent has it open" : "no agent has it open";
    const findings: Finding[] = [
      { about, state: "ok", words: `${path} can be read and written; ${holder}.`, nextStep: "" },
    ];
    if (conflict !== null) {
      findings.push({
        about,
        // one that was stopped since leaves its trace
        state: Date.now() - Date.parse(conflict.seenAt) < conflictMs ? "wrong" : "note",
        words: `Two agents asked for one host, seen last ${conflict.seenAt}. ${conflict.words}`,
        nextStep: "Stop one of them, or give it a host of its own by pairing it anew.",
      });
    }
    if (freeze !== null) {
      findings.push({
        about,
        state: "note",
        words: `New orders are stopped since ${freeze.since}.`,
        nextStep: "Lift it with: tws-edge unfreeze",
      });
    }
    if (unknown > 0) {
      findings.push({
        about,
        state: "note",
        words: `Of ${unknown} order${unknown === 1 ? "" : "s"} it is not known whether TWS has ${unknown === 1 ? "it" : "them"}.`,
        nextStep: "tws-edge orders unknown shows what is being done.",
      });
    }
    if (chain.fault !== null) {
      findings.push({
        about,
        state: "wrong",
        words: `The audit trail is broken at entry ${chain.fault.seq}.`,
        nextStep: "tws-edge audit verify says more.",
      });
    }
    return findings;
  } catch (error) {
    if (!(error instanceof TwsError)) throw error;
    return [
      {
        about,
        state: "wrong",
        words: `${path}: ${error.message}`,
        nextStep:
          "Look whether the disk is full or read-only and whose the file is. While this lasts the agent sends no order; restore a damaged file from a copy.",
      },
    ];
  } finally {
    file.close();
  }
}

/** Where there is no journal yet: whether it can be made. */
async function folderFindings(path: string): Promise<Finding[]> {
  if (path === inMemory || existsSync(path)) return [];
  let folder = dirname(path);
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder);
  const canWrite = await access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
  return [
    canWrite
      ? {
          about: "journal",
          state: "note",
          words: `There is none at ${path} yet.`,
          nextStep: "The agent makes it when it starts.",
        }
      : {
          about: "journal",
          state: "wrong",
          words: `There is none at ${path}, and the folder ${folder} cannot be written.`,
          nextStep: "Make the folder writable, or set TWS_EDGE_JOURNAL to another path.",
        },
  ];
}

async function keyFinding(file: string, isNeeded: boolean): Promise<Finding> {
  const about = "key";
  try {
    const key = await readKey(file);
    if (key !== null) {
      return {
        about,
        state: "ok",
        words: `${key.fingerprint}, readable by you alone (${file}).`,
        nextStep: "",
      };
    }
    return isNeeded
      ? {
          about,
          state: "wrong",
          words: `This machine has no key: there is no file ${file}.`,
          nextStep:
            "Pair this machine with your edge: tws-edge pair https://your-edge (or set AGENT_TOKEN for an edge without sign-in).",
        }
      : { about, state: "ok", words: "None, and none is needed without an edge elsewhere.", nextStep: "" };
  } catch (error) {
    if (!(error instanceof TwsError)) throw error;
    return { about, state: "wrong", words: error.message, nextStep: error.toBody().nextStep };
  }
}

const withinMs = 3_000;

async function twsFinding(tws: TwsTarget | null, isTrading: boolean): Promise<Finding> {
  const about = "tws";
  if (tws === null) {
    return {
      about,
      state: "note",
      words: "None is configured, so the simulator stands in.",
      nextStep:
        "For your own TWS set TWS_PORT (TWS 7496 live, 7497 paper; IB Gateway 4001 live, 4002 paper).",
    };
  }
  const where = `${tws.host}:${tws.port}`;
  const probe = await probeTws(tws, withinMs);
  switch (probe.kind) {
    case "tws":
      if (probe.isReadOnly === true) {
        return {
          about,
          state: isTrading ? "wrong" : "note",
          words: `${where} answers as a TWS (API version ${probe.serverVersion}) whose API is read-only: it takes no orders and lists none.`,
          nextStep:
            "For orders turn off Read-Only API under Configure → API → Settings in TWS or IB Gateway.",
        };
      }
      return {
        about,
        state: "ok",
        words: `${where} answers as a TWS (API version ${probe.serverVersion}).`,
        nextStep: "",
      };
    case "unreachable":
      return {
        about,
        state: "wrong",
        words: `${where} accepts no connection (${reasonOf(probe.error)}).`,
        nextStep: `Start TWS or Gateway, log in, and enable ${apiSetting}; the port there must be TWS_PORT.`,
      };
    case "foreign":
      return {
        about,
        state: "wrong",
        words: `${where} is no TWS: another program answers there.`,
        nextStep:
          "Set TWS_HOST and TWS_PORT to the API port of TWS (7496 live, 7497 paper) or IB Gateway (4001 live, 4002 paper).",
      };
    case "closed":
      return {
        about,
        state: "wrong",
        words: `${where} closes the connection without an answer, as TWS does for addresses that it does not trust, and as other programs do.`,
        nextStep: `Add this machine's address to the trusted IPs under ${apiSetting}, and check that TWS_PORT is the port there.`,
      };
    case "silent":
      return {
        about,
        state: "wrong",
        words: `${where} accepts a connection and does not answer the API handshake within ${withinMs / 1000} s.`,
        nextStep:
          "Check that TWS is logged in and shows no dialog, that TWS_PORT is its API port, and that the program there is TWS.",
      };
    default:
      return probe satisfies never;
  }
}

const apiSetting = "Configure → API → Settings → Enable ActiveX and Socket Clients";

const Health = z.object({ status: z.string() });

/** What `/health` says there; a sentence on why it says nothing otherwise. */
async function askHealth(origin: string): Promise<{ readonly status: string } | { readonly reason: string }> {
  try {
    const response = await fetch(`${origin}/health`, {
      redirect: "manual",
      signal: AbortSignal.timeout(withinMs),
    });
    const parsed = Health.safeParse(await response.json());
    return parsed.success ? parsed.data : { reason: `HTTP ${response.status}, and no word of its health` };
  } catch (error) {
    return { reason: error instanceof SyntaxError ? "it is something else" : reasonOf(error) };
  }
}

async function edgeFinding(origin: string): Promise<Finding> {
  const about = "edge";
  const health = await askHealth(origin);
  if ("reason" in health) {
    return {
      about,
      state: "wrong",
      words: `${origin} does not answer as an edge (${health.reason}).`,
      nextStep: "Check EDGE_URL and the network, and that the edge is deployed.",
    };
  }
  switch (health.status) {
    case "healthy":
      return { about, state: "ok", words: `${origin} answers.`, nextStep: "" };
    // this command says by itself how the agent and TWS are
    case "degraded":
    case "unavailable":
      return {
        about,
        state: "note",
        words: `${origin} answers; of the agent and TWS it says: ${health.status}.`,
        nextStep: "While the agent is not started, that is so. ibkr_get_status shows each hop.",
      };
    default:
      return {
        about,
        state: "wrong",
        words: `${origin} is ${health.status}.`,
        nextStep: "Open its address: it names the variables that are missing or wrong.",
      };
  }
}

/** The edge of `npm start`, which need not run. */
async function localFinding({ server: { host, port } }: StartConfig): Promise<Finding> {
  const about = "edge";
  if (port === 0) return { about, state: "note", words: "npm start takes any free port.", nextStep: "" };
  const origin = originAt(host, port);
  const health = await askHealth(origin);
  return "reason" in health
    ? {
        about,
        state: "note",
        words: `No edge answers at ${origin} (${health.reason}).`,
        nextStep: "npm start runs it; for an edge elsewhere set EDGE_URL.",
      }
    : { about, state: "ok", words: `${origin} answers: ${health.status}.`, nextStep: "" };
}

/** In a word or two, such as ECONNREFUSED. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === "TimeoutError") return `no answer within ${withinMs / 1000} s`;
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}
