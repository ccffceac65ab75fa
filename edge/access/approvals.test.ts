import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import type { OwnerRequest, PendingApproval } from "../../shared/approval.ts";
import type { EdgeFrame } from "../../shared/protocol.ts";
import type { TradingStatus } from "../../shared/status.ts";
import { hostOf } from "../config/bindings.ts";
import { connectAgent, connectedStatus, type ScriptedAgent } from "../host/host.fixture.ts";
import {
  at,
  type Browser,
  createBrowser,
  form,
  granted,
  hidden,
  passphrase,
  publicUrl,
  rpc,
} from "./access.fixture.ts";
import { createMachine, ownerBrowser, pairWith } from "./machines/machine.fixture.ts";

const digest = "d".repeat(64);
const path = "/approvals/default.a1";
const pending = (changes: Partial<PendingApproval> = {}): PendingApproval => ({
  approvalId: "a1",
  digest,
  account: "DU1",
  mode: "paper",
  orders: ["BUY 10 AAPL (STK, NASDAQ, USD) LMT 180.5 DAY"],
  value: "about 1,805.00 USD",
  quotes: [{ bid: 180, ask: 180.2, last: 180.1, at: "2026-11-20T15:59:58.000Z", dataType: "live" }],
  reason: "Every order needs approval.",
  client: "Claude",
  grantId: "g_1",
  createdAt: new Date().toISOString(),
  expiresAt: new Date(Date.now() + 300_000).toISOString(),
  ...changes,
});

let agent: ScriptedAgent;
let browser: Browser;
beforeEach(async () => {
  agent = await connectAgent(hostOf(env));
  browser = await ownerBrowser();
});

type OwnerFrame = Extract<EdgeFrame, { type: "owner" }>;
const answerWaiting = (frame: OwnerFrame, approvals: readonly PendingApproval[]) =>
  agent.send({ type: "result", id: frame.id, output: { approvals } });
const refuse = (frame: OwnerFrame, message: string) =>
  agent.send({
    type: "error",
    id: frame.id,
    error: { code: "trading_refused", message, nextStep: "Ask for the order again.", retryable: false },
  });

/** The page, with the agent saying that these wait. */
async function shown(where: string, approvals: readonly PendingApproval[]): Promise<string> {
  const answer = browser.get(where);
  const frame = await agent.expect("owner");
  expect(frame.request).toEqual({ kind: "owner" });
  answerWaiting(frame, approvals);
  return await (await answer).text();
}

/** What is sent from the page, and the answer once the agent has had its say. */
async function submitted(
  page: string,
  fields: Readonly<Record<string, string>>,
  answer: (frame: OwnerFrame) => void,
  where = path,
): Promise<{ request: OwnerRequest; response: Response }> {
  const response = browser.submit(where, { csrf: hidden(page, "csrf"), ...fields });
  const frame = await agent.expect("owner");
  answer(frame);
  return { request: frame.request, response: await response };
}

/** Fails if the agent was asked for anything meanwhile. */
async function expectNothingAsked(): Promise<void> {
  void browser.get("/approvals");
  const frame = await agent.expect("owner");
  expect(frame.request).toEqual({ kind: "owner" });
  answerWaiting(frame, []);
}

