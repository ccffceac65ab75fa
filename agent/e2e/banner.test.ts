import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort, openPairingPage, passphrase } from "./rigs/owner-browser.ts";
import { createPrograms, type Program } from "./rigs/programs.ts";

/** What `AUTH=on OWNER_PASSPHRASE=… npm start` says is done word for word. */

const folder = mkdtempSync(join(tmpdir(), "tws-edge-banner-"));
const programs = createPrograms(folder, () => ({ TWS_EDGE_KEY: join(folder, "key.json") }));
let url: string;
let started: Program;

beforeAll(async () => {
  const port = String(await freePort());
  url = `http://127.0.0.1:${port}`;
  started = programs.run(["start"], { AUTH: "on", OWNER_PASSPHRASE: passphrase, SERVER_PORT: port });
  await started.line(/Stop with Ctrl-C/);
});
afterAll(async () => {
  await programs.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The words of a line that begins so, as a shell would part them. */
async function lineFor(start: string): Promise<string> {
  const [, rest = ""] = await started.line(new RegExp(`^ *${start}(.*)$`));
  return rest;
}
const wordsOf = (line: string): string[] => line.trim().split(/ +/);

test("it says where the owner looks after access, and nothing that answers 401", async () => {
  expect(started.said()).toContain(`${url}/grants`);
  expect(started.said()).toContain(`${url}/pair`);
  expect(started.said()).toContain(`claude mcp add --transport http tws-edge ${url}/api/v1/mcp`);
  expect(started.said()).not.toContain(passphrase);
  for (const line of started
    .said()
    .split("\n")
    .filter((one) => one.includes("curl -X"))) {
    expect(line).toContain('-H "Authorization: Bearer $TOKEN"');
  }
  const front = await (await fetch(url)).text();
  expect(front).toContain(`${url}/grants`);
  expect(front).toContain('-H "Authorization: Bearer $TOKEN"');
});

test("its lines for curl lead to the agent of this computer", async () => {
  const command = "npm run -s tws-edge -- ";
  const pairing = programs.run(["pair", ...wordsOf(await lineFor(`${command}pair`))]);
  const [, code = ""] = await pairing.line(/Code: (\S+)/);
  const pairingPage = await openPairingPage(url);
  const page = await (await pairingPage.submit({ do: "find", code })).text();
  const [, host = ""] = /<option value="([^"]*)"[^>]*>this computer</.exec(page) ?? [];
  expect((await pairingPage.submit({ do: "accept", code, host })).status).toBe(303);
  await pairing.line(/as the host "this computer"/);

  const [create = ""] = (await lineFor(`TOKEN=\\$\\(${command}`)).split(")");
  const made = programs.run(wordsOf(create));
  expect(await made.exited).toBe(0);
  const curl = await lineFor("curl ");
  const script = `TOKEN=${made.out().trim()}; curl -s ${curl}`;
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", script]);
  expect(stdout).toContain('"is_connected":true');
  expect(stdout).toContain("DU1234567");
});

test("the host of this computer can be renamed, and its agent stays connected", async () => {
  const pairingPage = await openPairingPage(url);
  expect((await pairingPage.submit({ do: "rename", host: "default", name: "Study" })).status).toBe(303);
  const page = await pairingPage.page();
  expect(page).toContain("<legend>Study</legend>");
  expect(page).not.toContain("<legend>this computer</legend>");
  expect(page).toContain("connected.");
});
