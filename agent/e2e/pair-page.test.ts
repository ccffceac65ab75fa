import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { EmbeddedEdge } from "../local/embedded-edge.ts";
import { type Simulator, startSimulator } from "../simulator/server.ts";
import { focused, launchBrowser, openPage, shortcomingsOf, tabTo, untilFocused } from "./rigs/chromium.ts";
import { passphrase, startBareEdge } from "./rigs/owner-browser.ts";
import { createPrograms, type Program } from "./rigs/programs.ts";

/** The owner lets a machine in at /pair in a real browser, by the code that `tws-edge pair` shows. */

const folder = mkdtempSync(join(tmpdir(), "tws-edge-pair-page-"));
let edge: EmbeddedEdge;
let simulator: Simulator;
let browser: Browser;
const programs = createPrograms(folder, () => ({
  TWS_EDGE_KEY: join(folder, "key.json"),
  EDGE_URL: edge.origin,
}));

beforeAll(async () => {
  simulator = await startSimulator({ port: 0, seed: 7 });
  edge = await startBareEdge();
  browser = await launchBrowser();
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await programs.close();
  await edge?.close();
  await simulator?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Opens the page as the owner, who types the passphrase. */
async function openPairingPage(page: Page): Promise<void> {
  await page.goto(`${edge.origin}/pair`);
  await untilFocused(page, "passphrase");
  await page.keyboard.type(passphrase);
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:text('TWS hosts')");
}

/** What the terminal shows. */
async function shownBy(pairing: Program) {
  const [, code = ""] = await pairing.line(/Code: (\S+)/);
  const [, words = ""] = await pairing.line(/key: (\S+)/);
  return { code, words };
}

async function enter(page: Page, code: string): Promise<void> {
  await tabTo(page, "code");
  await page.keyboard.type(code);
  await page.keyboard.press("Enter");
}

test("the owner enters a code, compares the words, names the host, and its agent connects", async () => {
  const pairing = programs.run(["pair", edge.origin]);
  const { code, words } = await shownBy(pairing);
  const { page, complaints } = await openPage(browser);
  await openPairingPage(page);
  expect(await shortcomingsOf(page)).toEqual([]);
  await enter(page, code);

  await page.waitForSelector("text=Let this machine in?");
  expect(await shortcomingsOf(page)).toEqual([]);
  expect(words.split("-")).toHaveLength(4);
  expect(await page.textContent("dd code")).toBe(words);
  await tabTo(page, "name");
  await page.keyboard.type("Study");
  await tabTo(page, "do=accept");
  await page.keyboard.press("Enter");
  await page.waitForSelector("legend:text('Study')");
  await pairing.line(/as the host "Study"/);
  expect(await pairing.exited).toBe(0);

  const agent = programs.run(["agent"], { TWS_PORT: String(simulator.port), LOG_LEVEL: "info" });
  await agent.line(/link\.open|link\.welcomed|Connected to TWS/);
  for (;;) {
    await page.reload();
    if ((await page.textContent("fieldset"))?.includes("connected.") === true) break;
  }
  expect(await shortcomingsOf(page)).toEqual([]);
  expect(await page.textContent("fieldset")).toContain(words);

  // and is put out again
  await page.locator("button[value=revoke]").focus();
  expect(await focused(page)).toBe("do=revoke");
  await page.keyboard.press("Space");
  await page.waitForSelector("dt:text('Revoked')");
  await agent.line(/The owner has revoked this machine's key/);
  expect(complaints).toEqual([]);
});

test("a wrong code is answered in words, and the fifth ends what the machine waits for", async () => {
  const pairing = programs.run(["pair", edge.origin], { TWS_EDGE_KEY: join(folder, "other.json") });
  const { code } = await shownBy(pairing);
  const { page } = await openPage(browser);
  await openPairingPage(page);
  for (let count = 0; count < 5; count += 1) {
    await page.goto(`${edge.origin}/pair`);
    await enter(page, "2222-2222");
    await page.waitForSelector("text=No machine shows this code");
    expect(await shortcomingsOf(page)).toEqual([]);
  }
  expect(await pairing.exited).toBe(1);
  expect(pairing.said()).toContain("wrong codes were entered five times");
  // and in this session no further one is taken
  await page.goto(`${edge.origin}/pair`);
  await enter(page, code);
  await page.waitForSelector("text=too many attempts");
});

test("the owner declines a machine", async () => {
  const pairing = programs.run(["pair", edge.origin], { TWS_EDGE_KEY: join(folder, "third.json") });
  const { code } = await shownBy(pairing);
  const { page } = await openPage(browser);
  await openPairingPage(page);
  // as it is read out over the telephone
  await enter(page, code.toLowerCase().replace("-", " "));
  await page.waitForSelector("text=Let this machine in?");
  await tabTo(page, "do=decline");
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:text('TWS hosts')");
  expect(await pairing.exited).toBe(1);
  expect(pairing.said()).toContain("has said no");
});
