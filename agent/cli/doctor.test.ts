import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { type CommandPlace, createCommandPlace } from "./command.fixture.ts";
import { loadOrCreateKey } from "../link/machine-key.ts";
import { openJournalFile } from "../journal/database.ts";
import { intentOf } from "../journal/journal.fixture.ts";
import { createJournal } from "../journal/journal.ts";
import { createKillSwitch } from "../journal/kill-switch.ts";
import { startSimulator } from "../simulator/server.ts";

let place: CommandPlace;
const closers: (() => unknown)[] = [];
beforeEach(() => {
  place = createCommandPlace();
});
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  place.remove();
});

const journalPath = () => join(place.folder, ".config", "tws-edge", "journal.db");
const keyPath = () => join(place.folder, ".config", "tws-edge", "key.json");

const Findings = z.array(
  z.object({ about: z.string(), state: z.string(), words: z.string(), nextStep: z.string() }),
);

/** What was found, by what it is about. */
async function examine(env: Readonly<Record<string, string>>) {
  const { code, out } = await place.run(["doctor", "--json"], env);
  const findings = Findings.parse(JSON.parse(out));
  return { code, of: (about: string) => findings.filter((finding) => finding.about === about) };
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => void server.close());
  return `http://127.0.0.1:${z.object({ port: z.int() }).parse(server.address()).port}`;
}

const edgeThatIs = (status: string) =>
  serve((request, response) => {
    response.end(request.url === "/health" ? JSON.stringify({ status, version: "1" }) : "");
  });

async function runningTws(isReadOnly = false): Promise<string> {
  const simulator = await startSimulator({ port: 0 });
  simulator.faults.readOnly(isReadOnly);
  closers.push(() => simulator.close());
  return String(simulator.port);
}

/** A port on which nothing listens. */
async function deadPort(): Promise<string> {
  const simulator = await startSimulator({ port: 0 });
  await simulator.close();
  return String(simulator.port);
}

test("all that is right is said, and the exit code is 0", async () => {
  await loadOrCreateKey(keyPath());
  const file = openJournalFile({ path: journalPath(), exclusive: true });
  closers.push(() => file.close());
  const env = { TWS_PORT: await runningTws(), EDGE_URL: await edgeThatIs("healthy") };
  const { code, of } = await examine(env);
  for (const about of ["node", "journal", "key", "tws", "edge"]) {
    expect(of(about)).toMatchObject([{ state: "ok", nextStep: "" }]);
  }
  expect(of("configuration")).toMatchObject([
    { state: "ok", words: "Every variable can be understood." },
    {
      state: "ok",
      words: expect.stringContaining("In force: TRADING=paper; LIMIT_ORDERS_PER_MINUTE=120; APPROVAL=live"),
    },
  ]);
  expect(of("journal")).toMatchObject([
    { words: `${journalPath()} can be read and written; an agent has it open.` },
  ]);
  expect(code).toBe(0);
  expect(createJournal(file, Date.now).audit.head().seq).toBe(0);
  const { out } = await place.run(["doctor"], env);
  expect(out).toContain(`ok     tws: 127.0.0.1:${env.TWS_PORT} answers as a TWS (API version 193).\n`);
});

test("on a new machine nothing is wrong: the simulator stands in, and nothing is made", async () => {
  const { code, of } = await examine({ SERVER_PORT: await deadPort() });
  expect(of("tws")).toMatchObject([
    { state: "note", words: "None is configured, so the simulator stands in." },
  ]);
  expect(of("journal")).toMatchObject([{ state: "note" }]);
  expect(of("edge")).toMatchObject([{ state: "note", nextStep: expect.stringContaining("npm start") }]);
  expect(code).toBe(0);
});

test("each mistake in the configuration is named, and the rest is looked at all the same", async () => {
  const { code, of } = await examine({
    TRADING: "nonsense",
    LOG_LEVEL: "loud",
    TWS_PORT: await runningTws(),
  });
  expect(of("configuration")).toMatchObject([
    { state: "wrong", words: expect.stringContaining('TRADING is "nonsense"') },
    { state: "wrong", words: expect.stringContaining('LOG_LEVEL is "loud"') },
  ]);
  expect(of("tws")).toMatchObject([{ state: "ok" }]);
  expect(code).toBe(1);
});

test("TWS that is not there is wrong, with what to do", async () => {
  const port = await deadPort();
  const { code, out, err } = await place.run(["doctor"], { TWS_PORT: port });
  expect(out).toContain(
    `WRONG  tws: 127.0.0.1:${port} accepts no connection (ECONNREFUSED).\n       Start TWS`,
  );
  expect(err).toBe("Wrong: 1.\n");
  expect(code).toBe(1);
});

/** A port where something answers every connection with these bytes; null closes it. */
async function portThatSays(bytes: string | null): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => socket.destroy());
    if (bytes === null) socket.end();
    else socket.write(bytes, "latin1");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => void server.close());
  return String(z.object({ port: z.int() }).parse(server.address()).port);
}

