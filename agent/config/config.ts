import { isIPv6 } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { limitNames } from "../limits/limits.ts";
import type { Limits } from "../limits/limits.ts";
import { limitVariables, readBounds } from "./limit-variables.ts";
import type { LimitValues } from "./limit-variables.ts";
import { type LogLevel, logLevels } from "../process/log.ts";
import { type EnvFile, readEnvFile } from "./env-file.ts";
import { lookalikes, unknownInFile } from "./variable-names.ts";
import { usualAgentsFolder } from "../process/running-agents.ts";

/** Fewest days that a journal is kept: what was told of an order is revised for a week. */
export const fewestKeepDays = 8;

export interface TwsTarget {
  readonly host: string;
  readonly port: number;
}

/** What the agent runs by, whichever command starts it. */
export interface AgentConfig {
  /** Null: none is configured, so the simulator stands in. */
  readonly tws: TwsTarget | null;
  readonly clientId: number;
  /** When set, no other account may be traded. */
  readonly paperAccount: string | null;
  readonly trading: "off" | "paper" | "live";
  /** What anyone may trade; holds `trading` and `paperAccount` too. */
  readonly limits: Limits;
  /** The path of the order journal. */
  readonly journalFile: string;
  /** How many days what has ended stays in the journal before it is archived; null for ever. */
  readonly journalKeepDays: number | null;
  /** Where the agents of this machine are listed, for the owner's commands. */
  readonly agentsFolder: string;
  /** Proves the agent to the edge. */
  readonly agentToken: string | null;
  /** Null: as the command likes it. */
  readonly logLevel: LogLevel | null;
  readonly simSeed: number;
}

/** Where the edge listens when it runs in this process. */
interface ServerConfig {
  readonly host: string;
  /** In a container whose port is published on loopback alone: it listens everywhere inside and is open to nobody else. */
  readonly isPublishedOnLoopback: boolean;
  readonly port: number;
  readonly allowedOrigins: readonly string[];
  readonly publicUrl: string | null;
  /** Where to report a hole in the edge. */
  readonly securityContact: string | null;
  /** Null: AUTH is off, and everyone who reaches the edge is the owner. */
  readonly owner: OwnerSecret | null;
}

/** What the owner signs in with: the passphrase itself, or only its hash. */
export type OwnerSecret =
  | { readonly kind: "passphrase"; readonly passphrase: string }
  | { readonly kind: "hash"; readonly hash: string };

export interface StartConfig extends AgentConfig {
  readonly server: ServerConfig;
}

export interface LinkConfig extends AgentConfig {
  /** The edge's WebSocket address for agents, path included. */
  readonly edgeUrl: string;
  readonly keyFile: string;
}

/** What `pair` and `token` run by: commands about this machine's key at an edge. */
export interface KeyConfig extends Pick<AgentConfig, "agentsFolder"> {
  readonly keyFile: string;
  /** TWS_EDGE_KEY names it, as where several hosts have their agents on one machine. */
  readonly isKeyNamed: boolean;
  /** Null: not set. */
  readonly edgeUrl: string | null;
}

/** What the commands about the order journal run by. */
export interface JournalConfig extends Pick<AgentConfig, "tws" | "agentsFolder" | "journalKeepDays"> {
  /** Of the TWS that is configured; the simulator has its own. */
  readonly journalFile: string;
  readonly server: Pick<ServerConfig, "port">;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Carries every mistake at once, one sentence each. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    super(mistakes.join("\n"));
    this.mistakes = mistakes;
  }
}

/** The names under which the edge answers without login. */
const isLoopback = (host: string): boolean => /^(localhost|127\.0\.0\.1|::1|\[::1\])$/i.test(host);

const integer = (least: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,10}$/)
    .transform(Number)
    .pipe(z.int().min(least).max(most));

const hostName = z
  .string()
  // the brackets belong to addresses in URLs, and sockets do not know them
  .transform((host) => host.replace(/^\[(.*)\]$/, "$1"))
  // only an address of IPv6 has colons: in anything else they part off a port
  .refine((host) => /^[A-Za-z0-9_.-]{1,255}$/.test(host) || isIPv6(host));

