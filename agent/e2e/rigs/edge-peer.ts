import { once } from "node:events";
import { type WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import { TwsError } from "../../../shared/errors.ts";
import {
  type AgentFrame,
  encodeFrame,
  parseAgentFrame,
  ping,
  pong,
  subprotocol,
} from "../../../shared/protocol.ts";
import type { Caller } from "../../../shared/caller.ts";
import type { AgentStatus } from "../../../shared/status.ts";
import { trader } from "../../handlers/handlers.fixture.ts";
import { eventually } from "../clients/clients.ts";
import type { Ask } from "./dispatch-client.ts";

/** The edge's side of the link and nothing else: it welcomes an agent and hands it calls. */
export interface EdgePeer {
  readonly url: string;
  /** A call whose link ends before its answer is answered with agent_offline. */
  readonly ask: Ask;
  /** The same for another caller. */
  readonly askAs: (caller: Caller) => Ask;
  /** Resolves when an agent is linked whose session with TWS is up. */
  whenReady(): Promise<void>;
  close(): Promise<void>;
}

export async function startEdgePeer(): Promise<EdgePeer> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => subprotocol });
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The peer has no port");
  const waiting = new Map<string, (answer: AgentFrame) => void>();
  let socket: WebSocket | null = null;
  let status: AgentStatus | null = null;
  let calls = 0;

  function take(text: string, from: WebSocket): void {
    if (text === ping) return from.send(pong);
    const frame = parseAgentFrame(text);
    if (frame.type === "hello") {
      const host = { hostId: "default", edgeVersion: "test", topics: [], keepsAudit: false };
      from.send(encodeFrame({ type: "welcome", ...host }));
      socket = from;
    }
    if (frame.type === "hello" || frame.type === "status") status = frame.status;
    if (frame.type === "result" || frame.type === "error") {
      waiting.get(frame.id)?.(frame);
      waiting.delete(frame.id);
    }
  }

  function left(gone: WebSocket): void {
    if (socket !== gone) return;
    socket = null;
    status = null;
    const error = new TwsError("agent_offline", "The agent's connection was lost.").toBody();
    for (const [id, resolve] of waiting) resolve({ type: "error", id, error });
    waiting.clear();
  }

  server.on("connection", (from) => {
    from.on("message", (data) => take(z.instanceof(Buffer).parse(data).toString(), from));
    from.on("error", () => {});
    from.on("close", () => left(from));
  });

  const askAs =
    (caller: Caller): Ask =>
    (tool, input) => {
      const { promise, resolve } = Promise.withResolvers<AgentFrame>();
      const id = String((calls += 1));
      const sentAt = Date.now();
      const call = { type: "call", id, tool, input: { ...input }, sentAt, caller } as const;
      if (socket === null) {
        const error = new TwsError("agent_offline", "There is no agent.").toBody();
        return Promise.resolve({ type: "error", id, error });
      }
      waiting.set(id, resolve);
      socket.send(encodeFrame({ ...call, deadlineAt: sentAt + 60_000 }));
      return promise;
    };

  return {
    url: `ws://127.0.0.1:${address.port}/api/v1/agent`,
    ask: askAs(trader),
    askAs,
    async whenReady() {
      await eventually(
        async () => status,
        (now) => now?.tws.state === "connected",
      );
    },
    async close() {
      for (const one of server.clients) one.terminate();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}
