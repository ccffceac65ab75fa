import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import type { Local } from "../local/local.ts";
import { focused, launchBrowser, openPage, shortcomingsOf, tabTo, untilFocused } from "./rigs/chromium.ts";
import { passphrase, startWithSignIn } from "./rigs/owner-browser.ts";

/** The owner's sign-in and consent in a real browser. */

let local: Local;
let browser: Browser;
let client: Server;
let callback: string;

const portOf = (server: { address(): unknown }): number =>
  z.object({ port: z.int() }).parse(server.address()).port;

beforeAll(async () => {
  local = await startWithSignIn();
  // the client: a page of another site that sends the owner to the edge, and the address that they come back to
  client = createServer((request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(
      request.url?.startsWith("/callback") === true
        ? "<h1>Back at the client</h1>"
        : `<link rel="icon" href="data:,"><a href="${decodeURIComponent(request.url ?? "").slice(1)}">sign in</a>`,
    );
  }).listen(0, "127.0.0.1");
  await once(client, "listening");
  callback = `http://127.0.0.1:${portOf(client)}/callback`;
  browser = await launchBrowser();
}, 60_000);
afterAll(async () => {
  await browser?.close();
  client?.close();
  await local?.close();
});

async function register(clientName: string, redirectUri: string): Promise<string> {
  const answer = await fetch(`${local.url}/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      client_name: clientName,
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    }),
  });
  return z.object({ client_id: z.string() }).parse(await answer.json()).client_id;
}

/** A page of the client with the link to the edge, and how the client turns a code into a token's scope. */
async function asked(clientName: string, scope: string | null = null, redirectUri = callback) {
  const clientId = await register(clientName, redirectUri);
  const verifier = randomBytes(32).toString("base64url");
  const query = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    state: "state",
    ...(scope !== null && { scope }),
  });
  const link = encodeURIComponent(`${local.url}/authorize?${query.toString()}`);
  return {
    // by another name the client is another site to the browser
    start: `http://localhost:${portOf(client)}/${link}`,
    token: (code: string): Promise<Response> =>
      fetch(`${local.url}/token`, {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "authorization_code",
          client_id: clientId,
          code,
          code_verifier: verifier,
          redirect_uri: redirectUri,
        }),
      }),
  };
}

/** As far as the passphrase, whose field has the focus. */
async function signIn(page: Page): Promise<void> {
  await untilFocused(page, "passphrase");
  await page.keyboard.type(passphrase);
  await page.keyboard.press("Enter");
}

test("the owner signs in, chooses and agrees by the keyboard alone, and comes back", async () => {
  const { start, token } = await asked("A client of the test");
  const { page, complaints } = await openPage(browser);
  await page.goto(start);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=The owner's passphrase");
  expect(await shortcomingsOf(page)).toEqual([]);
  // the field gets the focus by itself
  await signIn(page);

  await page.waitForSelector("text=Give access?");
  expect(await shortcomingsOf(page)).toEqual([]);
  const passed = [...(await tabTo(page, "permission=read"))];
  await page.keyboard.press("ArrowDown");
  expect(await focused(page)).toBe("permission=trade");
  passed.push(...(await tabTo(page, "days=30")));
  await page.keyboard.press("ArrowUp");
  expect(await focused(page)).toBe("days=1");
  passed.push(...(await tabTo(page, "decision=allow")));
  // everything that can be chosen lies on the way, in the order in which it is read, and is seen when it has the focus
  expect(passed).toEqual(["host=default", "every-account=yes", "account=DU1234567", "toolset=full"]);
  await page.keyboard.press("Space");

  await page.waitForSelector("text=Back at the client");
  const code = new URL(page.url()).searchParams.get("code") ?? "";
  expect(await (await token(code)).json()).toMatchObject({
    scope: expect.stringContaining("tws:trade"),
  });
  expect(complaints).toEqual([]);
});

