import { once } from "node:events";
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from "@modelcontextprotocol/client";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { WebSocket } from "ws";
import { z } from "zod";

const ToolResult = z.object({
  isError: z.boolean().optional(),
  structuredContent: z.record(z.string(), z.unknown()),
  content: z.array(z.object({ type: z.string(), text: z.string() })),
});

/** Calls a tool and returns its structured result, having checked that the text block says the same. */
export type CallTool = (name: string, input?: Record<string, unknown>) => Promise<Record<string, unknown>>;

function readResult(result: unknown): Record<string, unknown> {
  const { structuredContent, content } = ToolResult.parse(result);
  const text: unknown = JSON.parse(content[0]?.text ?? "");
  if (JSON.stringify(text) !== JSON.stringify(structuredContent))
    throw new Error("text and structure differ");
  return structuredContent;
}

const clientInfo = { name: "journey", version: "1.0.0" };

/** The v2 client, pinned to 2026-07-28. */
export async function connectModern(mcpUrl: string): Promise<{ client: ModernClient; call: CallTool }> {
  const client = new ModernClient(clientInfo, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
  await client.connect(new ModernTransport(new URL(mcpUrl)));
  return {
    client,
    call: async (name, input = {}) => readResult(await client.callTool({ name, arguments: input })),
  };
}

/** The v1 client, which stops at 2025-11-25 and which most hosts embed. */
export async function connectLegacy(
  mcpUrl: string,
): Promise<{ client: LegacyClient; transport: LegacyTransport; call: CallTool }> {
  const client = new LegacyClient(clientInfo);
  const transport = new LegacyTransport(new URL(mcpUrl));
  if (!isTransport(transport)) throw new Error("not a transport");
  await client.connect(transport);
  return {
    client,
    transport,
    call: async (name, input = {}) => readResult(await client.callTool({ name, arguments: input })),
  };
}

// the SDK's own class does not satisfy its own interface under exactOptionalPropertyTypes
const isTransport = (transport: object): transport is Transport => "send" in transport;

const Reply = z.object({
  jsonrpc: z.literal("2.0"),
  id: z.union([z.string(), z.number(), z.null()]).optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  error: z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() }).optional(),
});

/** One POST as people paste it: no Accept, no initialize, no session. */
export async function post(
  mcpUrl: string,
  method: string,
  params: unknown,
  id: string | number = 1,
  signal: AbortSignal | null = null,
) {
  const response = await fetch(mcpUrl, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", method, params, id }),
    signal,
  });
  return { response, reply: Reply.parse(await response.json()) };
}

/** Calls a tool by a plain POST; the client leaves when `signal` is aborted. */
export function plainCaller(mcpUrl: string, signal: AbortSignal | null = null): CallTool {
  return async (name, input = {}) => {
    const { reply } = await post(mcpUrl, "tools/call", { name, arguments: input }, 1, signal);
    return readResult(reply.result);
  };
}

type Message = Record<string, unknown>;

/** A WebSocket whose messages are kept until they are asked for, in order. */
export interface Socket {
  send(message: unknown): void;
  /** The next message that has the given fields; those before it are passed over. */
  next(fields?: Message): Promise<Message>;
  readonly closed: Promise<number>;
  /** False as soon as either end has said that it closes. */
  isOpen(): boolean;
  /** Lets go at once; whoever closed it gets no answer. */
  terminate(): void;
  close(): void;
}

export async function openSocket(
  url: string,
  options: { headers?: Record<string, string> } = {},
): Promise<Socket> {
  const socket = new WebSocket(url, options);
  const queue: Message[] = [];
  const waiting: (() => void)[] = [];
  socket.addEventListener("message", ({ data }) => {
    queue.push(z.record(z.string(), z.unknown()).parse(JSON.parse(z.string().parse(data))));
    for (const wake of waiting.splice(0)) wake();
  });
  const closed = new Promise<number>((resolve) => {
    socket.once("close", (code) => {
      resolve(code);
      for (const wake of waiting.splice(0)) wake();
    });
  });
  await once(socket, "open");
  const matches = (message: Message, fields: Message) =>
    Object.entries(fields).every(([key, value]) => message[key] === value);
  return {
    send: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    async next(fields = {}) {
      for (;;) {
        const message = queue.shift();
        if (message !== undefined) {
          if (matches(message, fields)) return message;
        } else if (socket.readyState === WebSocket.CLOSED) {
          throw new Error(`closed while waiting for ${JSON.stringify(fields)}`);
        } else {
          await new Promise<void>((resolve) => waiting.push(resolve));
        }
      }
    },
    closed,
    isOpen: () => socket.readyState === WebSocket.OPEN,
    terminate: () => socket.terminate(),
    close: () => socket.close(),
  };
}

/** Asks again until the answer satisfies the condition; the test's own timeout is the only limit. */
export async function eventually<T>(ask: () => Promise<T>, isDone: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await ask();
    if (isDone(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
