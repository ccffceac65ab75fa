import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { subprotocol } from "../../shared/protocol.ts";
import { parseStartConfig } from "../config/config.ts";
import { simulatorJournal } from "../config/journal-path.ts";
import { workerSettings } from "./embedded-edge.ts";
import { type Local, type LocalOptions, startLocal } from "./local.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(options: Partial<LocalOptions> = {}): Promise<Local> {
  const config = parseStartConfig({ SERVER_PORT: "0" });
  const local = await startLocal({ config, persistTo: null, ...options });
  closers.push(() => local.close());
  return local;
}

const Answer = z.object({ result: z.object({ structuredContent: z.record(z.string(), z.unknown()) }) });

async function callTool({ mcpUrl }: Local, name: string): Promise<Record<string, unknown>> {
  const response = await fetch(mcpUrl, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: {} } }),
  });
  return Answer.parse(await response.json()).result.structuredContent;
}

/** The HTTP status with which the edge answers a WebSocket upgrade; 101 when it accepts. */
async function upgradeStatus(url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(url, subprotocol, { headers });
  const { promise, resolve } = Promise.withResolvers<number>();
  socket.on("open", () => resolve(101));
  socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
  socket.on("error", () => {});
  const status = await promise;
  socket.terminate();
  return status;
}

test("a call passes through edge, agent and simulator", async () => {
  const local = await start();
  expect(await callTool(local, "ibkr_get_managed_accounts")).toMatchObject({
    accounts: ["DU1234567"],
    modes: { DU1234567: "paper" },
  });
});

test("several run side by side in one process, and leave its signal handlers alone", async () => {
  const before = process.listenerCount("SIGTERM");
  const [a, b] = await Promise.all([start(), start({ simulator: { accounts: ["DU7", "DU8"] } })]);
  expect(a.port).not.toBe(b.port);
  expect(await callTool(a, "ibkr_get_managed_accounts")).toMatchObject({ accounts: ["DU1234567"] });
  expect(await callTool(b, "ibkr_get_managed_accounts")).toMatchObject({ accounts: ["DU7", "DU8"] });
  expect(process.listenerCount("SIGTERM")).toBe(before);
});

test("in a container it answers under names of loopback alone, whatever address it listens on", async () => {
  const config = parseStartConfig({ SERVER_PORT: "0", SERVER_PUBLISHED: "loopback" });
  const local = await start({ config });
  expect(local.url).toBe(`http://127.0.0.1:${local.port}`);
  expect(await callTool(local, "ibkr_get_managed_accounts")).toMatchObject({ accounts: ["DU1234567"] });
  const stream = `ws://127.0.0.1:${local.port}/api/v1/stream/market-data`;
  expect(await upgradeStatus(stream, { Host: "172.31.78.2:8000" })).toBe(403);
  expect(await upgradeStatus(stream, { Origin: "https://evil.example" })).toBe(403);
});

test("nobody can pose as the agent who does not know its token", async () => {
  const local = await start();
  const url = `${local.url.replace("http", "ws")}/api/v1/agent`;
  expect(await upgradeStatus(url, {})).toBe(401);
  expect(await upgradeStatus(url, { Authorization: "Bearer wrong-wrong-wrong-wrong" })).toBe(401);
  expect(await upgradeStatus(url, { Authorization: `Bearer ${local.agentToken}` })).toBe(101);
});

test("works while TWS is away: status answers, and a call says that TWS is offline", async () => {
  const config = parseStartConfig({ SERVER_PORT: "0", TWS_PORT: "1" });
  const local = await start({ config });
  expect(local.simulator).toBeNull();
  expect(await callTool(local, "ibkr_get_status")).toMatchObject({ is_connected: false, isSimulator: false });
  expect(await callTool(local, "ibkr_get_current_time")).toMatchObject({ error: { code: "tws_offline" } });
});

test("the edge hears of every change of the session with TWS", async () => {
  const local = await start();
  expect(await callTool(local, "ibkr_disconnect")).toEqual({ status: "stopped" });
  expect(await callTool(local, "ibkr_get_status")).toMatchObject({ tws: { state: "stopped" } });
  expect(await callTool(local, "ibkr_connect")).toMatchObject({ status: "connected" });
  expect(await callTool(local, "ibkr_get_status")).toMatchObject({ is_connected: true });
});

test("keeps what the edge stores in the folder it is given", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-test-"));
  closers.push(() => rmSync(folder, { recursive: true }));
  await start({ persistTo: folder });
  expect(readdirSync(join(folder, "do"))).toContain("tws-edge-TwsHost");
});

test("a taken port is one plain sentence, and nothing is left running", async () => {
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  closers.push(() => void holder.close());
  const { port } = z.object({ port: z.int() }).parse(holder.address());
  const config = parseStartConfig({ SERVER_PORT: String(port) });
  await expect(startLocal({ config, persistTo: null })).rejects.toThrow(
    `Port ${port} is in use on 127.0.0.1. Choose another: SERVER_PORT=9000 npm start`,
  );
});

test("the embedded Worker is the one that wrangler.toml describes", () => {
  const toml = readFileSync(new URL("../../wrangler.toml", import.meta.url), "utf8");
  const bindings = [...toml.matchAll(/^name = "(\w+)"\nclass_name = "(\w+)"$/gm)];
  expect(Object.fromEntries(bindings.map(([, name, className]) => [name, className]))).toEqual(
    workerSettings.durableObjects,
  );
  expect(toml).toContain(`compatibility_date = "${workerSettings.compatibilityDate}"`);
  expect(toml).toContain(
    `compatibility_flags = [${workerSettings.compatibilityFlags.map((flag) => `"${flag}"`).join(", ")}]`,
  );
});

test("a failed reconciliation is shown as an error without a LOG_LEVEL", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-test-"));
  closers.push(() => rmSync(folder, { recursive: true }));
  const shown: unknown[] = [];
  const failed = Promise.withResolvers<void>();
  const local = await start({
    persistTo: folder,
    write(line) {
      shown.push(JSON.parse(line));
      if (line.includes('"orders.not_reconciled"')) failed.resolve();
    },
  });
  // each session begins with a reconciliation, which needs the journal
  rmSync(join(folder, simulatorJournal));
  local.simulator?.faults.dropConnections();
  await failed.promise;
  expect(shown).toContainEqual(expect.objectContaining({ level: "error", event: "orders.not_reconciled" }));
});

test("shows no event of an ordinary day without a LOG_LEVEL", async () => {
  const shown: string[] = [];
  const local = await start({ write: (line) => shown.push(line) });
  await callTool(local, "ibkr_get_positions");
  await local.close();
  expect(shown).toEqual([]);
});
