import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  ConfigError,
  type Environment,
  parseJournalConfig,
  parseLinkConfig,
  parseStartConfig,
} from "./config.ts";

const fileAt = (name: string): string => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");

/** The variables that a command reads. */
function namesReadBy(parse: (env: Environment) => unknown): Set<string> {
  const read = new Set<string>();
  const env = new Proxy<Record<string, string>>(
    {},
    {
      get: (_target, name) => {
        read.add(String(name));
        return undefined;
      },
    },
  );
  try {
    parse(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
  }
  return read;
}

interface Service {
  /** The text of the service without its name. */
  readonly text: string;
  /** The variables under `environment`, with what they are set to. */
  readonly environment: ReadonlyMap<string, string>;
}

function composeService(name: string): Service {
  const compose = fileAt("docker-compose.yml");
  const settings = /^x-settings: &settings\n((?: {2}.*\n)+)/m.exec(compose)?.[1] ?? "";
  const text = new RegExp(`^  ${name}:\\n((?: {4}.*\\n|\\n)+)`, "m").exec(compose)?.[1] ?? "";
  const own = /^ {4}environment:\n((?: {6}.*\n)+)/m.exec(text)?.[1] ?? "";
  const listed = own.replace("      <<: *settings\n", settings);
  const entries = [...listed.matchAll(/^ +([A-Z_]+): (.*)$/gm)];
  return { text, environment: new Map(entries.map(([, variable = "", value = ""]) => [variable, value])) };
}

/** The variables that a service takes from the shell of whoever starts it, or from .env. */
const passedOn = ({ environment }: Service): Set<string> =>
  new Set([...environment].flatMap(([name, value]) => (value.startsWith(`\${${name}:-`) ? [name] : [])));

test(".env.example lists every variable that configuration reads", () => {
  const listed = [...fileAt(".env.example").matchAll(/^# ?([A-Z_]+)=/gm)].map(([, name]) => name);
  const read = [parseStartConfig, parseLinkConfig, parseJournalConfig].flatMap((parse) => [
    ...namesReadBy(parse),
  ]);
  expect(new Set(listed)).toEqual(new Set(read));
});

test("the container of the agent is given every variable that the agent reads, but paths inside it", () => {
  const { environment } = composeService("agent");
  const passed = passedOn(composeService("agent"));
  const fixed = [...environment].filter(([name]) => !passed.has(name));
  expect(Object.fromEntries(fixed)).toEqual({
    TWS_EDGE_KEY: "/app/.tws-edge/key.json",
    TWS_EDGE_JOURNAL: "/app/.tws-edge/journal.db",
    TWS_EDGE_AGENTS: "/app/.tws-edge",
  });
  expect(new Set(environment.keys())).toEqual(namesReadBy(parseLinkConfig));
});

test("the container of the agent sees the whole of .env, so that a misspelt limit is reported there too", () => {
  expect(composeService("agent").text).toMatch(/^ {4}env_file:\n {6}- path: \.env\n {8}required: false\n/m);
});

test("an agent in a container never takes the simulator for TWS", () => {
  expect(composeService("agent").environment.get("TWS_HOST")).toBe("${TWS_HOST:-host.docker.internal}");
});

test("the container for trying out is given every variable but those that lead out of it", () => {
  const service = composeService("local");
  const leadingOut = [
    // the simulator takes the place of TWS
    "TWS_HOST",
    "TWS_PORT",
    "TWS_CLIENT_ID",
    "TWS_PAPER_ACCOUNT",
    // SERVER_PUBLISHED says where it is reached
    "SERVER_HOST",
    // a secret for an edge elsewhere
    "AGENT_TOKEN",
    // paths outside the container
    "TWS_EDGE_JOURNAL",
    "TWS_EDGE_AGENTS",
  ];
  const read = [...namesReadBy(parseStartConfig)];
  expect(new Set(service.environment.keys())).toEqual(
    new Set(read.filter((name) => !leadingOut.includes(name))),
  );
  expect([...service.environment.keys()].filter((name) => !passedOn(service).has(name))).toEqual([
    "SERVER_PUBLISHED",
  ]);
  expect(service.text).not.toMatch(/^ {4}env_file:/m);
});
