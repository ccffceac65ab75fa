import { once } from "node:events";
import { createServer } from "node:net";
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from "@modelcontextprotocol/client";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { parseStartConfig } from "../config.ts";
import { type Local, startLocal } from "../local.ts";

/** Real MCP clients sign in at an edge with AUTH=on; the owner's browser is played by plain requests. */

const passphrase = "correct horse battery staple";
const callback = "http://127.0.0.1:9/callback";

let local: Local;
let origin: string;

beforeAll(async () => {
  // the public address has to be known before the edge listens on it
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = z.object({ port: z.int() }).parse(probe.address());
  await new Promise((resolve) => probe.close(resolve));
  const config = parseStartConfig({ AUTH: "on", OWNER_PASSPHRASE: passphrase, SERVER_PORT: String(port) });
  local = await startLocal({ config, persistTo: null });
  origin = local.url;
});
afterAll(() => local.close());

const hidden = (page: string, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1]?.replaceAll("&amp;", "&") ?? "";

/** What the owner does in their browser from the address where a client sends them to the one that leads back. */
async function consent(address: URL, permission: "read" | "trade"): Promise<URL> {
  const cookies = new Map<string, string>();
  const send = async (url: string, form?: Record<string, string>): Promise<Response> => {
    const response = await fetch(url, {
      redirect: "manual",
      headers: {
        Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; "),
        ...(form && { Origin: origin }),
      },
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      cookies.set(name, value);
    }
    return response;
  };
  const next = hidden(await (await send(address.href)).text(), "next");
  const signedIn = await send(`${origin}/sign-in`, { passphrase, next });
  const page = await (await send(signedIn.headers.get("Location") ?? "")).text();
  const answer = await send(`${origin}/authorize`, {
    csrf: hidden(page, "csrf"),
    handle: hidden(page, "handle"),
    decision: "allow",
    permission,
    toolset: "full",
    days: "1",
    host: "default",
    "every-account": "yes",
  });
  return new URL(answer.headers.get("Location") ?? "about:blank");
}

/** What a client keeps of its sign-in, and where it wants the owner to go. */
function createProvider() {
  const kept = new Map<string, unknown>();
  let sentTo: URL | null = null;
  const Kept = z.looseObject({ client_id: z.string() });
  const Tokens = z.looseObject({ access_token: z.string(), token_type: z.string() });
  return {
    redirectUrl: callback,
    clientMetadata: {
      client_name: "A real client",
      redirect_uris: [callback],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    },
    state: () => "state-of-the-client",
    clientInformation: () => Kept.optional().parse(kept.get("client")),
    saveClientInformation: (client: unknown) => void kept.set("client", client),
    tokens: () => Tokens.optional().parse(kept.get("tokens")),
    saveTokens: (tokens: unknown) => void kept.set("tokens", tokens),
    redirectToAuthorization: (url: URL) => void (sentTo = url),
    saveCodeVerifier: (verifier: string) => void kept.set("verifier", verifier),
    codeVerifier: () => z.string().parse(kept.get("verifier")),
    sentTo: (): URL => sentTo ?? new URL("about:blank"),
    forgetAccessToken: () =>
      kept.set("tokens", {
        ...Tokens.parse(kept.get("tokens")),
        access_token: "g_AAAAAAAAAAAAAAAAAAAAAA:a:b",
      }),
  };
}

interface Signed {
  readonly names: readonly string[];
  readonly call: (name: string) => Promise<unknown>;
  readonly provider: ReturnType<typeof createProvider>;
  readonly close: () => Promise<void>;
}

async function signInModern(permission: "read" | "trade"): Promise<Signed> {
  const provider = createProvider();
  const client = () =>
    new ModernClient(
      { name: "modern", version: "1" },
      { versionNegotiation: { mode: { pin: "2026-07-28" } } },
    );
  const first = new ModernTransport(new URL(local.mcpUrl), { authProvider: provider });
  await expect(client().connect(first)).rejects.toThrow(/unauthorized/i);
  await first.finishAuth((await consent(provider.sentTo(), permission)).searchParams);
  const connected = client();
  await connected.connect(new ModernTransport(new URL(local.mcpUrl), { authProvider: provider }));
  const { tools } = await connected.listTools();
  return {
    names: tools.map(({ name }) => name),
    call: (name) => connected.callTool({ name, arguments: {} }),
    provider,
    close: () => connected.close(),
  };
}

// the SDK's own class does not satisfy its own interface under exactOptionalPropertyTypes
const isTransport = (transport: object): transport is Transport => "send" in transport;

async function signInLegacy(permission: "read" | "trade"): Promise<Signed> {
  const provider = createProvider();
  const connect = async (client: LegacyClient) => {
    const transport = new LegacyTransport(new URL(local.mcpUrl), { authProvider: provider });
    if (!isTransport(transport)) throw new Error("not a transport");
    return { transport, connecting: client.connect(transport) };
  };
  const { transport, connecting } = await connect(new LegacyClient({ name: "legacy", version: "1" }));
  await expect(connecting).rejects.toThrow(/unauthorized/i);
  const code = (await consent(provider.sentTo(), permission)).searchParams.get("code") ?? "";
  if (!(transport instanceof LegacyTransport)) throw new Error("not ours");
  await transport.finishAuth(code);
  const client = new LegacyClient({ name: "legacy", version: "1" });
  await (
    await connect(client)
  ).connecting;
  const { tools } = await client.listTools();
  return {
    names: tools.map(({ name }) => name),
    call: (name) => client.callTool({ name, arguments: {} }),
    provider,
    close: () => client.close(),
  };
}

describe.each([
  ["2026-07-28", signInModern],
  ["2025-11-25", signInLegacy],
] as const)("a real client of %s", (_, signIn) => {
  test("finds out where to sign in, is let in by the owner, and calls tools", async () => {
    const { names, call, close } = await signIn("trade");
    expect(names).toContain("ibkr_place_order");
    expect(await call("ibkr_get_managed_accounts")).toMatchObject({
      structuredContent: { accounts: ["DU1234567"] },
    });
    await close();
  });

  test("that may read is shown no tool that trades", async () => {
    const { names, close } = await signIn("read");
    expect(names).toContain("ibkr_get_positions");
    expect(names).not.toContain("ibkr_place_order");
    await close();
  });

  test("renews an access token that is not taken any more, and asks nobody", async () => {
    const { call, provider, close } = await signIn("read");
    const sentTo = provider.sentTo();
    provider.forgetAccessToken();
    expect(await call("ibkr_get_managed_accounts")).toMatchObject({
      structuredContent: { accounts: ["DU1234567"] },
    });
    expect(provider.sentTo()).toBe(sentTo);
    await close();
  });
});

test("a page gets a ticket for its token, and opens a stream with it", async () => {
  const { provider, close } = await signInModern("read");
  const answer = await fetch(`${origin}/api/v1/tickets`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Authorization: `Bearer ${provider.tokens()?.access_token ?? ""}`,
    },
    body: JSON.stringify({ endpoint: "market-data" }),
  });
  const { ticket } = z.object({ ticket: z.string() }).parse(await answer.json());
  const socket = new WebSocket(`${origin.replace(/^http/, "ws")}/api/v1/stream/market-data?ticket=${ticket}`);
  const [data] = await once(socket, "message");
  expect(JSON.parse(String(data))).toMatchObject({ type: "connected" });
  socket.terminate();
  await close();
});