const origin = z.string().transform((text, context) => {
  const url = URL.parse(text);
  if (url !== null && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url.origin;
  context.addIssue("not an origin");
  return z.NEVER;
});

const origins = z
  .string()
  .transform((list) =>
    list
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== ""),
  )
  .pipe(z.array(origin).max(100));

const edgeUrl = z.string().transform((text, context) => {
  const url = URL.parse(text);
  const isPlain = url?.protocol === "http:" || url?.protocol === "ws:";
  const isSafe = url?.protocol === "https:" || url?.protocol === "wss:";
  if (url === null || url.username !== "" || !(isSafe || (isPlain && isLoopback(url.hostname)))) {
    context.addIssue("not an address of an edge");
    return z.NEVER;
  }
  url.protocol = isSafe ? "wss:" : "ws:";
  if (url.pathname === "/") url.pathname = "/api/v1/agent";
  return url.href;
});

const path = z.string().max(4_096);

const portAllowed = "a port from 1 to 65535";

interface Values extends LimitValues {
  readonly TWS_HOST: string;
  readonly TWS_PORT: number;
  readonly TWS_CLIENT_ID: number;
  readonly TWS_PAPER_ACCOUNT: string;
  readonly SERVER_HOST: string;
  readonly SERVER_PORT: number;
  readonly SERVER_PUBLISHED: "loopback";
  readonly ALLOWED_ORIGINS: readonly string[];
  readonly PUBLIC_URL: string;
  readonly SECURITY_CONTACT: string;
  readonly AUTH: "off" | "on";
  readonly OWNER_PASSPHRASE: string;
  readonly OWNER_PASSPHRASE_HASH: string;
  readonly TRADING: AgentConfig["trading"];
  readonly EDGE_URL: string;
  readonly AGENT_TOKEN: string;
  readonly TWS_EDGE_KEY: string;
  readonly TWS_EDGE_JOURNAL: string;
  readonly JOURNAL_KEEP_DAYS: number;
  readonly TWS_EDGE_AGENTS: string;
  readonly LOG_LEVEL: LogLevel;
  readonly SIM_SEED: number;
}

/** Every variable: how it is read, and what it may be, in words. */
const variables: {
  readonly [Name in keyof Values]: { readonly schema: z.ZodType<Values[Name]>; readonly allowed: string };
} = {
  TWS_HOST: { schema: hostName, allowed: "a host name or IP address, without scheme or port" },
  TWS_PORT: {
    schema: integer(1, 65_535),
    allowed: `${portAllowed} (TWS 7496 live, 7497 paper; Gateway 4001 live, 4002 paper)`,
  },
  TWS_CLIENT_ID: { schema: integer(0, 2_147_483_647), allowed: "a whole number from 0 to 2147483647" },
  TWS_PAPER_ACCOUNT: {
    schema: z.string().regex(/^D[A-Z0-9]{2,15}$/),
    allowed: "a paper account id, such as DU1234567 (paper ids start with D)",
  },
  SERVER_HOST: { schema: hostName, allowed: "an address of this machine, such as 127.0.0.1" },
  SERVER_PORT: { schema: integer(0, 65_535), allowed: `${portAllowed}, or 0 for any free one` },
  SERVER_PUBLISHED: {
    schema: z.literal("loopback"),
    allowed: "loopback, in a container whose port is published on 127.0.0.1 alone",
  },
  ALLOWED_ORIGINS: {
    schema: origins,
    allowed: "origins separated by commas, such as https://app.example.com,http://localhost:5173",
  },
  PUBLIC_URL: { schema: origin, allowed: "an origin without path, such as https://tws.example.com" },
  SECURITY_CONTACT: {
    schema: z.string().regex(/^(mailto:|https:\/\/)[\x21-\x7e]{3,500}$/),
    allowed: "a mailto: or https: address",
  },
  AUTH: { schema: z.enum(["off", "on"]), allowed: "off or on" },
  OWNER_PASSPHRASE: { schema: z.string().min(12).max(1_000), allowed: "12 characters or more" },
  OWNER_PASSPHRASE_HASH: {
    schema: z.string().regex(/^pbkdf2\$\d{6,8}\$[\w-]{22,86}\$[\w-]{43}$/),
    allowed: "a hash as `npm run -s tws-edge -- passphrase` prints it",
  },
  TRADING: { schema: z.enum(["off", "paper", "live"]), allowed: "off, paper or live" },
  ...limitVariables,
  EDGE_URL: {
    schema: edgeUrl,
    allowed:
      "the address of the edge, such as https://tws-edge.example.workers.dev (http and ws only on loopback)",
  },
  AGENT_TOKEN: {
    schema: z.string().regex(/^[\x21-\x7e]{16,512}$/),
    allowed: "16 to 512 printable characters without spaces",
  },
  TWS_EDGE_KEY: { schema: path, allowed: "the path of a file" },
  TWS_EDGE_JOURNAL: { schema: path, allowed: "the path of a file" },
  JOURNAL_KEEP_DAYS: {
    schema: integer(fewestKeepDays, 36_500),
    allowed: `a whole number of days from ${fewestKeepDays} to 36500`,
  },
  TWS_EDGE_AGENTS: { schema: path, allowed: "the path of a folder" },
  LOG_LEVEL: { schema: z.enum(logLevels), allowed: "debug, info, warn or error" },
  SIM_SEED: { schema: integer(0, 2_147_483_647), allowed: "a whole number from 0 to 2147483647" },
};

