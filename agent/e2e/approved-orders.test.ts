import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ApprovalSystem, contentOf, startApprovalSystem, waitingFor } from "./rigs/approval-system.ts";
import { type Answer, askingClients, type Shown } from "./clients/eliciting-clients.ts";
import { launchBrowser, openPage } from "./rigs/chromium.ts";
import type { CallTool } from "./clients/clients.ts";
import { passphrase } from "./rigs/owner-browser.ts";
import { type Signed, signInLegacy, signInModern } from "./clients/signed-clients.ts";

/** Orders that wait for the owner, with everything real but TWS: clients of both eras, the owner in Chromium. */

let system: ApprovalSystem;
let browser: Browser;
/** The owner's, signed in. */
let page: Page;
/** Two grants; the clients that signed in for them cannot be asked anything. */
let modern: Signed;
let legacy: Signed;
let call: CallTool;

beforeAll(async () => {
  system = await startApprovalSystem({ AUTH: "on" });
  const { mcpUrl, url } = system.local;
  modern = await signInModern(mcpUrl, "trade");
  legacy = await signInLegacy(mcpUrl, "trade");
  call = async (name, input) => contentOf(await modern.call(name, input));
  browser = await launchBrowser();
  ({ page } = await openPage(browser));
  page.setDefaultTimeout(10_000);
  await page.goto(`${url}/approvals`);
  await page.fill("input[name=passphrase]", passphrase);
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1:text('Orders that wait for you')");
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await modern?.close();
  await legacy?.close();
  await system?.close();
});

const market = (quantity: number) => ({ symbol: "AAPL", action: "BUY", quantity });
const far = (quantity: number) => ({ ...market(quantity), orderType: "LMT", limitPrice: 1 });

async function decideOnPage(url: string, button: "Approve" | "Decline"): Promise<void> {
  await page.goto(url);
  await page.click(`text="${button}"`);
  await page.waitForSelector(`h1:text('${button}d')`);
}

const eras = ["2026-07-28", "2025-11-25"] as const;
const grantOf = (era: (typeof eras)[number]) => (era === "2026-07-28" ? modern : legacy);

/** Places an order by a client that can be asked; `ask` does what the person before it does. */
async function placeAsked(
  era: (typeof eras)[number],
  input: Record<string, unknown>,
  ask: (shown: Shown) => Promise<Answer>,
) {
  const client = await askingClients[era](system.local.mcpUrl, grantOf(era).provider, ask);
  const result = contentOf(await client.call("ibkr_place_order", input));
  await client.close();
  return result;
}

describe.for(eras)("a client of %s that can be asked", (era) => {
  test("has its order filled, once, when the owner has approved it on the page", async () => {
    const before = system.placed();
    let asked = 0;
    const { orderId } = await placeAsked(era, market(3), async ({ url }) => {
      asked += 1;
      expect(system.placed()).toBe(before);
      await decideOnPage(url, "Approve");
      return { action: "accept" };
    });
    const filled = await call("ibkr_wait_for_order", { orderId, until: "filled" });
    expect(filled).toMatchObject({ status: "Filled", filled: 3 });
    expect([asked, system.placed()]).toEqual([1, before + 1]);
  });

  test("has placed nothing when the owner has declined, or when it declines itself", async () => {
    const before = system.placed();
    const refused = { error: { code: "trading_refused" } };
    const declined = await placeAsked(era, market(4), async ({ url }) => {
      await decideOnPage(url, "Decline");
      return { action: "accept" };
    });
    expect(declined).toMatchObject(refused);
    expect(await placeAsked(era, market(5), async () => ({ action: "decline" }))).toMatchObject(refused);
    expect(system.placed()).toBe(before);
  });
});

async function approveOnHost(approvalId: string): Promise<void> {
  const { code, said } = await system.host("approve", approvalId);
  if (code !== 0) throw new Error(said);
}