test.each([
  ["\r\nlogin: ", "is no TWS: another program answers there."],
  ["\xff\xfd\x18\xff\xfd\x20", "is no TWS: another program answers there."],
  [null, "closes the connection without an answer"],
  ["", "does not answer the API handshake within 3 s"],
])("a port that answers %j is wrong, with what to do", async (bytes, words) => {
  const port = await portThatSays(bytes);
  const { code, of } = await examine({ TWS_PORT: port });
  expect(of("tws")).toMatchObject([
    { state: "wrong", words: expect.stringContaining(words), nextStep: expect.stringContaining("TWS_PORT") },
  ]);
  expect(code).toBe(1);
});

test("an edge elsewhere that is not there, not ready, or something else is wrong", async () => {
  const agent = { AGENT_TOKEN: "a-shared-secret-of-both-sides" };
  const found = async (edge: string) => (await examine({ ...agent, EDGE_URL: edge })).of("edge");
  expect(await found(`http://127.0.0.1:${await deadPort()}`)).toMatchObject([
    { state: "wrong", words: expect.stringContaining("ECONNREFUSED") },
  ]);
  expect(await found(await edgeThatIs("misconfigured"))).toMatchObject([
    { state: "wrong", words: expect.stringContaining("is misconfigured") },
  ]);
  for (const status of ["degraded", "unavailable"]) {
    expect(await found(await edgeThatIs(status))).toMatchObject([
      { state: "note", words: expect.stringContaining(`of the agent and TWS it says: ${status}`) },
    ]);
  }
  expect(await found(await serve((_, response) => response.end("<p>welcome</p>")))).toMatchObject([
    { state: "wrong", words: expect.stringContaining("it is something else") },
  ]);
});

test("a key that others can read is wrong, and so is none where one is needed", async () => {
  const edge = await edgeThatIs("healthy");
  expect((await examine({ EDGE_URL: edge })).of("key")).toMatchObject([
    { state: "wrong", nextStep: expect.stringContaining("tws-edge pair") },
  ]);
  await loadOrCreateKey(keyPath());
  chmodSync(keyPath(), 0o644);
  const { code, of } = await examine({ EDGE_URL: edge });
  expect(of("key")).toMatchObject([{ state: "wrong", nextStep: expect.stringContaining("chmod 600") }]);
  expect(code).toBe(1);
});

test("a journal that is damaged is wrong, and is left as it is", async () => {
  mkdirSync(dirname(journalPath()), { recursive: true });
  writeFileSync(journalPath(), "no database".repeat(1_000));
  const { code, of } = await examine({ TWS_PORT: await runningTws() });
  expect(of("journal")).toMatchObject([{ state: "wrong", words: expect.stringContaining("not a database") }]);
  expect(code).toBe(1);
});

test("a journal with a damaged row, which keeps every order from being sent, is wrong", async () => {
  const file = openJournalFile({ path: journalPath(), exclusive: false });
  createJournal(file, Date.now).receive(intentOf("ag1:a"));
  file.write("damage", (db) => db.exec("UPDATE intent SET kind = 'plaice'"));
  file.close();
  const { of } = await examine({ TWS_PORT: await runningTws() });
  expect(of("journal")).toMatchObject([
    { state: "wrong", words: expect.stringContaining("a row in it is damaged") },
  ]);
});

test("a journal that can be read and not written is wrong", async () => {
  const file = openJournalFile({ path: journalPath(), exclusive: false });
  closers.push(() => file.close());
  const db = new DatabaseSync(journalPath());
  closers.push(() => db.close());
  db.exec("BEGIN IMMEDIATE");
  const { code, of } = await examine({ TWS_PORT: await runningTws() });
  expect(of("journal")).toMatchObject([{ state: "wrong", words: expect.stringContaining("is locked") }]);
  expect(code).toBe(1);
});

test("stopped orders and unknown ones are notes, and a broken trail is wrong", async () => {
  const file = openJournalFile({ path: journalPath(), exclusive: false });
  closers.push(() => file.close());
  createKillSwitch(file, Date.now).freeze("host", "");
  const journal = createJournal(file, Date.now);
  journal.receive(intentOf("ag1:a"));
  journal.sending("ag1:a");
  const env = { TWS_PORT: await runningTws() };
  expect((await examine(env)).of("journal")).toMatchObject([
    { state: "ok", words: expect.stringContaining("no agent has it open") },
    { state: "note", words: expect.stringContaining("New orders are stopped since") },
    { state: "note", words: "Of 1 order it is not known whether TWS has it." },
  ]);
  file.write("tamper", (db) => db.exec("UPDATE audit SET account = 'U1' WHERE seq = 2"));
  const { code, of } = await examine(env);
  expect(of("journal").at(-1)).toMatchObject({
    state: "wrong",
    words: "The audit trail is broken at entry 2.",
  });
  expect(code).toBe(1);
});

test("its help and its mistakes", async () => {
  expect(await place.run(["doctor", "--help"])).toMatchObject({ code: 0, err: "" });
  expect(await place.run(["doctor", "now"])).toMatchObject({ code: 2, out: "" });
});

test.each([
  ["off", 0, "note"],
  ["paper", 1, "wrong"],
] as const)("a read-only API is told; with TRADING=%s the exit code is %i", async (trading, code, state) => {
  const found = await examine({ TWS_PORT: await runningTws(true), TRADING: trading });
  expect(found.of("tws")).toMatchObject([
    {
      state,
      words: expect.stringContaining("read-only"),
      nextStep: expect.stringContaining("turn off Read-Only API"),
    },
  ]);
  expect(found.code).toBe(code);
});
