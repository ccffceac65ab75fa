import { type CryptoKey, exportJWK, generateKeyPair } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Local } from "../../local/local.ts";
import { type ClientStyle, clientStyles } from "./client-styles.ts";
import { consent, openConsent, startWithSignIn } from "../rigs/owner-browser.ts";
import { type Site, type PrivateWeb, startPrivateWeb } from "../rigs/private-web.ts";
import { startStyled } from "./styled-client.ts";

/** The registration styles of the clients that people use, each all the way to a call and a renewed token. */

let local: Local;
let web: PrivateWeb;
let key: CryptoKey;

beforeAll(async () => {
  const { privateKey, publicKey } = await generateKeyPair("RS256");
  key = privateKey;
  const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: "key-1", alg: "RS256", use: "sig" }] };
  web = await startPrivateWeb(sitesOf(clientStyles, keys));
  local = await startWithSignIn({ network: web.network });
});
afterAll(async () => {
  await local?.close();
  await web?.close();
});

/** The names at which the documents are, with what is there. */
function sitesOf(styles: readonly ClientStyle[], keys: unknown): Record<string, Site> {
  const sites: Record<string, Site> = {};
  for (const { client, registration, authentication } of styles) {
    if (registration.kind !== "document") continue;
    const { host, pathname, origin } = new URL(registration.url);
    const jwksUri = `${origin}/oauth/jwks.json`;
    const site = sites[host]?.answers ?? {};
    const document = {
      client_id: registration.url,
      client_name: client,
      redirect_uris: registration.redirectUris,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: authentication,
      ...(authentication === "private_key_jwt" && {
        token_endpoint_auth_methods_supported: ["none", "private_key_jwt"],
        token_endpoint_auth_signing_alg: "RS256",
        jwks_uri: jwksUri,
      }),
    };
    sites[host] = {
      addresses: ["8.8.8.8"],
      answers: { ...site, [pathname]: document, [new URL(jwksUri).pathname]: keys },
    };
  }
  return sites;
}

const Answer = z.looseObject({ result: z.looseObject({ structuredContent: z.unknown() }) });

async function post(token: string, method: string, params: unknown): Promise<Response> {
  return await fetch(local.mcpUrl, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/json",
      Authorization: `Bearer ${token}`,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
}

async function call(style: ClientStyle, token: string, name: string, input: unknown = {}): Promise<unknown> {
  if (style.isSessionless) {
    const hello = await post(token, "initialize", {
      protocolVersion: "2025-06-18",
      capabilities: {},
      clientInfo: { name: style.client, version: "1" },
    });
    if (!hello.ok) throw new Error(`HTTP ${hello.status}`);
  }
  const answer = await post(token, "tools/call", { name, arguments: input });
  return Answer.parse(await answer.json()).result.structuredContent;
}

const ownAccount = { accounts: ["DU1234567"] };

test.each(clientStyles.map((style) => [style.client, style] as const))(
  "%s is refused, then let in by the owner, calls, and renews its token",
  async (_, style) => {
    const client = await startStyled(style, local.mcpUrl, key);
    const { page } = await openConsent(client.address);
    expect(page).toContain(
      style.registration.kind === "document"
        ? `<dd>${new URL(style.registration.url).hostname}</dd>`
        : "unverified: the client chose its name itself",
    );
    expect(page).toContain(`<dd>${style.shownTarget}</dd>`);
    expect(page.includes("a program on the computer")).toBe(!style.redirectUri.startsWith("https:"));

    const no = await consent(client.address, { permission: "read", decision: "deny" });
    expect(no.href.startsWith(`${style.redirectUri}?`)).toBe(true);
    expect(no.searchParams.get("error")).toBe("access_denied");
    expect(no.searchParams.get("code")).toBeNull();

    const tokens = await client.exchange(await consent(client.address, { permission: "trade" }));
    // the owner decides, whatever was asked for
    expect(tokens.scope).toContain("tws:trade");
    expect(await call(style, tokens.access_token, "ibkr_get_managed_accounts")).toMatchObject(ownAccount);
    const order = { symbol: "AAPL", action: "BUY", quantity: 1 };
    expect(await call(style, tokens.access_token, "ibkr_place_order", order)).toMatchObject({
      status: "Filled",
    });

    const renewed = await client.refresh(tokens.refresh_token);
    expect(renewed.refresh_token).not.toBe(tokens.refresh_token);
    expect(await call(style, renewed.access_token, "ibkr_get_managed_accounts")).toMatchObject(ownAccount);
  },
);

describe("what is not one of these", () => {
  const styleOf = (words: string): ClientStyle => {
    const style = clientStyles.find(({ client }) => client === words);
    if (style === undefined) throw new Error(`There is no style ${words}.`);
    return style;
  };

  test.each([
    ["Claude Code by its document, on a port of its choice", "http://localhost:1/elsewhere"],
    ["Claude Code by its document, on a port of its choice", "http://localhost.evil.example/callback"],
    ["VS Code on another port", "http://127.0.0.1:59656/callback"],
    ["Claude by its document", "https://claude.ai/api/mcp/auth_callback/"],
    ["Claude by its document", "https://claude.ai.evil.example/api/mcp/auth_callback"],
    ["ChatGPT by its document and its key", "https://chatgpt.com/connector/oauth/abc123"],
    ["Cursor at its callback 1", "cursor://anysphere.cursor-mcp/oauth/callback2"],
  ])("%s is not answered at %s", async (words, redirectUri) => {
    const { address } = await startStyled({ ...styleOf(words), redirectUri }, local.mcpUrl, key);
    const { page, status } = await openConsent(address);
    expect(status).toBe(400);
    expect(page).not.toContain("Give access?");
  });

  test.each(["calculator://run", "ms-settings:privacy", "x-evil:go"])(
    "a client that wants its answer at %s is refused: the browser would start a program",
    async (redirectUri) => {
      const style = {
        ...styleOf("Cursor as it was"),
        registration: { kind: "dynamic", redirectUris: [redirectUri] } as const,
        redirectUri,
      };
      const { address } = await startStyled(style, local.mcpUrl, key);
      const { page, status } = await openConsent(address);
      expect([status, page.includes("of a kind that is not taken")]).toEqual([400, true]);
      // nor with an error, which needs no consent
      address.searchParams.delete("code_challenge");
      expect((await openConsent(address)).status).toBe(400);
      address.searchParams.set("response_type", "token");
      expect((await openConsent(address)).status).toBe(400);
    },
  );

  test("a client with a key of its own is not let in by another's", async () => {
    const client = await startStyled(
      styleOf("ChatGPT by its document and its key"),
      local.mcpUrl,
      (await generateKeyPair("RS256")).privateKey,
    );
    const back = await consent(client.address, { permission: "read" });
    await expect(client.exchange(back)).rejects.toThrow(/HTTP 401.*invalid_client/);
  });
});
