import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { EmbeddedEdge } from "../local/embedded-edge.ts";
import { openPairingPage, startBareEdge } from "./rigs/owner-browser.ts";
import { createPrograms } from "./rigs/programs.ts";

/** `tws-edge rotate-key` beside a running agent, and after it was interrupted. */

const folder = mkdtempSync(join(tmpdir(), "tws-edge-rotation-"));
const keyFile = join(folder, "key.json");

let edge: EmbeddedEdge;
const programs = createPrograms(folder, () => ({ TWS_EDGE_KEY: keyFile, EDGE_URL: edge.origin }));
const { run } = programs;

beforeAll(async () => {
  edge = await startBareEdge();
  const pairingPage = await openPairingPage(edge.origin);
  const page = await (await pairingPage.submit({ do: "offer", name: "Desk" })).text();
  const [, code = ""] = /--code ([\w-]+)/.exec(page) ?? [];
  await run(["pair", edge.origin, "--code", code]).line(/Paired/);
});

afterAll(async () => {
  await programs.close();
  await edge.close();
  rmSync(folder, { recursive: true, force: true });
});

const connections = (said: string): number => said.split("link.connected").length - 1;

test("gives the machine a new key, with which a running agent connects again by itself", async () => {
  const agent = run(["agent"], { TWS_PORT: "1", LOG_LEVEL: "debug" });
  await agent.line(/link\.connected/);
  const before = readFileSync(keyFile, "utf8");
  const rotation = run(["rotate-key"]);
  const [, fingerprint = ""] = await rotation.line(/key is now: (\S+)/);
  expect(await rotation.exited).toBe(0);
  expect(readFileSync(keyFile, "utf8")).not.toBe(before);
  expect([statSync(keyFile).mode & 0o777, existsSync(`${keyFile}.new`)]).toEqual([0o600, false]);
  await agent.line(/This machine has a new key/);
  await expect.poll(() => connections(agent.said()), { timeout: 20_000 }).toBe(2);
  expect(await (await openPairingPage(edge.origin)).page()).toContain(fingerprint);
  expect(await run(["token", "create", "--ttl", "1h", "--quiet"]).exited).toBe(0);
});

test("goes on where it was when the edge took the key and its answer was lost", async () => {
  const old = join(folder, "old.json");
  copyFileSync(keyFile, old);
  expect(await run(["rotate-key"]).exited).toBe(0);
  // as it was on the disk when the answer should have come
  copyFileSync(keyFile, `${keyFile}.new`);
  const taken = readFileSync(keyFile, "utf8");
  copyFileSync(old, keyFile);
  expect(await run(["token", "list"]).exited).toBe(1);
  expect(await run(["rotate-key"]).exited).toBe(0);
  expect(readFileSync(keyFile, "utf8")).toBe(taken);
  expect(await run(["token", "list"]).exited).toBe(0);
});

test("says what it needs, and changes nothing where the edge does not answer", async () => {
  const before = readFileSync(keyFile, "utf8");
  const without = run(["rotate-key"], { EDGE_URL: "" });
  expect([await without.exited, without.said()]).toEqual([2, expect.stringContaining("set EDGE_URL")]);
  expect(await run(["rotate-key", "--edge", "http://127.0.0.1:1"]).exited).toBe(1);
  expect(readFileSync(keyFile, "utf8")).toBe(before);
});
