import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import chromium from "@sparticuz/chromium";
import { type Browser, chromium as launcher, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startSystem, type System } from "./rigs/system.ts";

let system: System;
let browser: Browser;
beforeAll(async () => {
  system = await startSystem();
  browser = await launcher.launch({
    executablePath: await chromium.executablePath(),
    args: chromium.args,
  });
});
afterAll(async () => {
  await browser.close();
  await system.close();
});

const types: Readonly<Record<string, string>> = { ".html": "text/html", ".js": "text/javascript" };

/** Any server of files will do. */
async function serveExamples() {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    response.setHeader("Content-Type", types[extname(pathname)] ?? "text/plain");
    response.end(readFileSync(new URL(`../../docs/examples/${pathname.slice(1)}`, import.meta.url)));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { url: `http://127.0.0.1:${address.port}`, close: () => server.close() };
}

const row = (page: Page, symbol: string) => page.locator("tbody tr", { hasText: symbol });

test("the page shows prices live, and as stale once the agent is gone, in a real browser", async () => {
  const files = await serveExamples();
  const page = await browser.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(`${files.url}/watch.html?edge=${system.wsUrl}&symbols=AAPL,EUR.USD`);
  await page.locator('tr[data-state="live"]').nth(1).waitFor();
  await page.fill("input", "NOSUCHX");
  await page.click("button");
  await row(page, "NOSUCHX").and(page.locator('[data-state="ended"]')).waitFor();
  expect(await row(page, "NOSUCHX").textContent()).toContain("unknown_contract");
  const bid = Number(await row(page, "AAPL").locator("td").nth(1).textContent());
  expect(bid).toBeGreaterThan(0);

  system.agent.kill();
  await row(page, "AAPL").and(page.locator('[data-state="stale"]')).waitFor();
  expect(await row(page, "AAPL").textContent()).toContain("agent_offline");
  // the last price stays, and is not shown as a price of now
  const decoration = await page.evaluate(
    "getComputedStyle(document.querySelector('.price')).textDecorationLine",
  );
  expect(decoration).toBe("line-through");
  system.agent.start();
  await row(page, "AAPL").and(page.locator('[data-state="live"]')).waitFor();
  expect(problems).toEqual([]);
  await page.close();
  files.close();
});

test("the program for a terminal shows quotes, an account and news, each with its state", async () => {
  const program = fileURLToPath(new URL("../../docs/examples/watch.js", import.meta.url));
  const child = spawn(
    process.execPath,
    [program, "aapl", "NOSUCHX", "--portfolio", "--news", "--url", system.wsUrl],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const wanted = new Set([
    /^AAPL +live +bid \d+\.?\d* +ask \d+\.?\d* +last \d+\.?\d* +volume \d+$/,
    /^NOSUCHX +ended +- \(unknown_contract: .+\)$/,
    /^portfolio +live +\d\d+ rows$/,
    /^bulletins +live /,
    /^headlines +live /,
  ]);
  for await (const line of createInterface(child.stdout)) {
    for (const pattern of wanted) if (pattern.test(line)) wanted.delete(pattern);
    if (wanted.size === 0) break;
  }
  child.kill();
  expect(await once(child, "exit")).toEqual([null, "SIGTERM"]);
});