const knownNames: readonly string[] = Object.keys(variables);

const secretVariables: readonly string[] = ["AGENT_TOKEN", "OWNER_PASSPHRASE", "OWNER_PASSPHRASE_HASH"];

/** Reads one variable after the other and remembers what was wrong; a value that is empty counts as not set. */
function createReader(env: Environment) {
  const mistakes: string[] = lookalikes(Object.keys(env), knownNames);

  function read<Name extends keyof Values>(name: Name): Values[Name] | undefined {
    const text = env[name]?.trim() ?? "";
    if (text === "") return undefined;
    const { schema, allowed } = variables[name];
    const parsed = schema.safeParse(text);
    if (parsed.success) return parsed.data;
    const shown = secretVariables.includes(name) ? "not valid" : JSON.stringify(text.slice(0, 100));
    mistakes.push(`${name} is ${shown}. Allowed: ${allowed}.`);
    return undefined;
  }

  return { read, mistakes };
}

type Reader = ReturnType<typeof createReader>;

function readTws({ read }: Reader): TwsTarget | null {
  const host = read("TWS_HOST");
  const port = read("TWS_PORT");
  const isConfigured = host !== undefined || port !== undefined;
  return isConfigured ? { host: host ?? "127.0.0.1", port: port ?? 4002 } : null;
}

function readAgent(reader: Reader): AgentConfig {
  const { read } = reader;
  const tws = readTws(reader);
  const clientId = read("TWS_CLIENT_ID") ?? 1;
  const limits = readLimits(reader);
  return {
    tws,
    clientId,
    paperAccount: limits.onlyAccount,
    trading: limits.trading,
    limits,
    journalFile: read("TWS_EDGE_JOURNAL") ?? inConfigFolder("journal.db"),
    journalKeepDays: read("JOURNAL_KEEP_DAYS") ?? null,
    agentsFolder: readAgentsFolder(reader),
    agentToken: read("AGENT_TOKEN") ?? null,
    logLevel: read("LOG_LEVEL") ?? null,
    simSeed: read("SIM_SEED") ?? 1,
  };
}

function readLimits({ read, mistakes }: Reader): Limits {
  const onlyAccount = read("TWS_PAPER_ACCOUNT") ?? null;
  const trading = read("TRADING") ?? "paper";
  const bounds = readBounds(read);
  const { accounts } = bounds;
  if (onlyAccount !== null && accounts !== null && !accounts.includes(onlyAccount)) {
    mistakes.push(
      `${limitNames.accounts} is without ${onlyAccount}, which TWS_PAPER_ACCOUNT names as the only account: nothing could be traded.`,
    );
  }
  return { trading, onlyAccount, ...bounds };
}
const defaultPort = 8000;

