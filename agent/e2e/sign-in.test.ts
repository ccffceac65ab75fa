import { once } from "node:events";
import { createServer, type Server } from "node:http";
import chromium from "@sparticuz/chromium";
import { type Browser, chromium as launcher, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { parseStartConfig } from "../config.ts";
import { type Local, startLocal } from "../local.ts";

/** The owner's pages in a real browser, which alone knows what cookies, policies and origins it really sends. */

const passphrase = "correct horse battery staple";
let local: Local;
let browser: Browser;
let client: Server;
let callback: string;

const portOf = (server: { address(): unknown }): number =>
  z.object({ port: z.int() }).parse(server.address()).port;

beforeAll(async () => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const SERVER_PORT = String(portOf(probe));
  await new Promise((resolve) => probe.close(resolve));
  const config = parseStartConfig({ AUTH: "on", OWNER_PASSPHRASE: passphrase, SERVER_PORT });
  local = await startLocal({ config, persistTo: null });
  // the client: a page of another site that sends the owner to the edge, and the address that they come back to
  client = createServer((request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(
      request.url?.startsWith("/callback") === true
        ? "<h1>Back at the client</h1>"
        : `<a href="${decodeURIComponent(request.url ?? "").slice(1)}">sign in</a>`,
    );
  }).listen(0, "127.0.0.1");
  await once(client, "listening");
  callback = `http://127.0.0.1:${portOf(client)}/callback`;
  browser = await launcher.launch({
    executablePath: await chromium.executablePath(),
    args: chromium.args,
    headless: true,
  });
}, 60_000);
afterAll(async () => {
  await browser?.close();
  client?.close();
  await local?.close();
});

async function register(): Promise<string> {
  const answer = await fetch(`${local.url}/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      client_name: "A client of the test",
      redirect_uris: [callback],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    }),
  });
  return z.object({ client_id: z.string() }).parse(await answer.json()).client_id;
}

/** A page as wide as a small phone. */
async function open(): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 320, height: 640 } });
  return await context.newPage();
}

const isTooWide = (page: Page) => page.evaluate("document.documentElement.scrollWidth > innerWidth");

test("the owner follows a client's link, signs in, agrees, comes back, and ends the access", async () => {
  const query = new URLSearchParams({
    response_type: "code",
    client_id: await register(),
    redirect_uri: callback,
    code_challenge: "A".repeat(43),
    code_challenge_method: "S256",
    state: "state",
  });
  const page = await open();
  // by another name the client is another site to the browser
  const link = encodeURIComponent(`${local.url}/authorize?${query.toString()}`);
  await page.goto(`http://localhost:${portOf(client)}/${link}`);
  await page.click("a");
  expect(await isTooWide(page)).toBe(false);
  // without a pointer: the field has the focus
  await page.keyboard.type(passphrase);
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Give access?");
  expect(await isTooWide(page)).toBe(false);
  await page.click("button[value=allow]");
  await page.waitForSelector("text=Back at the client");
  expect(new URL(page.url()).searchParams.get("code")).not.toBeNull();

  await page.goto(`${local.url}/grants`);
  await page.waitForSelector("text=A client of the test");
  expect(await isTooWide(page)).toBe(false);
  await page.click("text=End this access");
  await page.waitForSelector("text=No client has access");
  await page.click("text=Sign out");
  await page.waitForSelector("text=The owner's passphrase");
});

test("the browser shows none of the pages in a frame", async () => {
  const page = await open();
  await page.goto(callback);
  await page.setContent(`<iframe src="${local.url}/sign-in" width="300" height="300"></iframe>`);
  const frame = page.frames().find((one) => one !== page.mainFrame());
  expect(await frame?.locator("input[name=passphrase]").count()).toBe(0);
});
