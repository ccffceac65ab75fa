import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from "@modelcontextprotocol/client";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { createProvider, type Provider } from "./oauth-provider.ts";
import { type Choice, consent } from "../rigs/owner-browser.ts";

/** The SDK's clients, signed in at an edge by its owner. */
export interface Signed {
  readonly names: readonly string[];
  readonly call: (name: string, input?: Record<string, unknown>) => Promise<unknown>;
  readonly provider: Provider;
  /** Where its transport takes what the owner's browser was sent back with. */
  readonly finish: (back: URL) => Promise<void>;
  readonly close: () => Promise<void>;
}

type SignIn = (mcpUrl: string, permission: Choice["permission"]) => Promise<Signed>;

/** Rejects as the client does that nobody has signed in. */
async function refused(connecting: Promise<unknown>): Promise<void> {
  const words = await connecting.then(
    () => "connected without signing in",
    (error: unknown) => String(error),
  );
  if (!/unauthorized/i.test(words)) throw new Error(words);
}

export const signInModern: SignIn = async (mcpUrl, permission) => {
  const provider = createProvider();
  const transport = () => new ModernTransport(new URL(mcpUrl), { authProvider: provider });
  const client = () =>
    new ModernClient(
      { name: "modern", version: "1" },
      { versionNegotiation: { mode: { pin: "2026-07-28" } } },
    );
  const first = transport();
  await refused(client().connect(first));
  await first.finishAuth((await consent(provider.sentTo(), { permission })).searchParams);
  const [connected, last] = [client(), transport()];
  await connected.connect(last);
  const { tools } = await connected.listTools();
  return {
    names: tools.map(({ name }) => name),
    call: (name, input = {}) => connected.callTool({ name, arguments: input }),
    provider,
    finish: (back) => last.finishAuth(back.searchParams),
    close: () => connected.close(),
  };
};

// the SDK's own class does not satisfy its own interface under exactOptionalPropertyTypes
const isTransport = (transport: object): transport is Transport => "send" in transport;

export const signInLegacy: SignIn = async (mcpUrl, permission) => {
  const provider = createProvider();
  const connect = (transport: LegacyTransport) => {
    if (!isTransport(transport)) throw new Error("not a transport");
    const client = new LegacyClient({ name: "legacy", version: "1" });
    return { client, connecting: client.connect(transport) };
  };
  const transport = () => new LegacyTransport(new URL(mcpUrl), { authProvider: provider });
  const first = transport();
  await refused(connect(first).connecting);
  let last = first;
  let current: LegacyClient | null = null;
  const client = () => current ?? new LegacyClient({ name: "nobody", version: "1" });
  // a session is of one grant, so with another grant the client begins another
  const finish = async (back: URL): Promise<void> => {
    await last.finishAuth(back.searchParams.get("code") ?? "");
    await current?.close();
    last = transport();
    const connection = connect(last);
    await connection.connecting;
    current = connection.client;
  };
  await finish(await consent(provider.sentTo(), { permission }));
  const { tools } = await client().listTools();
  return {
    names: tools.map(({ name }) => name),
    call: (name, input = {}) => client().callTool({ name, arguments: input }),
    provider,
    finish,
    close: () => client().close(),
  };
};

export const signIns = [
  ["2026-07-28", signInModern],
  ["2025-11-25", signInLegacy],
] as const;