test("the space bar chooses an account, and Deny is a Tab away", async () => {
  const { start } = await asked("A client that is refused", "tws:read tws:trade");
  const { page, complaints } = await openPage(browser);
  await page.goto(start);
  await page.click("a");
  await signIn(page);
  await page.waitForSelector("text=Give access?");
  await tabTo(page, "account=DU1234567");
  await page.keyboard.press("Space");
  expect(await page.isChecked("input[name=account]")).toBe(false);
  await tabTo(page, "permission=trade");
  await tabTo(page, "decision=deny");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Back at the client");
  expect(new URL(page.url()).searchParams.get("error")).toBe("access_denied");
  expect(complaints).toEqual([]);
});

test("the browser goes on to a program by its own scheme, and the page's policy lets it", async () => {
  const { start } = await asked("Cursor", null, "cursor://anysphere.cursor-mcp/oauth/callback");
  const { page, complaints } = await openPage(browser);
  await page.goto(start);
  await page.click("a");
  await signIn(page);
  await page.waitForSelector("text=a program on the computer");
  const failed = page.waitForEvent("requestfailed");
  await page.click("button[value=allow]", { noWaitAfter: true });
  // there is no such program here, so this is as far as it gets
  expect((await failed).url()).toMatch(/^cursor:\/\/anysphere\.cursor-mcp\/oauth\/callback\?code=/);
  expect(complaints).toEqual([]);
});

test("a wrong passphrase is announced, and the field has the focus again", async () => {
  const { page, complaints } = await openPage(browser);
  await page.goto(`${local.url}/grants`);
  await untilFocused(page, "passphrase");
  await page.keyboard.type("not the passphrase");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert]");
  expect(await page.textContent("[role=alert]")).toContain("not the passphrase");
  expect(await shortcomingsOf(page)).toEqual([]);
  await untilFocused(page, "passphrase");
  expect(await focused(page)).toBe("passphrase");
  // the browser's own word on the status 403
  expect(complaints.filter((text) => !text.includes("403"))).toEqual([]);
});

test("the owner sees who has access and ends it, by the keyboard", async () => {
  const name = `A client with a long name ${"and more ".repeat(8)}`;
  const { start, token } = await asked(name);
  const { page, complaints } = await openPage(browser);
  await page.goto(start);
  await page.click("a");
  await signIn(page);
  await page.waitForSelector("text=Give access?");
  expect(await shortcomingsOf(page)).toEqual([]);
  await page.click("button[value=allow]");
  await page.waitForSelector("text=Back at the client");
  await token(new URL(page.url()).searchParams.get("code") ?? "");

  await page.goto(`${local.url}/grants`);
  await page.waitForSelector("text=A client with a long name");
  expect(await shortcomingsOf(page)).toEqual([]);
  const revoke = await page
    .locator("form", { hasText: "A client with a long name" })
    .locator("button[name=revoke]")
    .getAttribute("value");
  await tabTo(page, `revoke=${revoke}`);
  // while it goes, the page is empty, and says nothing of anybody
  const shown = page.waitForEvent("load");
  await page.keyboard.press("Enter");
  await shown;
  expect(await page.locator("fieldset", { hasText: "A client with a long name" }).count()).toBe(0);
  // what is new is told until the owner knows of it
  await tabTo(page, `seen=${await page.locator("button[name=seen]").getAttribute("value")}`);
  const seen = page.waitForEvent("load");
  await page.keyboard.press("Enter");
  await seen;
  expect(await page.textContent("main")).not.toContain("A client with a long name");
  await tabTo(page, "sign-out=yes");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=The owner's passphrase");
  expect(complaints).toEqual([]);
});

test("the browser shows none of the pages in a frame", async () => {
  const { page } = await openPage(browser);
  await page.goto(callback);
  await page.setContent(`<iframe src="${local.url}/sign-in" width="300" height="300"></iframe>`);
  const frame = page.frames().find((one) => one !== page.mainFrame());
  expect(await frame?.locator("input[name=passphrase]").count()).toBe(0);
});
