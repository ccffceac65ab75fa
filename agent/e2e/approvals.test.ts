import { once } from "node:events";
import { createServer } from "node:http";
import chromium from "@sparticuz/chromium";
import { type Browser, chromium as launcher, type Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import type { OwnerRequest, PendingApproval } from "../../shared/approval.ts";
import type { EdgeFrame } from "../../shared/protocol.ts";
import { hashPassphrase } from "../process/passphrase-hash.ts";
import { type ScriptedAgent, startScriptedAgent, statusWith } from "./rigs/scripted-agent.ts";

/** The pages on which the owner decides, in a real browser without script, against an agent that plays its part. */

const passphrase = "correct horse battery staple";
let agent: ScriptedAgent;
let browser: Browser;
let url: string;
let waiting: PendingApproval[];
let asked: OwnerRequest[];

beforeAll(async () => {
  agent = await startScriptedAgent(
    (PUBLIC_URL) => ({ AUTH: "on", PUBLIC_URL, OWNER_PASSPHRASE_HASH: hashPassphrase(passphrase, 1) }),
    play,
  );
  ({ url } = agent);
  browser = await launcher.launch({
    executablePath: await chromium.executablePath(),
    args: chromium.args,
    headless: true,
  });
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await agent?.close();
});
beforeEach(() => {
  asked = [];
  waiting = [];
});

/** The agent's part. */
function play(frame: EdgeFrame): void {
  if (frame.type !== "owner") return;
  const { id, request } = frame;
  asked.push(request);
  switch (request.kind) {
    case "owner":
      break;
    case "decide":
      waiting = waiting.filter(
        (one) => one.approvalId !== request.approvalId || one.digest !== request.digest,
      );
      break;
    case "freeze": {
      const frozen = { by: "page", since: "2026-01-05T15:00:00.000Z", reason: request.reason } as const;
      agent.say({ type: "status", status: statusWith(frozen) });
      break;
    }
    case "unfreeze":
      agent.say({ type: "status", status: statusWith(null) });
      break;
    default:
      request satisfies never;
  }
  agent.say({ type: "result", id, output: { approvals: waiting } });
}

const liveOrder = (): PendingApproval => ({
  approvalId: crypto.randomUUID(),
  digest: "d".repeat(64),
  account: "U1",
  mode: "live",
  orders: [
    "BUY 10 AAPL (STK, NASDAQ, USD) LMT 180.5 DAY",
    `SELL 10 AAPL (STK, NASDAQ, USD) LMT ${"1".repeat(200)} GTC`,
  ],
  value: "about 1,805.00 USD",
  quotes: [{ bid: 180, ask: 180.2, last: null, at: null, dataType: "live" }, null],
  reason: "Live orders need your approval.",
  client: `<img src=x onerror="document.title='owned'">`,
  grantId: "g_1",
  createdAt: new Date().toISOString(),
  expiresAt: new Date(Date.now() + 300_000).toISOString(),
});

/** As wide as a small phone, and nothing runs in it. */
async function open(path: string): Promise<Page> {
  const context = await browser.newContext({
    viewport: { width: 320, height: 640 },
    javaScriptEnabled: false,
  });
  const page = await context.newPage();
  await page.goto(`${url}${path}`);
  return page;
}

const isTooWide = (page: Page) =>
  page.locator("html").evaluate((root) => Number(Reflect.get(root, "scrollWidth")) > 320);

/** Moves on by the keyboard until the focus is on the button or link with these words. */
async function tabTo(page: Page, words: string): Promise<void> {
  for (let count = 0; count < 30; count += 1) {
    await page.keyboard.press("Tab");
    if (
      (
        await page
          .locator(":focus")
          .textContent()
          .catch(() => "")
      )?.trim() === words
    )
      return;
  }
  throw new Error(`The keyboard does not reach "${words}".`);
}

/** The pages open with the sign-in, which has the focus, and lead back. */
async function signInOn(page: Page): Promise<void> {
  await page.waitForSelector("input[name=passphrase]:focus");
  await page.keyboard.type(passphrase);
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:not(:text('Sign in'))");
}

test("the owner follows the address of an order, signs in, reads all of it and approves it by the keyboard alone", async () => {
  const order = liveOrder();
  waiting = [order];
  const path = `/approvals/default.${order.approvalId}`;
  const page = await open(path);
  expect(asked).toEqual([]);
  await signInOn(page);
  expect(new URL(page.url()).pathname).toBe(path);
  const text = await page.locator("main").innerText();
  for (const word of ["LIVE: this is real money", ...order.orders, "U1", order.value, order.client]) {
    expect(text).toContain(word);
  }
  expect(await page.title()).not.toBe("owned");
  expect(await isTooWide(page)).toBe(false);
  await tabTo(page, "Approve");
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:text('Approved')");
  expect(asked.at(-1)).toEqual({
    kind: "decide",
    approvalId: order.approvalId,
    digest: order.digest,
    decision: "approve",
  });
  // the form once more, as after "back"
  await page.goto(`${url}${path}`);
  await page.waitForSelector("text=No such order waits");
});

test("the owner finds an order in the list and declines it, stops new orders and allows them again", async () => {
  waiting = [liveOrder()];
  const page = await open("/approvals");
  await signInOn(page);
  expect(await isTooWide(page)).toBe(false);
  await page.click("text=LIVE U1: BUY 10 AAPL");
  await page.click("text=Decline");
  await page.waitForSelector("h1:text('Declined')");
  await page.click("text=All orders that wait");
  await page.waitForSelector("text=No order waits.");
  await page.fill("input[name=reason]", "holiday");
  await page.click("text=Stop new orders");
  await page.waitForSelector("text=STOPPED here");
  expect(await page.locator("main").innerText()).toContain("holiday");
  await tabTo(page, "Allow new orders again");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Stop new orders");
  expect(asked.map(({ kind }) => kind).filter((kind) => kind !== "owner")).toEqual([
    "decide",
    "freeze",
    "unfreeze",
  ]);
  await page.click("text=What was done");
  await page.waitForSelector("text=There is nothing to show");
});

test("another site can neither show the page in a frame nor send its form", async () => {
  const order = liveOrder();
  waiting = [order];
  const path = `${url}/approvals/default.${order.approvalId}`;
  const site = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<iframe src="${path}"></iframe><form method="post" action="${path}">
      <input name="do" value="approve"><input name="digest" value="${order.digest}"><button>win</button></form>`);
  }).listen(0, "127.0.0.1");
  await once(site, "listening");
  const { port } = z.object({ port: z.int() }).parse(site.address());
  const page = await open("/approvals");
  await signInOn(page);
  asked = [];
  await page.goto(`http://localhost:${port}/`);
  const frame = page.frames().find((one) => one !== page.mainFrame());
  expect(await frame?.locator("button").count()).toBe(0);
  await page.click("text=win");
  await page.waitForSelector("text=Pages of this origin may not use this edge");
  expect(asked.filter(({ kind }) => kind === "decide")).toEqual([]);
  site.close();
});
