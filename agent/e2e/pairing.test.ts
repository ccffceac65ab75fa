import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import type { EmbeddedEdge } from "../local/embedded-edge.ts";
import { type Simulator, startSimulator } from "../simulator/server.ts";
import { eventually } from "./clients/clients.ts";
import { openPairingPage, startBareEdge } from "./rigs/owner-browser.ts";
import { createPrograms } from "./rigs/programs.ts";

/** The command line, the agent and the owner's pages together, on an edge that asks everyone to sign in. */

const folder = mkdtempSync(join(tmpdir(), "tws-edge-pairing-"));
const keyFile = join(folder, "key.json");

let edge: EmbeddedEdge;
let simulator: Simulator;
let url = "";
const programs = createPrograms(folder, () => ({ TWS_EDGE_KEY: keyFile, EDGE_URL: url }));
const { run } = programs;

beforeAll(async () => {
  simulator = await startSimulator({ port: 0, seed: 7 });
  edge = await startBareEdge();
  url = edge.origin;
});

afterAll(async () => {
  await programs.close();
  await edge.close();
  await simulator.close();
  rmSync(folder, { recursive: true, force: true });
});

async function status(token: string): Promise<unknown> {
  const response = await fetch(`${url}/api/v1/mcp`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"ibkr_get_status","arguments":{}},"id":1}',
  });
  return response.status === 200 ? await response.json() : response.status;
}

test("pairs by a code, connects, makes a token that calls and streams, and revokes it and the key", async () => {
  const pairing = run(["pair", url, "--name", "Test desk"]);
  const [, code = ""] = await pairing.line(/Code: (\S+)/);
  const [, fingerprint = ""] = await pairing.line(/key: (\S+)/);
  const pairingPage = await openPairingPage(url);
  const shown = await (await pairingPage.submit({ do: "find", code })).text();
  expect(shown).toContain(fingerprint);
  expect(shown).toContain('value="Test desk"');
  expect((await pairingPage.submit({ do: "accept", code, name: "Test desk" })).status).toBe(303);
  await pairing.line(/Paired with .* as the host "Test desk"/);
  expect(await pairing.exited).toBe(0);
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  const secret = z.object({ d: z.string() }).parse(JSON.parse(readFileSync(keyFile, "utf8"))).d;

  const agent = run(["agent"], {
    TWS_HOST: simulator.host,
    TWS_PORT: String(simulator.port),
    LOG_LEVEL: "debug",
  });
  const create = run(["token", "create", "--scope", "tws:read", "--ttl", "1h", "--quiet"]);
  expect(await create.exited).toBe(0);
  const token = create.out().trim();
  expect(create.said()).toBe(token);
  expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
  await eventually(
    () => status(token),
    (answer) => JSON.stringify(answer).includes('"is_connected":true'),
  );

  const stream = new WebSocket(`${url.replace("http", "ws")}/api/v1/stream/market-data`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  await once(stream, "message");
  const list = run(["token", "list"]);
  expect(await list.exited).toBe(0);
  const [id = ""] = list.out().split("  ");
  expect(list.out()).toContain("tws:read");
  const ended = once(stream, "close");
  expect(await run(["token", "revoke", id]).exited).toBe(0);
  // told at once; the runtime takes its time to let go of the connection itself
  await eventually(
    async () => stream.readyState,
    (state) => state !== WebSocket.OPEN,
  );
  stream.terminate();
  expect((await ended)[0]).toBe(4401);
  await eventually(
    () => status(token),
    (answer) => answer === 401,
  );

  const [, key = ""] = /name="key" value="([^"]*)"/.exec(await pairingPage.page()) ?? [];
  expect((await pairingPage.submit({ do: "revoke", key })).status).toBe(303);
  await agent.line(/link\.refused.*The owner has revoked this machine's key/);
  const refused = run(["token", "create", "--ttl", "1h"]);
  expect(await refused.exited).toBe(1);
  expect(refused.said()).toContain("The owner has revoked this machine's key.");
  expect(refused.out()).toBe("");
  expect(agent.said()).not.toContain(secret);
});

test("the owner's code needs no second look", async () => {
  const pairingPage = await openPairingPage(url);
  const page = await (await pairingPage.submit({ do: "offer", name: "Second" })).text();
  const [, code = ""] = /--code ([\w-]+)/.exec(page) ?? [];
  // an agent runs here that proves itself by another key: this one is named, so that it is meant
  const env = { TWS_EDGE_KEY: join(folder, "second.json") };
  const pairing = run(["pair", url, "--code", code], env);
  await pairing.line(/as the host "Second"/);
  expect(await pairing.exited).toBe(0);
  const again = run(["pair", url, "--code", code], { TWS_EDGE_KEY: join(folder, "third.json") });
  expect(await again.exited).toBe(1);
  expect(again.said()).toContain("was used");
});

test("an agent that is not paired says what to run", async () => {
  const env = {
    TWS_EDGE_KEY: join(folder, "late.json"),
    TWS_EDGE_JOURNAL: join(folder, "late.db"),
    TWS_PORT: String(simulator.port),
    TWS_CLIENT_ID: "5",
  };
  const agent = run(["agent"], env);
  await agent.line(/This machine has no key.*tws-edge pair http/);
  await agent.line(/link\.refused.*tws-edge pair http/);
  agent.child.kill("SIGTERM");
  expect(await agent.exited).toBe(0);
});

test.each([
  [["pair", "http://example.com"], {}, /is not an address of an edge/, 2],
  [["pair"], { EDGE_URL: "" }, /needs the address of the edge/, 2],
  [["pair", "--code", "12345678"], {}, /eight letters and digits/, 2],
  [["pair", "http://127.0.0.1:1"], {}, /cannot be reached/, 1],
  [["token"], {}, /needs create, list or revoke/, 2],
  [["token", "create"], {}, /needs --ttl/, 2],
  [["token", "create", "--ttl", "59s"], {}, /from 1m to 30d/, 2],
  [["token", "create", "--ttl", "31d"], {}, /from 1m to 30d/, 2],
  [["token", "create", "--ttl", "soon"], {}, /is no time/, 2],
  [["token", "create", "--ttl", "1h", "--scope", "all"], {}, /tws:read or tws:trade/, 2],
  [["token", "create", "--ttl", "1h", "--acounts", "DU1"], {}, /--acounts/, 2],
  [["token", "revoke"], {}, /needs the id/, 2],
  [["token", "list"], { TWS_EDGE_KEY: "/nowhere/key.json" }, /has no key.*\n.*tws-edge pair/, 1],
])("%j is answered in plain words", async (args, env, words, exitCode) => {
  const program = run(args, { TWS_EDGE_KEY: join(folder, "words.json"), ...env });
  expect(await program.exited).toBe(exitCode);
  expect(program.said()).toMatch(words);
  expect(program.said()).not.toContain("    at ");
});