function readServer({ read, mistakes }: Reader): ServerConfig {
  const isPublishedOnLoopback = read("SERVER_PUBLISHED") === "loopback";
  const host = read("SERVER_HOST") ?? (isPublishedOnLoopback ? "0.0.0.0" : "127.0.0.1");
  const isLocal = isPublishedOnLoopback || isLoopback(host);
  const auth = read("AUTH");
  const isAuthOn = auth === "on";
  const port = read("SERVER_PORT") ?? defaultPort;
  const allowedOrigins = read("ALLOWED_ORIGINS") ?? [];
  const publicUrl = read("PUBLIC_URL") ?? null;
  const owner = readOwner(read);
  if (isAuthOn) {
    if (owner === null && mistakes.every((mistake) => !mistake.startsWith("OWNER_PASSPHRASE"))) {
      mistakes.push("AUTH is on, and nobody could sign in: set OWNER_PASSPHRASE (12 characters or more).");
    }
    if (publicUrl === null && (!isLocal || port === 0)) {
      mistakes.push("AUTH is on, and PUBLIC_URL is not set: the address under which clients see the edge.");
    }
    if (publicUrl !== null && !publicUrl.startsWith("https:") && !isLoopback(new URL(publicUrl).hostname)) {
      mistakes.push(`PUBLIC_URL is ${publicUrl}, and AUTH is on: it must be https, except on localhost.`);
    }
  } else if (!isLocal) {
    mistakes.push(
      `SERVER_HOST is ${host}, which other machines can reach, and there is no login (AUTH is off): anyone there could trade. Use 127.0.0.1.`,
    );
  }
  if (auth === undefined) mistakes.push(...signInThatIsOff(owner, publicUrl));
  return {
    host,
    isPublishedOnLoopback,
    port,
    allowedOrigins,
    securityContact: read("SECURITY_CONTACT") ?? null,
    publicUrl: isAuthOn ? (publicUrl ?? originAt(host, port)) : publicUrl,
    owner: isAuthOn ? owner : null,
  };
}

/** Settings that only make sense where callers sign in, while nothing says that they need not. */
function signInThatIsOff(owner: OwnerSecret | null, publicUrl: string | null): readonly string[] {
  const choice = "Set AUTH=on, or AUTH=off if that is meant.";
  return [
    ...(owner === null
      ? []
      : [`OWNER_PASSPHRASE is set, and AUTH is not: nobody would be asked for it. ${choice}`]),
    ...(publicUrl?.startsWith("https:") === true
      ? [`PUBLIC_URL is ${publicUrl}, and AUTH is not set: whoever reaches it could trade. ${choice}`]
      : []),
  ];
}

