import { once } from "node:events";
import { type WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import type { OwnerRequest } from "../../../shared/approval.ts";
import { type EdgeFrame, encodeFrame, parseAgentFrame, pong, subprotocol } from "../../../shared/protocol.ts";
import type { Caller } from "../../../shared/caller.ts";
import { type Agent, createAgent } from "../../agent.ts";
import type { Limits } from "../../limits/limits.ts";
import { createLog } from "../../process/log.ts";
import { inMemory, type JournalFile, openJournalFile } from "../../journal/database.ts";
import { type Simulator, startSimulator } from "../../simulator/server.ts";
import type { ToolName } from "../../../shared/tools/index.ts";
import { trader } from "../../handlers/handlers.fixture.ts";

/** A real agent over a simulator, in the hands of an edge that says whatever the test wants. */
export interface HostileScene {
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

export async function startHostileScene(limits: Partial<Limits>): Promise<HostileScene> {
  const simulator = await startSimulator({ port: 0, accounts: ["DU1234567", "DU7777777", "U1234567"] });
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => subprotocol });
  await once(server, "listening");
  const { port } = z.object({ port: z.int() }).parse(server.address());
  const waiting = new Map<string, (answer: Answer) => void>();
  let socket: WebSocket | null = null;
  let welcomed = Promise.withResolvers<void>();
  server.on("connection", (next) => {
    socket = next;
    next.on("message", (data) => {
      const text = Buffer.isBuffer(data) ? data.toString() : "";
      if (text === "ping") return next.send(pong);
      const frame = parseAgentFrame(text);
      if (frame.type === "hello") {
        const about = { hostId: "default", edgeVersion: "1", topics: [], keepsAudit: false };
        next.send(encodeFrame({ type: "welcome", ...about }));
        welcomed.resolve();
      }
      if (frame.type === "result") waiting.get(frame.id)?.(frame.output);
      if (frame.type === "error") waiting.get(frame.id)?.({ error: frame.error });
      return undefined;
    });
  });
  const journalFile = openJournalFile({ path: inMemory, exclusive: true });
  const agent: Agent = createAgent({
    config: { clientId: 1, limits: { trading: "paper", onlyAccount: null, ...limits } },
    tws: { host: simulator.host, port: simulator.port, isSimulator: true },
    edge: { url: `ws://127.0.0.1:${port}`, authorization: () => Promise.resolve(null) },
    journalFile,
    log: createLog({ level: "error", secrets: [], write: () => {}, now: Date.now }),
    linkTimes: { firstWaitMs: 20 },
  });
  await Promise.all([welcomed.promise, agent.session.whenConnected(10_000)]);

  const say = (text: string): void => socket?.send(text);
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
      if (socket === null) throw new Error("There is no connection.");
      welcomed = Promise.withResolvers<void>();
      const [code] = z.tuple([z.int(), z.unknown()]).parse(await once(socket, "close"));
      await welcomed.promise;
      return code;
    },
    placed: () => simulator.received().filter(({ id }) => id === placeOrder).length,
    async close() {
      await agent.close();
      server.close();
      await simulator.close();
    },
  };
}
