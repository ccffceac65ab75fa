import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from "@modelcontextprotocol/client";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import type { Provider } from "./oauth-provider.ts";

/** The SDK's clients of both eras, which show the person before them what they are asked in the middle of a call. */

export interface Shown {
  readonly message: string;
  /** The address in what is shown. */
  readonly url: string;
}
export type Answer = { readonly action: "accept" | "decline" | "cancel"; readonly content?: {} };
type Ask = (shown: Shown) => Promise<Answer>;

export interface AskingClient {
  call(name: string, input: Record<string, unknown>): Promise<unknown>;
  close(): Promise<void>;
}
type Connect = (mcpUrl: string, authProvider: Provider, ask: Ask) => Promise<AskingClient>;

const info = { name: "asking", version: "1" };

/** By its address, as these clients can open one. */
const connectModern: Connect = async (mcpUrl, authProvider, ask) => {
  const client = new ModernClient(info, {
    capabilities: { elicitation: { url: {} } },
    versionNegotiation: { mode: { pin: "2026-07-28" } },
  });
  client.setRequestHandler(
    "elicitation/create",
    async ({ params }) =>
      await ask({ message: params.message, url: params.mode === "url" ? params.url : "" }),
  );
  await client.connect(new ModernTransport(new URL(mcpUrl), { authProvider }));
  return {
    call: (name, input) => client.callTool({ name, arguments: input }),
    close: () => client.close(),
  };
};

// the SDK's own class does not satisfy its own interface under exactOptionalPropertyTypes
const isTransport = (transport: object): transport is Transport => "send" in transport;

/** By a form, whose words name the address. */
const connectLegacy: Connect = async (mcpUrl, authProvider, ask) => {
  const client = new LegacyClient(info, { capabilities: { elicitation: { form: {} } } });
  client.setRequestHandler(ElicitRequestSchema, async ({ params: { message } }) => {
    const [url = ""] = /http\S+\/approvals\/[\w.-]*\w/.exec(message) ?? [];
    return { content: {}, ...(await ask({ message, url })) };
  });
  const transport = new LegacyTransport(new URL(mcpUrl), { authProvider });
  if (!isTransport(transport)) throw new Error("not a transport");
  await client.connect(transport);
  return {
    call: (name, input) => client.callTool({ name, arguments: input }),
    close: () => client.close(),
  };
};

export const askingClients = { "2026-07-28": connectModern, "2025-11-25": connectLegacy } as const;