describe("a client that cannot be asked", () => {
  test("is told the way, and has its order once after tws-edge approve, however often it calls", async () => {
    const before = system.placed();
    const order = far(6);
    const waiting = await waitingFor(call, "ibkr_place_order", order);
    expect(waiting).toMatchObject({
      at: "page",
      url: `${system.local.url}/approvals/default.${waiting.approvalId}`,
      nextStep: expect.stringContaining(waiting.key),
    });
    const keyed = { ...order, idempotencyKey: waiting.key };
    await approveOnHost(waiting.approvalId);
    expect((await system.host("approve", waiting.approvalId)).code).toBe(1);
    // the approval is of these orders and of this grant
    expect(await call("ibkr_place_order", { ...keyed, quantity: 60 })).toMatchObject({
      error: { code: "invalid_input" },
    });
    const byOther = await waitingFor(
      async (name, input) => contentOf(await legacy.call(name, input)),
      "ibkr_place_order",
      keyed,
    );
    expect(byOther.approvalId).not.toBe(waiting.approvalId);
    expect(system.placed()).toBe(before);
    const [first, second] = await Promise.all([
      call("ibkr_place_order", keyed),
      call("ibkr_place_order", keyed),
    ]);
    const third = await call("ibkr_place_order", keyed);
    expect(first["orderId"]).toEqual(expect.any(Number));
    expect([second["orderId"], third["orderId"]]).toEqual([first["orderId"], first["orderId"]]);
    expect(system.placed()).toBe(before + 1);
    // what was approved once is not approved for the next
    await waitingFor(call, "ibkr_place_order", { ...order, idempotencyKey: "another-intent" });
    expect(system.placed()).toBe(before + 1);
  });

  test("has placed nothing when nobody decides in time, and an approval that was not used in time is none", async () => {
    const before = system.placed();
    const late = await waitingFor(call, "ibkr_place_order", far(7));
    system.expire();
    expect(await system.host("approve", late.approvalId)).toMatchObject({
      code: 1,
      said: expect.stringContaining("expired"),
    });
    await page.goto(late.url ?? "");
    await page.waitForSelector("text=No such order waits");
    const unused = await waitingFor(call, "ibkr_place_order", { ...far(7), idempotencyKey: late.key });
    expect(unused.approvalId).not.toBe(late.approvalId);
    await approveOnHost(unused.approvalId);
    system.expire();
    await waitingFor(call, "ibkr_place_order", { ...far(7), idempotencyKey: late.key });
    expect(system.placed()).toBe(before);
  });

  const bracket = {
    symbol: "MSFT",
    action: "BUY",
    quantity: 2,
    entryPrice: 2,
    takeProfitPrice: 3,
    stopLossPrice: 1,
  };
  test.for<[string, Record<string, unknown>, number]>([
    ["ibkr_place_bracket_order", bracket, 3],
    ["ibkr_place_orders", { orders: [far(8), { ...far(8), symbol: "IBM" }] }, 2],
  ])("has all of one %s by one approval", async ([tool, input, orders]) => {
    const before = system.placed();
    const waiting = await waitingFor(call, tool, input);
    expect(system.placed()).toBe(before);
    await approveOnHost(waiting.approvalId);
    const keyed = { ...input, idempotencyKey: waiting.key };
    const placed = await call(tool, keyed);
    expect(placed).not.toHaveProperty("error");
    expect(system.placed()).toBe(before + orders);
    await call(tool, keyed);
    expect(system.placed()).toBe(before + orders);
  });

  test("has an order changed by one approval, and cancels without any", async () => {
    const placing = await waitingFor(call, "ibkr_place_order", far(9));
    await approveOnHost(placing.approvalId);
    const { orderId } = await call("ibkr_place_order", { ...far(9), idempotencyKey: placing.key });
    const before = system.placed();
    const change = { orderId, limitPrice: 2 };
    const changing = await waitingFor(call, "ibkr_modify_order", change);
    expect(system.placed()).toBe(before);
    await approveOnHost(changing.approvalId);
    expect(await call("ibkr_modify_order", change)).not.toHaveProperty("error");
    expect(system.placed()).toBe(before + 1);
    expect(await call("ibkr_cancel_order", { orderId })).toMatchObject({ status: "Cancelled" });
  });
});

test("the owner stops new orders on the page, cancelling still works, and what the host has stopped stays", async () => {
  const waiting = await waitingFor(call, "ibkr_place_order", far(10));
  await approveOnHost(waiting.approvalId);
  const order = { ...far(10), idempotencyKey: waiting.key };
  const { orderId } = await call("ibkr_place_order", order);
  const before = system.placed();
  await page.goto(`${system.local.url}/approvals`);
  await page.fill("input[name=reason]", "holiday");
  await page.click("text=Stop new orders");
  await page.waitForSelector("text=STOPPED here");
  expect(await call("ibkr_place_order", far(11))).toMatchObject({ error: { code: "trading_frozen" } });
  expect(await call("ibkr_get_status")).toMatchObject({
    trading: {
      trading: "paper",
      approval: "always",
      approvalAt: "page",
      frozen: { by: "page", reason: "holiday" },
      journal: "ok",
      unknownOrders: 0,
      audit: "ok",
    },
  });
  expect(await call("ibkr_cancel_order", { orderId })).toMatchObject({ status: "Cancelled" });
  // the page that the owner has open still offers to lift it
  expect(await system.host("freeze")).toMatchObject({ code: 0 });
  await page.click("text=Allow new orders again");
  await page.waitForSelector("text=on the TWS host");
  expect(await call("ibkr_place_order", far(11))).toMatchObject({ error: { code: "trading_frozen" } });
  await page.goto(`${system.local.url}/approvals`);
  await page.waitForSelector("text=STOPPED on the TWS host");
  expect(await page.locator("button:text('Allow new orders again')").count()).toBe(0);
  expect(system.placed()).toBe(before);
  expect(await system.host("unfreeze")).toMatchObject({ code: 0 });
  await waitingFor(call, "ibkr_place_order", far(11));
});

test("/audit tells each step, and its end is the end of the journal", async () => {
  // the copy follows within a second
  await expect
    .poll(async () => {
      await page.goto(`${system.local.url}/audit`);
      const text = await page.locator("main").innerText();
      const [, seq, hash] = /whole: (\d+) entries, the last with the hash ([0-9a-f]{64})/.exec(text) ?? [];
      const { code, said } = await system.host("audit", "verify", "--head", `${seq}:${hash}`);
      return code === 0 && said.includes(`Head: ${seq}:${hash}`);
    })
    .toBe(true);
  const text = await page.locator("main").innerText();
  for (const step of [
    "received",
    "approval asked",
    "approved",
    "reserved",
    "sending",
    "frozen",
    "unfrozen",
  ]) {
    expect(text).toContain(` ${step}`);
  }
  const [, seq] = /whole: (\d+) entries/.exec(text) ?? [];
  const foreign = `${seq}:${"0".repeat(64)}`;
  expect((await system.host("audit", "verify", "--head", foreign)).code).toBe(1);
});
