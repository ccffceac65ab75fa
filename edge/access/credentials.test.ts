import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  at,
  type Browser,
  createBrowser,
  form,
  granted,
  hidden,
  mcp,
  passphrase,
  publicUrl,
  refresh,
  rpc,
} from "./access.fixture.ts";
import { createMachine, pairWith } from "./machines/machine.fixture.ts";

/** Every credential in one place, and the owner's way in past strangers who guess. */

afterEach(() => {
  vi.useRealTimers();
});

const access = () => env.ACCESS.getByName("access");
const pageOf = async (browser: Browser, path = "/grants") => await (await browser.get(path)).text();

async function press(browser: Browser, fields: Readonly<Record<string, string>>): Promise<void> {
  const csrf = hidden(await pageOf(browser), "csrf");
  expect((await browser.submit("/grants", { csrf, ...fields })).status).toBe(303);
}

/** The entry of a page in which this text is. */
const entryOf = (page: string, text: string): string =>
  page
    .split("<fieldset>")
    .slice(1)
    .find((part) => part.includes(text)) ?? "";

async function scriptToken() {
  const machine = await createMachine(`pc ${crypto.randomUUID()}`);
  const { browser } = await pairWith(machine);
  const token = await machine.token({ name: `script ${crypto.randomUUID()}` });
  const registered: { id: string; name: string } = await (await machine.register(token)).json();
  return { machine, browser, token, ...registered };
}

describe("the page of access", () => {
  test("lists a script's token with its last use, and ends it", async () => {
    const { browser, token, id, name, machine } = await scriptToken();
    expect(entryOf(await pageOf(browser), name)).toContain("never");
    expect((await mcp(token)).status).toBe(200);
    const entry = entryOf(await pageOf(browser), name);
    expect(entry).not.toContain("never");
    expect(entry).toContain(machine.name);
    await press(browser, { token: id });
    await expect.poll(async () => (await mcp(token)).status, { timeout: 3_000 }).toBe(401);
    expect(entryOf(await pageOf(browser), name)).toBe("");
  });

  test("lists a machine's key, and revokes it with the tokens that it signed", async () => {
    const { browser, token, machine } = await scriptToken();
    const entry = entryOf(await pageOf(browser), machine.fingerprint);
    expect(entry).toContain(machine.name);
    await press(browser, { key: machine.keyId });
    expect((await machine.dial()).status).toBe(401);
    await expect.poll(async () => (await mcp(token)).status, { timeout: 3_000 }).toBe(401);
    expect(entryOf(await pageOf(browser), machine.fingerprint)).toBe("");
  });

  test("lists the owner's sign-ins, and ends another or this one", async () => {
    const [mine, other] = [createBrowser(), createBrowser("other-address")];
    await mine.signIn();
    await other.signIn();
    const page = await pageOf(mine);
    expect(entryOf(page, "This one")).toContain("Last used");
    const theirs = entryOf(page, "other-address");
    await press(mine, { session: /name="session" value="([^"]+)"/.exec(theirs)?.[1] ?? "" });
    expect(await pageOf(other)).toContain("passphrase");
    const own = /name="session" value="([^"]+)"/.exec(entryOf(await pageOf(mine), "This one"))?.[1] ?? "";
    await press(mine, { session: own });
    expect(await pageOf(mine)).toContain("passphrase");
  });

  test("signs out everywhere", async () => {
    const [mine, other] = [createBrowser(), createBrowser()];
    await mine.signIn();
    await other.signIn();
    await press(mine, { "sign-out": "everywhere" });
    for (const browser of [mine, other]) expect(await pageOf(browser)).toContain("passphrase");
    const kept = await runInDurableObject(access(), (_, { storage }) =>
      storage.sql.exec("SELECT hash FROM session UNION ALL SELECT hash FROM device").toArray(),
    );
    expect(kept).toEqual([]);
  });
});