/** The origin under which this machine reaches what listens there. */
export function originAt(host: string, port: number): string {
  if (host === "0.0.0.0" || host === "::") return `http://127.0.0.1:${port}`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function readOwner(read: Reader["read"]): OwnerSecret | null {
  const passphrase = read("OWNER_PASSPHRASE");
  const hash = read("OWNER_PASSPHRASE_HASH");
  if (passphrase !== undefined) return { kind: "passphrase", passphrase };
  return hash === undefined ? null : { kind: "hash", hash };
}

function finish<T>(config: T, mistakes: readonly string[]): T {
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return config;
}

/** For `start`: the edge runs here too. Throws ConfigError with every mistake. */
export function parseStartConfig(env: Environment): StartConfig {
  const reader = createReader(env);
  const config = { ...readAgent(reader), server: readServer(reader) };
  if (config.agentToken !== null && config.server.owner !== null) {
    reader.mistakes.push(
      "AGENT_TOKEN is set, and AUTH is on: an agent elsewhere proves itself by its own key there (tws-edge pair). Remove AGENT_TOKEN.",
    );
  }
  return finish(config, reader.mistakes);
}

/** For `agent`: the edge runs elsewhere. Throws ConfigError with every mistake. */
export function parseLinkConfig(env: Environment): LinkConfig {
  const reader = createReader(env);
  const agent = readAgent(reader);
  const url = reader.read("EDGE_URL");
  if (url === undefined && reader.mistakes.every((mistake) => !mistake.startsWith("EDGE_URL"))) {
    reader.mistakes.push(`EDGE_URL is not set. Allowed: ${variables.EDGE_URL.allowed}.`);
  }
  return finish({ ...agent, edgeUrl: url ?? "", keyFile: readKeyFile(reader) }, reader.mistakes);
}

/** For `pair` and `token`. Throws ConfigError with every mistake. */
export function parseKeyConfig(env: Environment): KeyConfig {
  const reader = createReader(env);
  const keyFile = readKeyFile(reader);
  const edgeUrl = reader.read("EDGE_URL") ?? null;
  const isKeyNamed = reader.read("TWS_EDGE_KEY") !== undefined;
  return finish({ keyFile, isKeyNamed, edgeUrl, agentsFolder: readAgentsFolder(reader) }, reader.mistakes);
}

const readKeyFile = ({ read }: Reader): string => read("TWS_EDGE_KEY") ?? inConfigFolder("key.json");

const readAgentsFolder = ({ read }: Reader): string => read("TWS_EDGE_AGENTS") ?? usualAgentsFolder;

const inConfigFolder = (name: string): string => join(homedir(), ".config", "tws-edge", name);

/** For the commands about the order journal. Throws ConfigError with every mistake. */
export function parseJournalConfig(env: Environment): JournalConfig {
  const reader = createReader(env);
  const { read } = reader;
  const journalFile = read("TWS_EDGE_JOURNAL") ?? inConfigFolder("journal.db");
  const server = { port: read("SERVER_PORT") ?? defaultPort };
  const agentsFolder = readAgentsFolder(reader);
  const journalKeepDays = read("JOURNAL_KEEP_DAYS") ?? null;
  return finish(
    { tws: readTws(reader), journalFile, journalKeepDays, agentsFolder, server },
    reader.mistakes,
  );
}

/** An edge's address as somebody typed it: as EDGE_URL is read, null if it is none. */
export function parseEdgeUrl(text: string): string | null {
  const parsed = edgeUrl.safeParse(text);
  return parsed.success ? parsed.data : null;
}

/** The settings of this process, and what is wrong with the names and the file that they come from. */
export interface LoadedEnvironment {
  readonly env: Environment;
  readonly mistakes: readonly string[];
}

/** Names of `.env` that may be without a value: none there is a list, and means itself. */
const mayBeEmpty: readonly string[] = ["ALLOWED_ORIGINS"];

/**
 * The environment over the file. A variable of the environment that is empty counts as not set, so that what passes on
 * variables that may not be there, such as Docker Compose, does not undo the file.
 */
export function mergeEnvironment(file: EnvFile, environment: Environment): LoadedEnvironment {
  const names = file.settings.map(({ name }) => name);
  const known = file.settings.filter(({ name }) => knownNames.includes(name));
  const twice = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
  const mistakes = [
    ...file.mistakes,
    ...unknownInFile([...new Set(names)], knownNames),
    ...twice.map((name) => {
      const lines = file.settings.filter((setting) => setting.name === name).map(({ line }) => line);
      return `${name} is in .env more than once (lines ${lines.join(", ")}). Keep one of them.`;
    }),
    ...known
      .filter(({ name, value }) => value === "" && !mayBeEmpty.includes(name))
      .map(
        ({ name, line }) =>
          `${name} in line ${line} of .env is empty. Give it a value, or put # before it for its default.`,
      ),
  ];
  const set = Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== "");
  const fromFile = known.map(({ name, value }): [string, string] => [name, value]);
  return { env: { ...Object.fromEntries(fromFile), ...Object.fromEntries(set) }, mistakes };
}

/** The environment and `.env` of the working directory. */
export const loadEnvironment = (): LoadedEnvironment => mergeEnvironment(readEnvFile(), process.env);

/** Reads the settings by `parse`. Throws ConfigError with every mistake, those of the names and the file first. */
export function loadConfig<T>(parse: (env: Environment) => T): T {
  const { env, mistakes } = loadEnvironment();
  try {
    return finish(parse(env), mistakes);
  } catch (error) {
    if (!(error instanceof ConfigError) || mistakes.length === 0) throw error;
    throw new ConfigError([...new Set([...mistakes, ...error.mistakes])]);
  }
}

/** Takes the secrets out of the environment, which every process that we start would be given otherwise. */
export function forgetSecrets(): void {
  for (const name of ["OWNER_PASSPHRASE", "AGENT_TOKEN"]) delete process.env[name];
}

/** Whether npm runs us as one of the package's scripts. */
export const isRunByNpm = (): boolean => process.env["npm_lifecycle_event"] !== undefined;
