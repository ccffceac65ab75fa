import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { generateKeyPair } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import type { Local } from "../local/local.ts";
import { getPublic } from "../local/public-fetch.ts";
import type { ClientStyle } from "./clients/client-styles.ts";
import { consent, openConsent, startWithSignIn } from "./rigs/owner-browser.ts";
import { redirectTo, type Site, type PrivateWeb, startPrivateWeb } from "./rigs/private-web.ts";
import { startStyled } from "./clients/styled-client.ts";

/**
 * Clients that are described at an address of their own, which the edge in this process fetches: all of the way there
 * is real (workerd, name look-up, TLS, HTTP), but names and addresses are those of a private web on this machine.
 */

const callback = "https://app.example/callback";

const described = (host: string, changes: Readonly<Record<string, unknown>> = {}) => ({
  client_id: `https://${host}/client.json`,
  client_name: "Described application",
  redirect_uris: [callback],
  token_endpoint_auth_method: "none",
  ...changes,
});

const site = (host: string, ...addresses: readonly string[]): Record<string, Site> => ({
  [host]: { addresses, answers: { "/client.json": described(host) } },
});

const inner = {
  "loopback.example": ["127.0.0.1"],
  "private.example": ["10.1.2.3"],
  "office.example": ["172.20.0.1"],
  "home.example": ["192.168.1.1"],
  "carrier.example": ["100.64.0.1"],
  "metadata.example": ["169.254.169.254"],
  "zero.example": ["0.0.0.0"],
  "loopback6.example": ["::1"],
  "linklocal6.example": ["fe80::1"],
  "private6.example": ["fd00::1"],
  "mapped.example": ["::ffff:127.0.0.1"],
  "mapped-private.example": ["::ffff:10.0.0.1"],
  "translated.example": ["64:ff9b::7f00:1"],
  "sixtofour.example": ["2002:7f00:1::"],
  // one good address is no excuse for another
  "both.example": ["8.8.8.8", "127.0.0.1"],
} as const;

const outer: Record<string, Site> = {
  ...site("app.example", "8.8.8.8", "2606:4700:4700::1111"),
  "moved.example": {
    addresses: ["8.8.8.8"],
    answers: { "/client.json": redirectTo("https://app.example/client.json") },
  },
  "huge.example": {
    addresses: ["8.8.8.8"],
    answers: { "/client.json": described("huge.example", { padding: "x".repeat(200_000) }) },
  },
  "liar.example": { addresses: ["8.8.8.8"], answers: { "/client.json": described("app.example") } },
  "words.example": { addresses: ["8.8.8.8"], answers: { "/client.json": "no description" } },
  "empty.example": { addresses: ["8.8.8.8"], answers: {} },
};

let local: Local;
let web: PrivateWeb;
let victim: Server;
let victimPort = 0;
let visits = 0;

beforeAll(async () => {
  victim = createServer((_, response) => {
    visits += 1;
    response.end(JSON.stringify(described("redirecting.example")));
  }).listen(0, "127.0.0.1");
  victim.on("connection", () => (visits += 1));
  await once(victim, "listening");
  victimPort = z.object({ port: z.int() }).parse(victim.address()).port;
  const inside = Object.entries(inner).map(([host, addresses]) => site(host, ...addresses));
  const redirecting = [
    `https://127.0.0.1:${victimPort}/`,
    `http://127.0.0.1:${victimPort}/`,
    `https://[::ffff:7f00:1]:${victimPort}/`,
    "https://private.example/client.json",
  ].map((target, index) => ({
    [`redirecting-${index}.example`]: {
      addresses: ["8.8.8.8"],
      answers: { "/client.json": redirectTo(target) },
    },
  }));
  web = await startPrivateWeb(Object.assign({}, outer, ...inside, ...redirecting));
  local = await startWithSignIn({ network: web.network, write: () => undefined });
});
afterAll(async () => {
  await local?.close();
  await web?.close();
  victim?.close();
});

const style = (url: string): ClientStyle => ({
  client: "Described application",
  registration: { kind: "document", url, redirectUris: [callback] },
  redirectUri: callback,
  authentication: "none",
  scope: null,
  shownTarget: "app.example",
  isSessionless: false,
});

async function open(url: string) {
  const { privateKey } = await generateKeyPair("EdDSA");
  const client = await startStyled(style(url), local.mcpUrl, privateKey);
  return { client, consent: await openConsent(client.address) };
}

test("a client is let in that is described at a public name, which the owner is shown", async () => {
  const before = web.asked.length;
  const { client, consent: shown } = await open("https://app.example/client.json");
  expect(shown.status).toBe(200);
  expect(shown.page).toContain("<dd>app.example</dd>");
  expect(shown.page).not.toContain("unverified");
  expect(web.asked.slice(before)).toContain("https://app.example/client.json");
  const tokens = await client.exchange(await consent(client.address, { permission: "read" }));
  const answer = await fetch(local.mcpUrl, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${tokens.access_token}` },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
  });
  expect(answer.status).toBe(200);
});

/** What the owner is told in place of the consent page. */
async function refusalOf(url: string): Promise<string> {
  const { page, status } = (await open(url)).consent;
  return status === 400 && page.includes("could not be fetched or is not valid") ? "not fetched" : page;
}

test.each(Object.keys(inner))("nothing is asked of %s, whose address is not public", async (host) => {
  const before = web.asked.length;
  expect(await refusalOf(`https://${host}/client.json`)).toBe("not fetched");
  expect(web.asked.slice(before)).toEqual([]);
});

test.each([
  "https://127.0.0.1:PORT/client.json",
  "https://[::1]:PORT/client.json",
  "https://[::ffff:127.0.0.1]:PORT/client.json",
  "https://localhost:PORT/client.json",
  "https://2130706433:PORT/client.json",
  "https://0x7f.1:PORT/client.json",
  "https://169.254.169.254/client.json",
  "https://app.localhost/client.json",
  "https://router.local/client.json",
])("nothing is asked of %s", async (url) => {
  const [asked, visited] = [web.asked.length, visits];
  const { consent: shown } = await open(url.replace("PORT", String(victimPort)));
  expect(shown.status).toBe(400);
  expect([web.asked.length, visits]).toEqual([asked, visited]);
});

test.each([0, 1, 2, 3])("a redirect to an inner address is not followed (%i)", async (index) => {
  const [asked, visited] = [web.asked.length, visits];
  expect(await refusalOf(`https://redirecting-${index}.example/client.json`)).toBe("not fetched");
  expect(web.asked.slice(asked)).toEqual([`https://redirecting-${index}.example/client.json`]);
  expect(visits).toBe(visited);
});

test("a redirect to another public name is not followed either", async () => {
  const before = web.asked.length;
  expect(await refusalOf("https://moved.example/client.json")).toBe("not fetched");
  expect(web.asked.slice(before)).toEqual(["https://moved.example/client.json"]);
});

test.each(["huge", "liar", "words", "empty", "unknown"])(
  "the description at %s.example is refused",
  async (host) => {
    expect(await refusalOf(`https://${host}.example/client.json`)).toBe("not fetched");
  },
);

test("no answer of any size is read to its end", async () => {
  await expect(getPublic("https://huge.example/client.json", {}, web.network)).rejects.toThrow(/too large/);
  const { status, body } = await getPublic("https://app.example/client.json", {}, web.network);
  expect([status, JSON.parse(body.toString())]).toEqual([200, described("app.example")]);
});