describe("what is new", () => {
  test("is told on the owner's pages until they say that they know of it", async () => {
    const { browser, clientId, tokens } = await granted({ permission: "trade" });
    const { machine, name } = await scriptToken();
    await refresh(clientId, tokens.refresh_token);
    const second: { refresh_token: string } = await (await refresh(clientId, tokens.refresh_token)).json();
    await refresh(clientId, second.refresh_token);
    await refresh(clientId, tokens.refresh_token);
    for (const path of ["/grants", "/pair", "/approvals", "/audit"]) {
      const page = await pageOf(browser, path);
      for (const words of [
        "You gave access to Test client: read and trade.",
        `The machine ${machine.name} was let in`,
        `made the script token ${name}: tws:read.`,
        "You signed in from a browser that was not known here",
      ]) {
        expect([path, page]).toEqual([path, expect.stringContaining(words)]);
      }
    }
    await press(browser, { seen: /name="seen" value="(\d+)"/.exec(await pageOf(browser))?.[1] ?? "" });
    expect(await pageOf(browser)).not.toContain("New since you last looked");
    // a browser that is known is no news
    await press(browser, { "sign-out": "yes" });
    await browser.signIn();
    expect(await pageOf(browser)).not.toContain("New since you last looked");
  });

  test("includes a grant that ended because its refresh token came twice", async () => {
    const { browser, clientId, tokens } = await granted();
    const second: { refresh_token: string } = await (await refresh(clientId, tokens.refresh_token)).json();
    await refresh(clientId, second.refresh_token);
    await refresh(clientId, tokens.refresh_token);
    expect(await pageOf(browser)).toContain(
      "The access of Test client has ended, since a token of it was used twice",
    );
  });

  test("is bounded, and what comes later pushes nothing out", async () => {
    const browser = createBrowser();
    await browser.signIn();
    for (let count = 0; count < 110; count += 1) await createBrowser().signIn();
    const page = await pageOf(browser);
    expect(page.match(/<li>/g)?.length).toBeLessThanOrEqual(100);
    expect(page).toContain("More has happened than is listed here");
  });
});

describe("a browser in which the owner has signed in", () => {
  /** A request without an address, as where nothing stands before the edge. */
  const signInFrom = (cookie: string, words: string) =>
    at("/sign-in", form({ passphrase: words, next: "/grants" }, { Origin: publicUrl, Cookie: cookie }));

  async function browserCookie(): Promise<string> {
    const answer = await createBrowser().submit("/sign-in", { passphrase, next: "/grants" });
    const cookie = answer.headers.getSetCookie().find((one) => one.startsWith("__Host-tws-edge-browser="));
    expect(cookie).toMatch(/; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=15552000$/);
    return cookie?.split(";", 1)[0] ?? "";
  }

  test("signs in while strangers guess without end, also where nobody tells an address", async () => {
    const cookie = await browserCookie();
    const guesses = Array.from({ length: 30 }, () => signInFrom("", "wrong"));
    const answer = signInFrom(cookie, passphrase);
    await Promise.all(guesses);
    expect((await answer).status).toBe(303);
    expect((await signInFrom("", passphrase)).status).toBe(429);
    expect((await signInFrom(`${cookie.slice(0, -1)}_`, passphrase)).status).toBe(429);
    expect((await signInFrom(cookie, passphrase)).status).toBe(303);
  });

  test("waits for its own failures, so that its cookie helps nobody to guess", async () => {
    const cookie = await browserCookie();
    for (let count = 0; count < 3; count += 1) await signInFrom(cookie, "wrong");
    expect((await signInFrom(cookie, passphrase)).status).toBe(429);
  });

  test("is forgotten where the owner says so", async () => {
    const browser = createBrowser();
    await browser.signIn();
    const device = /name="device" value="([^"]+)"/.exec(await pageOf(browser))?.[1] ?? "";
    await press(browser, { device });
    expect(await pageOf(browser)).not.toContain(`value="${device}"`);
  });
});

test("the key that signs MCP sessions is renewed at the page: old sessions end, and new ones begin", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const { browser, tokens } = await granted();
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };
  const begin = async () =>
    (await mcp(tokens.access_token, rpc("initialize", params))).headers.get("Mcp-Session-Id") ?? "";
  const ask = async (session: string) =>
    (
      await mcp(tokens.access_token, {
        ...rpc("tools/list"),
        headers: { "Content-Type": "application/json", "Mcp-Session-Id": session },
      })
    ).status;
  const before = await begin();
  expect(await ask(before)).toBe(200);
  await press(browser, { renew: "signing-key" });
  vi.setSystemTime(Date.now() + 30_000);
  expect(await ask(before)).toBe(404);
  expect(await ask(await begin())).toBe(200);
});