describe("an order that waits", () => {
  test("is listed, shown as it is, and approved by exactly what was shown", async () => {
    const list = await shown("/approvals", [pending()]);
    expect(list).toContain(`href="${path}"`);
    const page = await shown(path, [pending()]);
    for (const word of ["BUY 10 AAPL", "DU1", "PAPER", "1,805.00 USD", "Every order", "Claude", "g_1"]) {
      expect(page).toContain(word);
    }
    const { request, response } = await submitted(
      page,
      { do: "approve", digest: hidden(page, "digest") },
      (frame) => answerWaiting(frame, []),
    );
    expect(request).toEqual({ kind: "decide", approvalId: "a1", digest, decision: "approve" });
    expect(await response.text()).toContain("Approved");
  });

  test("is declined, and the page says that it is not placed", async () => {
    const page = await shown(path, [pending()]);
    const { request, response } = await submitted(page, { do: "decline", digest }, (frame) =>
      answerWaiting(frame, []),
    );
    expect(request).toMatchObject({ decision: "decline" });
    expect(await response.text()).toContain("not placed");
  });

  test("is called LIVE where the account's id says so, whatever the agent calls it", async () => {
    expect(await shown(path, [pending({ mode: "live" })])).toContain("LIVE: this is real money");
    expect(await shown(path, [pending({ account: "U123" })])).toContain("LIVE: this is real money");
    expect(await shown("/approvals", [pending({ account: "U123" })])).toContain("LIVE U123");
  });

  test("shows every line of a basket, and the name under which the owner let the client in", async () => {
    const { grantId } = await granted();
    const orders = Array.from({ length: 30 }, (_, row) => `SELL ${row + 1} MSFT`);
    const page = await shown(path, [pending({ orders, grantId })]);
    for (const order of orders) expect(page).toContain(`<dd>${order}</dd>`);
    expect(page).toContain("bid 180, ask 180.2, last 180.1 (live, ");
    expect(page).toContain("price not known");
    expect(page).toContain("Test client");
  });

  test("runs nothing that a client or an agent puts into its words", async () => {
    const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>`;
    const one = pending({
      client: evil,
      reason: evil,
      value: evil,
      orders: [evil],
      account: "DU<b>",
      grantId: evil,
    });
    for (const page of [await shown(path, [one]), await shown("/approvals", [one])]) {
      expect(page).not.toMatch(/<script|<img|<b>/);
    }
    const link = await shown("/approvals", [pending({ approvalId: `x" onclick="alert(1)` })]);
    expect(link).not.toContain('onclick="');
  });

  test.each([
    ["unknown", [pending({ approvalId: "other" })]],
    ["expired", [pending({ expiresAt: new Date(Date.now() - 1000).toISOString() })]],
    ["decided already", []],
  ] as const)("that is %s has a plain page without a form", async (_, approvals) => {
    const page = await shown(path, approvals);
    expect(page).toContain("No such order waits");
    expect(page).not.toContain("<form");
  });

  test("whose decision the agent refuses is not called decided", async () => {
    const page = await shown(path, [pending()]);
    const { response } = await submitted(page, { do: "approve", digest: "e".repeat(64) }, (frame) =>
      refuse(frame, "The order is another than the one that was shown."),
    );
    expect(response.status).toBe(403);
    const text = await response.text();
    expect(text).toContain("another than the one that was shown");
    expect(text).not.toContain("Approved");
  });

  test("that still waits after the decision is not called decided", async () => {
    const page = await shown(path, [pending()]);
    const { response } = await submitted(page, { do: "approve", digest }, (frame) =>
      answerWaiting(frame, [pending()]),
    );
    expect(response.status).toBe(502);
  });

  test("is answered late or twice by the agent: the first answer counts", async () => {
    const answer = browser.get(path);
    const frame = await agent.expect("owner");
    answerWaiting(frame, [pending()]);
    answerWaiting(frame, []);
    expect(await (await answer).text()).toContain("BUY 10 AAPL");
    answerWaiting(frame, [pending()]);
    await expectNothingAsked();
  });

  test("is not known to be decided when the agent goes while it is asked", async () => {
    const page = await shown(path, [pending()]);
    const { response } = await submitted(page, { do: "approve", digest }, () => agent.socket.close(1000, ""));
    expect(response.status).toBe(504);
    expect(await response.text()).toContain("may have taken");
  });

  test("cannot be decided while the agent is away, and nothing is kept for its return", async () => {
    const page = await shown(path, [pending()]);
    agent.socket.close(1000, "");
    await agent.closed;
    const response = await browser.submit(path, { csrf: hidden(page, "csrf"), do: "approve", digest });
    expect(response.status).toBe(503);
    agent = await connectAgent(hostOf(env));
    await expectNothingAsked();
  });

  test("is not decided when the host's object breaks down under it", async () => {
    const host = hostOf(env);
    const page = await shown(path, [pending()]);
    const response = browser.submit(path, { csrf: hidden(page, "csrf"), do: "approve", digest });
    await agent.expect("owner");
    await runInDurableObject(host, (_, state) => state.abort("broken")).catch(() => undefined);
    expect((await response).status).toBe(500);
  });

  test.each([{ approvals: "all" }, { approvals: [{ approvalId: "a1" }] }, {}])(
    "is not shown from an answer that is none: %j",
    async (output) => {
      const answer = browser.get(path);
      const frame = await agent.expect("owner");
      agent.send({ type: "result", id: frame.id, output });
      expect((await answer).status).toBe(400);
    },
  );

  test.each([
    "/approvals/elsewhere.a1",
    "/approvals/default.a%2Fb",
    "/approvals/default",
    "/approvals/.a1",
    "/approvals/%E0%A4%A",
  ])("has no page at %s, and nobody is asked", async (where) => {
    expect((await browser.get(where)).status).toBe(404);
    await expectNothingAsked();
  });

  test("needs the owner's sign-in first, which leads back to it", async () => {
    const stranger = createBrowser();
    const page = await (await stranger.get(path)).text();
    expect(page).toContain("passphrase");
    expect(page).not.toContain("AAPL");
    const answer = await stranger.submit("/sign-in", { passphrase, next: hidden(page, "next") });
    expect(answer.headers.get("Location")).toBe(`${publicUrl}${path}`);
  });

  test("is on a page that is not kept, not framed, and runs no script", async () => {
    const answer = browser.get(path);
    answerWaiting(await agent.expect("owner"), [pending()]);
    const { headers } = await answer;
    expect(headers.get("Cache-Control")).toBe("no-store");
    expect(headers.get("X-Frame-Options")).toBe("DENY");
    expect(headers.get("Content-Security-Policy")).toMatch(
      /default-src 'none'.*frame-ancestors 'none'.*form-action 'self'/,
    );
  });
});

describe("a client that would approve its own order", () => {
  const decision = { do: "approve", digest };

  test("gets nowhere with its token, by any method or address", async () => {
    const { tokens } = await granted({ permission: "trade" });
    const Authorization = `Bearer ${tokens.access_token}`;
    for (const where of ["/approvals", path, "/audit"]) {
      const page = await (await at(where, { headers: { Authorization } })).text();
      expect(page).toContain("passphrase");
      expect(page).not.toContain("AAPL");
    }
    const asForm = form(decision, { Authorization, Origin: publicUrl });
    expect(await (await at(path, asForm)).text()).toContain("passphrase");
    expect((await at(path, form(decision, { Authorization }))).status).toBe(403);
    for (const method of ["PUT", "DELETE", "PATCH"]) {
      expect((await at(path, { method, headers: { Authorization } })).status).toBe(405);
    }
    const json = { ...rpc("tools/call", decision), headers: { Authorization, Origin: publicUrl } };
    expect(await (await at(path, json)).text()).toContain("passphrase");
    await expectNothingAsked();
  });

  test("gets nowhere with another session's form, no form at all, or a cookie that is not the owner's", async () => {
    const other = await ownerBrowser();
    const csrf = hidden(await (await other.get("/grants")).text(), "csrf");
    expect((await browser.submit(path, { ...decision, csrf })).status).toBe(403);
    expect((await browser.submit(path, decision)).status).toBe(403);
    const stranger = createBrowser();
    stranger.cookies.set("__Host-tws-edge-owner", "A".repeat(43));
    expect(await (await stranger.submit(path, { ...decision, csrf })).text()).toContain("passphrase");
    const own = hidden(await (await browser.get("/grants")).text(), "csrf");
    const elsewhere = await browser.submit(
      path,
      { ...decision, csrf: own },
      { Origin: "https://evil.example" },
    );
    expect(elsewhere.status).toBe(403);
    await expectNothingAsked();
  });

  test("finds no tool, method or resource that decides", async () => {
    const { tokens } = await granted({ permission: "trade" });
    const init = (method: string, params: unknown) => {
      const { headers, ...rest } = rpc(method, params);
      return { ...rest, headers: { ...Object(headers), Authorization: `Bearer ${tokens.access_token}` } };
    };
    for (const name of ["ibkr_approve_order", "owner", "decide"]) {
      const answer = await at(
        "/api/v1/mcp",
        init("tools/call", { name, arguments: { approvalId: "a1", digest } }),
      );
      expect(await answer.text()).toMatch(/Unknown tool/);
    }
    for (const method of ["owner", "approvals/decide", "elicitation/create"]) {
      expect(await (await at("/api/v1/mcp", init(method, decision))).text()).toContain("-32601");
    }
    await expectNothingAsked();
  });

  test("is shown without buttons and with the command where only the TWS host decides", async () => {
    const answer = browser.get(path);
    const frame = await agent.expect("owner");
    agent.send({ type: "result", id: frame.id, output: { approvals: [pending()], at: "host" } });
    const page = await (await answer).text();
    expect(page).toContain("BUY 10 AAPL");
    expect(page).toContain("npm run -s tws-edge -- approve a1");
    expect(page).toContain("npm run -s tws-edge -- decline a1");
    expect(page).not.toContain("<button");
  });

  test("has no decision taken with a form that lacks what was shown", async () => {
    const csrf = hidden(await (await browser.get("/grants")).text(), "csrf");
    for (const fields of [{ do: "approve" }, { do: "approve", digest: "short" }, { do: "allow", digest }]) {
      expect((await browser.submit(path, { csrf, ...fields })).status).toBe(400);
    }
    await expectNothingAsked();
  });
});

describe("the state of trading", () => {
  const trading: TradingStatus = {
    trading: "live",
    approval: "always",
    approvalAt: "page",
    limits: {},
    frozen: null,
    journal: "ok",
    unknownOrders: 0,
  };
  const say = (changes: Partial<TradingStatus>) =>
    agent.send({ type: "status", status: { ...connectedStatus, trading: { ...trading, ...changes } } });
  const since = "2026-01-05T15:00:00.000Z";

  test("is shown, and new orders are stopped with a reason", async () => {
    say({ unknownOrders: 3, journal: "failed", approvalAt: "host" });
    const page = await shown("/approvals", []);
    for (const word of [
      "paper and live accounts",
      "for every order, on the TWS host alone",
      "FAILED",
      "<dd>3</dd>",
      "No order waits",
    ]) {
      expect(page).toContain(word);
    }
    const { request, response } = await submitted(
      page,
      { host: "default", do: "freeze", reason: " holiday " },
      (frame) => answerWaiting(frame, []),
      "/approvals",
    );
    expect(request).toEqual({ kind: "freeze", reason: "holiday" });
    expect([response.status, response.headers.get("Location")]).toEqual([303, `${publicUrl}/approvals`]);
  });

  test("can be undone here only where it was done here", async () => {
    say({ frozen: { by: "page", since, reason: "holiday" } });
    const page = await shown("/approvals", []);
    expect(page).toMatch(/STOPPED here since 2026-01-05T15:00:00.000Z: holiday/);
    const { request } = await submitted(
      page,
      { host: "default", do: "unfreeze" },
      (frame) => answerWaiting(frame, []),
      "/approvals",
    );
    expect(request).toEqual({ kind: "unfreeze" });
    for (const by of ["host", "loss"] as const) {
      say({ frozen: { by, since, reason: "" } });
      const other = await shown("/approvals", []);
      expect(other).toContain("tws-edge unfreeze");
      expect(other).not.toContain("Allow new orders again</button>");
    }
  });

  test("is shown as last known while the agent is away, without a button that could not work", async () => {
    say({ frozen: { by: "page", since, reason: "" } });
    await shown("/approvals", []);
    agent.socket.close(1000, "");
    await agent.closed;
    const page = await (await browser.get("/approvals")).text();
    expect(page).toContain("As last known");
    expect(page).not.toContain(`name="do"`);
  });

  test("is asked of a known host only", async () => {
    const csrf = hidden(await (await browser.get("/grants")).text(), "csrf");
    expect((await browser.submit("/approvals", { csrf, host: "elsewhere", do: "freeze" })).status).toBe(400);
    await expectNothingAsked();
  });
});

test("a host that never answers does not keep the page, which names it", async () => {
  const answer = browser.get("/approvals");
  await agent.expect("owner");
  const page = await (await answer).text();
  expect(page).toContain("<h2>default</h2>");
  expect(page).toContain("This host does not answer.");
});

test("a host that is slow keeps nobody from the others, which are shown before it answers", async () => {
  const { browser: owner, hostId } = await pairWith(await createMachine(), { name: "office" });
  const slow = await pairWith(await createMachine(), { name: "home" });
  agent = await connectAgent(hostOf(env, hostId));
  const slowAgent = await connectAgent(hostOf(env, slow.hostId));
  const { body } = await owner.get("/approvals");
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let page = "";
  const read = async () => {
    const { value = "", done = true } = (await reader?.read()) ?? {};
    page += value;
    return !done;
  };
  answerWaiting(await agent.expect("owner"), []);
  while (!page.includes("<h2>office</h2>") && (await read()));
  expect(page).not.toContain("<h2>home</h2>");
  const { id } = await slowAgent.expect("owner");
  slowAgent.send({ type: "result", id, output: { approvals: [pending()] } });
  while (await read());
  expect(page).toContain("<h2>home</h2>");
  expect(page).toContain("AAPL");
  expect(page.trimEnd().endsWith("</html>")).toBe(true);
});
