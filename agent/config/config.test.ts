import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ConfigError, type Environment, parseLinkConfig, parseStartConfig } from "./config.ts";
import { usualBounds } from "../limits/limits.ts";
import { limitVariables } from "./limit-variables.ts";

function mistakesOf(parse: (env: Environment) => unknown, env: Environment): readonly string[] {
  try {
    parse(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

test("an empty environment gives the documented defaults and the simulator", () => {
  expect(parseStartConfig({})).toEqual({
    tws: null,
    clientId: 1,
    paperAccount: null,
    trading: "paper",
    limits: { ...usualBounds, trading: "paper", onlyAccount: null },
    journalFile: join(homedir(), ".config", "tws-edge", "journal.db"),
    journalKeepDays: null,
    agentsFolder: "/tmp",
    agentToken: null,
    logLevel: null,
    simSeed: 1,
    server: {
      host: "127.0.0.1",
      isPublishedOnLoopback: false,
      port: 8000,
      allowedOrigins: [],
      publicUrl: null,
      securityContact: null,
      owner: null,
    },
  });
});

test.each([
  [{ TWS_PORT: "7497" }, { host: "127.0.0.1", port: 7497 }],
  [{ TWS_HOST: "10.0.0.5" }, { host: "10.0.0.5", port: 4002 }],
  [
    { TWS_HOST: " tws.lan ", TWS_PORT: " 4001 " },
    { host: "tws.lan", port: 4001 },
  ],
  [{ TWS_HOST: "", TWS_PORT: "" }, null],
])("%j connects to %j", (env, tws) => {
  expect(parseStartConfig(env).tws).toEqual(tws);
});

test("reports every mistake at once, by name, with what is allowed", () => {
  const mistakes = mistakesOf(parseStartConfig, {
    TWS_PORT: "99999",
    TWS_CLIENT_ID: "-1",
    TWS_PAPER_ACCOUNT: "U1234567",
    SERVER_PORT: "http",
    ALLOWED_ORIGINS: "https://good.example,https://bad.example/path",
    PUBLIC_URL: "tws.example.com",
    AUTH: "maybe",
    TRADING: "yes",
    LOG_LEVEL: "loud",
    SIM_SEED: "1.5",
  });
  expect(mistakes.map((mistake) => mistake.split(" ")[0])).toEqual([
    "TWS_PORT",
    "TWS_CLIENT_ID",
    "TWS_PAPER_ACCOUNT",
    "TRADING",
    "LOG_LEVEL",
    "SIM_SEED",
    "AUTH",
    "SERVER_PORT",
    "ALLOWED_ORIGINS",
    "PUBLIC_URL",
  ]);
  expect(mistakes[0]).toBe(
    'TWS_PORT is "99999". Allowed: a port from 1 to 65535 (TWS 7496 live, 7497 paper; Gateway 4001 live, 4002 paper).',
  );
});

test("the limits are read as the owner writes them", () => {
  const { limits, journalFile, journalKeepDays } = parseStartConfig({
    TRADING: "live",
    LIMIT_ACCOUNTS: "DU1234567, u1234567",
    LIMIT_SEC_TYPES: "stk,OPT",
    LIMIT_SYMBOLS: "AAPL, BRK B ,eur.usd,",
    LIMIT_SYMBOLS_DENIED: "GME",
    LIMIT_ORDER_TYPES: "LMT, stp lmt",
    LIMIT_ORDER_QUANTITY: "0.5",
    LIMIT_ORDER_VALUE: "25000",
    LIMIT_PRICE_DISTANCE: "7.5",
    LIMIT_DAY_VALUE: "100000.50",
    LIMIT_ORDERS_PER_MINUTE: "10",
    LIMIT_OPEN_ORDERS: "20",
    LIMIT_DAY_LOSS: "1500",
    APPROVAL: "always",
    APPROVAL_ABOVE: "0",
    APPROVAL_WINDOW: "8h",
    APPROVAL_AT: "host",
    TWS_EDGE_JOURNAL: "/var/lib/tws-edge/journal.db",
    JOURNAL_KEEP_DAYS: "90",
  });
  expect(limits).toEqual({
    trading: "live",
    onlyAccount: null,
    accounts: ["DU1234567", "U1234567"],
    secTypes: ["STK", "OPT"],
    symbols: ["AAPL", "BRK B", "EUR.USD"],
    symbolsDenied: ["GME"],
    orderTypes: ["LMT", "STP LMT"],
    orderQuantity: 0.5,
    orderValue: 25_000,
    priceDistancePercent: 7.5,
    dayValue: 100_000.5,
    ordersPerMinute: 10,
    openOrders: 20,
    dayLoss: 1_500,
    approval: "always",
    approvalAbove: 0,
    approvalWindowMs: 8 * 3_600_000,
    approvalAt: "host",
  });
  expect(journalFile).toBe("/var/lib/tws-edge/journal.db");
  expect(journalKeepDays).toBe(90);
});

test("a journal is kept for the week in which outcomes are revised, and a day more", () => {
  expect(parseStartConfig({ JOURNAL_KEEP_DAYS: "8" }).journalKeepDays).toBe(8);
  expect(mistakesOf(parseStartConfig, { JOURNAL_KEEP_DAYS: "7" })).toEqual([
    'JOURNAL_KEEP_DAYS is "7". Allowed: a whole number of days from 8 to 36500.',
  ]);
});

test("every limit that is not what it may be is reported by name", () => {
  const wrong = {
    LIMIT_ACCOUNTS: "my account",
    LIMIT_SEC_TYPES: "STOCK",
    LIMIT_SYMBOLS: ", ,",
    LIMIT_SYMBOLS_DENIED: ",",
    LIMIT_ORDER_TYPES: "LIMIT",
    LIMIT_ORDER_QUANTITY: "0",
    LIMIT_ORDER_VALUE: "25,000",
    LIMIT_PRICE_DISTANCE: "5%",
    LIMIT_DAY_VALUE: "-1",
    LIMIT_ORDERS_PER_MINUTE: "0",
    LIMIT_OPEN_ORDERS: "1.5",
    LIMIT_DAY_LOSS: "1e3",
    APPROVAL: "yes",
    APPROVAL_ABOVE: "USD 5",
    APPROVAL_WINDOW: "0h",
    APPROVAL_AT: "edge",
  };
  const reported = mistakesOf(parseLinkConfig, { EDGE_URL: "https://edge.example", ...wrong });
  expect(new Set(reported.map((mistake) => mistake.split(" ")[0]))).toEqual(new Set(Object.keys(wrong)));
  expect(new Set(Object.keys(wrong))).toEqual(new Set(Object.keys(limitVariables)));
  expect(reported).toContain(
    `LIMIT_ORDER_VALUE is "25,000". Allowed: ${limitVariables.LIMIT_ORDER_VALUE.allowed}.`,
  );
});

test.each([
  ["LIMIT_ORDERVALUE", "LIMIT_ORDER_VALUE"],
  ["LIMIT_DAY_LOSSES", "LIMIT_DAY_LOSS"],
  ["APPROVALS_ABOVE", "APPROVAL_ABOVE"],
  ["APROVAL", "APPROVAL"],
  ["TRADNG", "TRADING"],
  ["TRAIDNG", "TRADING"],
  ["TWS_PRT", "TWS_PORT"],
  ["TWS_EDGE_JOURNL", "TWS_EDGE_JOURNAL"],
  ["SERVER_PROT", "SERVER_PORT"],
  ["OWNER_PASPHRSE", "OWNER_PASSPHRASE"],
  ["AGNT_TOKN", "AGENT_TOKEN"],
  ["PUBLIC_ULR", "PUBLIC_URL"],
  ["LOGLEVEL", "LOG_LEVEL"],
  ["AUHT", "AUTH"],
  ["AUT", "AUTH"],
  ["trading", "TRADING"],
  ["Limit_Order_Value", "LIMIT_ORDER_VALUE"],
  ["auth", "AUTH"],
])("%s is no variable, and a start with it would pass over what %s was to say", (name, meant) => {
  const mistakes = mistakesOf(parseStartConfig, { [name]: "1000" });
  expect(mistakes).toHaveLength(1);
  expect(mistakes[0]).toContain(name);
  expect(mistakes[0]).toContain(meant);
});

test("variables of other programs are none of ours", () => {
  const names =
    "PATH HOME EDITOR USER SHELL LANG TERM PWD HOST PORT AUTO OAUTH AUTH_TOKEN XAUTHORITY PAGE_URL BASE_URL NODE_ENV LOGNAME PUBLIC_KEY GITHUB_TOKEN SSH_AUTH_SOCK DEBUG_LEVEL npm_config_loglevel npm_package_name npm_lifecycle_event INIT_CWD";
  const env = Object.fromEntries(names.split(" ").map((name) => [name, "1"]));
  expect(mistakesOf(parseStartConfig, env)).toEqual([]);
});

test("a list of accounts without the only account would let nothing be traded", () => {
  const mistakes = mistakesOf(parseStartConfig, {
    TWS_PAPER_ACCOUNT: "DU1234567",
    LIMIT_ACCOUNTS: "DU7654321",
  });
  expect(mistakes).toHaveLength(1);
  expect(mistakes[0]).toContain("LIMIT_ACCOUNTS is without DU1234567");
});

test.each(["0.0.0.0", "::", "127.0.0.2", "192.168.1.20", "my-machine"])(
  "refuses to listen on %s without login",
  (host) => {
    const [mistake, ...others] = mistakesOf(parseStartConfig, { SERVER_HOST: host });
    expect(mistake).toContain("AUTH is off");
    expect(others).toEqual([]);
  },
);

test.each([
  "foo:bar",
  "tws.lan:7497",
  "127.0.0.1:4002",
  "[::1]:4002",
  "http://tws.lan",
  "[tws]x",
  "::g",
  "a b",
])("TWS_HOST=%s is no host, and the mistake says so by name", (TWS_HOST) => {
  expect(mistakesOf(parseStartConfig, { TWS_HOST })).toEqual([
    `TWS_HOST is ${JSON.stringify(TWS_HOST)}. Allowed: a host name or IP address, without scheme or port.`,
  ]);
});

test.each([
  ["fd00::5", "fd00::5"],
  ["[::1]", "::1"],
  ["my_tws.lan", "my_tws.lan"],
])("TWS_HOST=%s is taken", (TWS_HOST, host) => {
  expect(parseStartConfig({ TWS_HOST }).tws?.host).toBe(host);
});

test.each([
  ["127.0.0.1", "127.0.0.1"],
  ["localhost", "localhost"],
  ["::1", "::1"],
  ["[::1]", "::1"],
])("listens on %s without login", (SERVER_HOST, host) => {
  expect(parseStartConfig({ SERVER_HOST }).server.host).toBe(host);
});

test("listens everywhere inside a container without login where its port is published on loopback alone", () => {
  expect(parseStartConfig({ SERVER_PUBLISHED: "loopback" }).server).toMatchObject({
    host: "0.0.0.0",
    isPublishedOnLoopback: true,
    owner: null,
  });
  expect(mistakesOf(parseStartConfig, { SERVER_PUBLISHED: "0.0.0.0" })).toEqual([
    expect.stringContaining("published on 127.0.0.1 alone"),
  ]);
});

describe("AUTH=on", () => {
  const owner = { AUTH: "on", OWNER_PASSPHRASE: "correct horse battery" };

  test("needs a passphrase, and off this machine also the address of the edge", () => {
    for (const OWNER_PASSPHRASE of ["", "short"]) {
      const [mistake, ...others] = mistakesOf(parseStartConfig, { AUTH: "on", OWNER_PASSPHRASE });
      expect([mistake, others]).toEqual([expect.stringContaining("OWNER_PASSPHRASE"), []]);
    }
    expect(mistakesOf(parseStartConfig, { ...owner, SERVER_HOST: "0.0.0.0" })).toEqual([
      expect.stringContaining("PUBLIC_URL"),
    ]);
  });

  test.each([
    [{ OWNER_PASSPHRASE: "correct horse battery" }, "nobody would be asked for it"],
    [{ PUBLIC_URL: "https://tws.example.com" }, "whoever reaches it could trade"],
  ])("is refused where %j says that it is meant, and nothing says that it is off", (env, words) => {
    expect(mistakesOf(parseStartConfig, env)).toEqual([expect.stringContaining(words)]);
    expect(parseStartConfig({ ...env, AUTH: "off" }).server.owner).toBeNull();
  });

  test("lets the edge be reached by other machines", () => {
    const PUBLIC_URL = "https://tws.example.com";
    expect(parseStartConfig({ ...owner, SERVER_HOST: "0.0.0.0", PUBLIC_URL }).server).toMatchObject({
      publicUrl: PUBLIC_URL,
      owner: { kind: "passphrase", passphrase: owner.OWNER_PASSPHRASE },
    });
  });

  test("takes this machine's own address where no other is given", () => {
    expect(parseStartConfig({ ...owner, SERVER_PUBLISHED: "loopback" }).server.publicUrl).toBe(
      "http://127.0.0.1:8000",
    );
    expect(parseStartConfig({ ...owner, SERVER_PORT: "9000" }).server.publicUrl).toBe(
      "http://127.0.0.1:9000",
    );
  });

  test("says nothing of the secret in a mistake", () => {
    const mistakes = mistakesOf(parseStartConfig, { AUTH: "on", OWNER_PASSPHRASE: "secret-one" });
    expect(mistakes.join()).not.toContain("secret-one");
  });
});

test("never shows a secret, even a wrong one", () => {
  const mistakes = mistakesOf(parseStartConfig, { AGENT_TOKEN: "hunter2 hunter2" });
  expect(mistakes).toHaveLength(1);
  expect(mistakes[0]).toContain("AGENT_TOKEN is not valid");
  expect(mistakes[0]).not.toContain("hunter2");
});

test.each([
  ["https://edge.example.com", "wss://edge.example.com/api/v1/agent"],
  ["https://edge.example.com/", "wss://edge.example.com/api/v1/agent"],
  ["wss://edge.example.com/api/v1/agent", "wss://edge.example.com/api/v1/agent"],
  ["http://127.0.0.1:8787", "ws://127.0.0.1:8787/api/v1/agent"],
  ["ws://localhost:8787/other", "ws://localhost:8787/other"],
])("the edge %s is dialled at %s", (EDGE_URL, edgeUrl) => {
  expect(parseLinkConfig({ EDGE_URL }).edgeUrl).toBe(edgeUrl);
});

test.each([
  "http://edge.example.com",
  "ws://10.0.0.1",
  "ftp://x.example",
  "edge",
  "https://user:pw@x.example",
])("refuses %s as the edge, where the token would be in the clear or nothing is", (EDGE_URL) => {
  expect(mistakesOf(parseLinkConfig, { EDGE_URL })).toHaveLength(1);
});

test("an agent alone needs to know its edge, and says so together with other mistakes", () => {
  const mistakes = mistakesOf(parseLinkConfig, { TWS_PORT: "x" });
  expect(mistakes).toHaveLength(2);
  expect(mistakes[1]).toContain("EDGE_URL is not set");
});

test("AGENT_TOKEN has no place beside sign-in", () => {
  const env = { AUTH: "on", OWNER_PASSPHRASE: "correct horse battery", AGENT_TOKEN: "a-token-of-the-test" };
  expect(mistakesOf(parseStartConfig, env).join("\n")).toContain("AGENT_TOKEN is set, and AUTH is on");
  expect(parseStartConfig({ AGENT_TOKEN: env.AGENT_TOKEN }).agentToken).toBe(env.AGENT_TOKEN);
});
