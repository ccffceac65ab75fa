import { once } from "node:events";
import { type WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import type { OwnerRequest } from "../../../shared/approval.ts";
import { TwsError } from "../../../shared/errors.ts";
import {
  type AgentFrame,
  type EdgeFrame,
  encodeFrame,
  parseAgentFrame,
  ping,
  pong,
  subprotocol,
} from "../../../shared/protocol.ts";
import type { Caller } from "../../../shared/caller.ts";
import type { AgentStatus } from "../../../shared/status.ts";
import type { ToolName } from "../../../shared/tools/index.ts";
import { type Agent, createAgent } from "../../agent.ts";
import { trader } from "../../handlers/handlers.fixture.ts";
import { inMemory, type JournalFile, openJournalFile } from "../../journal/database.ts";
import type { Limits } from "../../limits/limits.ts";
import { createLog } from "../../process/log.ts";
import { type Simulator, startSimulator } from "../../simulator/server.ts";
import { eventually } from "../clients/clients.ts";
import type { Ask } from "./dispatch-client.ts";

/** The edge's end of the WebSocket: it welcomes each agent and passes its frames on. */
interface EdgeDoor {
  readonly url: string;
  /** The agent that was welcomed last and is still connected; null when there is none. */
  agent(): WebSocket | null;
  close(): Promise<void>;
}

async function openEdgeDoor(
  onFrame: (frame: AgentFrame) => void,
  onLeft: () => void = () => {},
): Promise<EdgeDoor> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => subprotocol });
  await once(server, "listening");
  const { port } = z.object({ port: z.int() }).parse(server.address());
  let agent: WebSocket | null = null;
  server.on("connection", (from) => {
    from.on("message", (data) => {
      const text = z.instanceof(Buffer).parse(data).toString();
      if (text === ping) return from.send(pong);
      const frame = parseAgentFrame(text);
      if (frame.type === "hello") {
        const host = {
          hostId: "default",
          edgeVersion: "test",
          topics: [],
          keepsAudit: false,
          otherJournal: false,
        };
        from.send(encodeFrame({ type: "welcome", ...host }));
        agent = from;
      }
      return onFrame(frame);
    });
    from.on("error", () => {});
    from.on("close", () => {
      if (agent !== from) return;
      agent = null;
      onLeft();
    });
  });
  return {
    url: `ws://127.0.0.1:${port}/api/v1/agent`,
    agent: () => agent,
    async close() {
      for (const one of server.clients) one.terminate();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

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
  const waiting = new Map<string, (answer: AgentFrame) => void>();
  let status: AgentStatus | null = null;
  let calls = 0;

  function take(frame: AgentFrame): void {
    if (frame.type === "hello" || frame.type === "status") status = frame.status;
    if (frame.type === "result" || frame.type === "error") {
      waiting.get(frame.id)?.(frame);
      waiting.delete(frame.id);
    }
  }

  function left(): void {
    status = null;
    const error = new TwsError("agent_offline", "The agent's connection was lost.").toBody();
    for (const [id, resolve] of waiting) resolve({ type: "error", id, error });
    waiting.clear();
  }

  const door = await openEdgeDoor(take, left);

  const askAs =
    (caller: Caller): Ask =>
    (tool, input) => {
      const { promise, resolve } = Promise.withResolvers<AgentFrame>();
      const id = String((calls += 1));
      const sentAt = Date.now();
      const call = { type: "call", id, tool, input: { ...input }, sentAt, caller } as const;
      const socket = door.agent();
      if (socket === null) {
        const error = new TwsError("agent_offline", "There is no agent.").toBody();
        return Promise.resolve({ type: "error", id, error });
      }
      waiting.set(id, resolve);
      socket.send(encodeFrame({ ...call, deadlineAt: sentAt + 60_000 }));
      return promise;
    };

  return {
    url: door.url,
    ask: askAs(trader),
    askAs,
    async whenReady() {
      await eventually(
        async () => status,
        (now) => now?.tws.state === "connected",
      );
    },
    close: () => door.close(),
  };
}

/** A real agent over a simulator, in the hands of an edge that says whatever the test wants. */
export interface HostileSystem {
  readonly simulator: Simulator;
  readonly journalFile: JournalFile;
  /** A call with whatever caller and times; its output, or `{ error }`. */
  call(tool: ToolName, input: object, changes?: Partial<CallFrame>): Promise<Answer>;
  owner(request: OwnerRequest): Promise<Answer>;
  /** A frame that may be none. */
  say(text: string): void;
  /** The answer that comes under this id. */
  answerTo(id: string): Promise<Answer>;
  /** Resolves with the close code once the agent has given the connection up, and is back on another. */
  cutOff(): Promise<number>;
  /** The messages to TWS that place or change an order, by now. */
  placed(): number;
  close(): Promise<void>;
}

export type CallFrame = Extract<EdgeFrame, { type: "call" }>;
type Answer = Readonly<Record<string, unknown>>;

/** Every account and scope, for ever: what an honest edge would never write. */
export const forged: Caller = { ...trader, grantId: "forged", client: "forged", accounts: null };

const placeOrder = 3;
/** What a call may take; an order that waits for its owner takes most of it. */
export const budgetMs = 1_500;

export async function startHostileSystem(limits: Partial<Limits>): Promise<HostileSystem> {
  const simulator = await startSimulator({ port: 0, accounts: ["DU1234567", "DU7777777", "U1234567"] });
  const waiting = new Map<string, (answer: Answer) => void>();
  let welcomed = Promise.withResolvers<void>();
  const door = await openEdgeDoor((frame) => {
    if (frame.type === "hello") welcomed.resolve();
    if (frame.type === "result") waiting.get(frame.id)?.(frame.output);
    if (frame.type === "error") waiting.get(frame.id)?.({ error: frame.error });
  });
  const journalFile = openJournalFile({ path: inMemory, exclusive: true });
  const agent: Agent = createAgent({
    config: { clientId: 1, limits: { trading: "paper", onlyAccount: null, ...limits } },
    tws: { host: simulator.host, port: simulator.port, isSimulator: true },
    edge: { url: door.url, authorization: () => Promise.resolve(null) },
    journalFile,
    log: createLog({ level: "error", secrets: [], write: () => {}, now: Date.now }),
    linkTimes: { firstWaitMs: 20 },
  });
  await Promise.all([welcomed.promise, agent.session.whenConnected(10_000)]);

  const say = (text: string): void => door.agent()?.send(text);
  const answerTo = (id: string): Promise<Answer> => new Promise((resolve) => waiting.set(id, resolve));
  return {
    simulator,
    journalFile,
    say,
    answerTo,
    async call(tool, input, changes = {}) {
      const sentAt = Date.now();
      const frame: CallFrame = {
        type: "call",
        id: crypto.randomUUID(),
        tool,
        input: { ...input },
        sentAt,
        deadlineAt: sentAt + budgetMs,
        caller: forged,
        idempotencyKey: crypto.randomUUID(),
        ...changes,
      };
      const answer = answerTo(frame.id);
      say(encodeFrame(frame));
      return await answer;
    },
    async owner(request) {
      const id = crypto.randomUUID();
      const answer = answerTo(id);
      say(encodeFrame({ type: "owner", id, request }));
      return await answer;
    },
    async cutOff() {
      const socket = door.agent();
      if (socket === null) throw new Error("There is no connection.");
      welcomed = Promise.withResolvers<void>();
      const [code] = z.tuple([z.int(), z.unknown()]).parse(await once(socket, "close"));
      await welcomed.promise;
      return code;
    },
    placed: () => simulator.received().filter(({ id }) => id === placeOrder).length,
    async close() {
      await agent.close();
      await door.close();
      await simulator.close();
    },
  };
}
