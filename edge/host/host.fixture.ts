import { env } from "cloudflare:workers";
import type { Contract } from "../../shared/contract.ts";
import {
  conditionOf,
  emptyQuote,
  type Quote,
  type StreamReason,
  type TopicValue,
} from "../../shared/events.ts";
import {
  type AgentFrame,
  type EdgeFrame,
  encodeFrame,
  parseEdgeFrame,
  subprotocol,
} from "../../shared/protocol.ts";
import { type Caller, ownerOfLocalMode } from "../../shared/caller.ts";
import type { AgentStatus } from "../../shared/status.ts";
import type { ToolName } from "../../shared/tools/index.ts";
import { callerHeader, encodeCaller, type HostCall, type HostRpc } from "../rpc/host.ts";

/** For tests: an agent and watchers that are one end of a real WebSocket, driven step by step. */

export type HostStub = ReturnType<typeof freshHost>;

/** A host's object of its own, so that tests share nothing. */
export const freshHost = () => env.TWS_HOST_OBJECT.getByName(crypto.randomUUID());

/** What the object offers, by its own declaration: the runtime's type of a stub cannot express `unknown` in an answer. */
export const rpc = (host: HostStub): HostRpc => host;

/** What arrives on a socket, in order. */
export interface Inbox {
  readonly socket: WebSocket;
  /** The next message; waits for it. */
  next(): Promise<unknown>;
  /** How the other end closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

export function inboxOf(socket: WebSocket): Inbox {
  const arrived: unknown[] = [];
  const waiting: ((message: unknown) => void)[] = [];
  socket.addEventListener("message", ({ data }) => {
    const first = waiting.shift();
    if (first === undefined) arrived.push(data);
    else first(data);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
  });
  socket.accept();
  const next = () =>
    arrived.length > 0 ? Promise.resolve(arrived.shift()) : new Promise((resolve) => waiting.push(resolve));
  return { socket, next, closed };
}

/** The socket of an upgrade that must have succeeded. */
export function socketOf(response: Response): WebSocket {
  if (response.webSocket === null) throw new Error(`No WebSocket but HTTP ${response.status}.`);
  return response.webSocket;
}

export const connectedStatus: AgentStatus = {
  tws: {
    state: "connected",
    since: "2026-01-05T14:30:00.000Z",
    host: "127.0.0.1",
    port: 4002,
    clientId: 1,
    connection: 1,
    serverVersion: 203,
    accounts: ["DU1", "DU2"],
    mode: "paper",
    isSimulator: false,
    marketDataType: "delayed-frozen",
    isReadOnlyApi: false,
    dataTypes: [],
    lastError: "",
  },
  farms: [{ name: "usfarm", kind: "market data", state: "ok", since: "2026-01-05T14:30:01.000Z" }],
  trading: {
    trading: "paper",
    approval: "live",
    approvalAt: "page",
    limits: {},
    frozen: null,
    journal: "ok",
    unknownOrders: 0,
  },
};

export const apple: Contract = {
  conId: 265598,
  symbol: "AAPL",
  secType: "STK",
  exchange: "SMART",
  primaryExchange: "NASDAQ",
  currency: "USD",
  localSymbol: "AAPL",
  tradingClass: "NMS",
  expiration: null,
  strike: null,
  right: null,
  multiplier: null,
};
export const appleTopic = "quote/265598";

export type ScriptedAgent = Awaited<ReturnType<typeof connectAgent>>;

/** An agent's socket, before it says anything. */
export async function dialAgent(host: HostStub) {
  const response = await host.fetch("https://host/agent", {
    headers: { Upgrade: "websocket", "Sec-WebSocket-Protocol": subprotocol },
  });
  const inbox = inboxOf(socketOf(response));
  return {
    ...inbox,
    send: (frame: AgentFrame) => inbox.socket.send(encodeFrame(frame)),
    frame: async (): Promise<EdgeFrame> => parseEdgeFrame(await inbox.next()),
  };
}

type Hello = Extract<AgentFrame, { type: "hello" }>;

/** An agent that has said hello and been welcomed. */
export async function connectAgent(host: HostStub, changes: Partial<Hello> = {}) {
  const agent = await dialAgent(host);
  agent.send({
    type: "hello",
    agentVersion: "0.0.0",
    instanceId: crypto.randomUUID(),
    machine: "desk",
    status: connectedStatus,
    ...changes,
  });
  const welcome = await agent.frame();
  let seq = 0;
  return {
    ...agent,
    welcome,
    /** The next frame that is not an acknowledgement, which must be of this type. */
    async expect<T extends EdgeFrame["type"]>(type: T): Promise<Extract<EdgeFrame, { type: T }>> {
      for (;;) {
        const frame = await agent.frame();
        if (isOf(frame, type)) return frame;
        if (frame.type !== "ack") throw new Error(`Expected ${type}, got ${JSON.stringify(frame)}.`);
      }
    },
    /** Tells a value of any kind. */
    emit(topic: string, value: TopicValue): void {
      seq += 1;
      agent.send({ type: "event", events: [{ topic, seq, at: 1_700_000_000_000 + seq, ...value }] });
    },
    quote(changes: Partial<Quote>, topic = appleTopic): void {
      this.emit(topic, { kind: "quote", data: { ...emptyQuote, ...changes } });
    },
    /** Waits until the host has taken what was told. */
    async taken(): Promise<void> {
      while ((await agent.frame()).type !== "ack");
    },
    /** Answers the call that starts a stream. */
    async starts(topic: string, output: Readonly<Record<string, unknown>>) {
      const call = await this.expect("call");
      const common = { status: "started", resource_uri: "", resource_id: "", topic };
      agent.send({ type: "result", id: call.id, output: { ...common, ...output } });
      return call;
    },
    state(reason: StreamReason, topic = appleTopic): void {
      seq += 1;
      agent.send({
        type: "event",
        events: [{ kind: "state", topic, seq, at: 1_700_000_000_000 + seq, ...conditionOf(reason) }],
      });
    },
    /** Answers the look-up of an instrument. */
    opens(contract: Contract = apple) {
      return this.starts(`quote/${contract.conId}`, { resource_id: contract.symbol, contract });
    },
  };
}

const isOf = <T extends EdgeFrame["type"]>(
  frame: EdgeFrame,
  type: T,
): frame is Extract<EdgeFrame, { type: T }> => frame.type === type;

export const callOf = (
  tool: ToolName,
  input: HostCall["input"] = {},
  caller: Caller = ownerOfLocalMode,
): HostCall => ({ callId: crypto.randomUUID(), tool, input, caller });

/** A WebSocket of the object other than the agent's: `stream/market-data`, or `watch?uri=…`. */
export async function openSocket(host: HostStub, path: string, caller: Caller = ownerOfLocalMode) {
  const response = await host.fetch(`https://host/${path}`, {
    headers: { Upgrade: "websocket", [callerHeader]: encodeCaller(caller) },
  });
  const inbox = inboxOf(socketOf(response));
  return {
    ...inbox,
    send: (message: unknown) => inbox.socket.send(JSON.stringify(message)),
    json: async (): Promise<unknown> => JSON.parse(String(await inbox.next())),
  };
}

/** A watcher that has been greeted. */
export async function openWatcher(host: HostStub, stream = "market-data", caller: Caller = ownerOfLocalMode) {
  const watcher = await openSocket(host, `stream/${stream}`, caller);
  const greeting = await watcher.json();
  return { ...watcher, greeting };
}

/** A watcher that follows Apple, with the agent's part played. */
export async function watchApple(host: HostStub, agent: ScriptedAgent) {
  const watcher = await openWatcher(host);
  watcher.send({ action: "subscribe", symbol: "AAPL" });
  await agent.opens();
  await watcher.json();
  await agent.expect("subscribe");
  return watcher;
}

/** A resource as resources/read gives it, or the error. */
export async function read(host: HostStub, uri: string, caller: Caller = ownerOfLocalMode): Promise<unknown> {
  const outcome = await rpc(host).readResource(uri, caller);
  return outcome.ok ? JSON.parse(outcome.text) : outcome.error;
}

/** Starts a quote stream as a resource, with the agent's part played. */
export async function startQuote(
  host: HostStub,
  agent: ScriptedAgent,
  contract: Contract = apple,
  caller: Caller = ownerOfLocalMode,
): Promise<void> {
  const input = { symbol: contract.symbol };
  const outcome = rpc(host).call(callOf("ibkr_start_market_data_resource", input, caller));
  await agent.opens(contract);
  if (!(await outcome).ok) throw new Error("It was not started.");
  await agent.expect("subscribe");
}

/** An instrument other than Apple. */
export const instrument = (symbol: string, conId: number): Contract => ({ ...apple, symbol, conId });

/** The streams that a caller has started. */
export async function active(host: HostStub, caller: Caller = ownerOfLocalMode): Promise<unknown> {
  const outcome = await rpc(host).call(callOf("ibkr_list_active_resource_streams", {}, caller));
  return outcome.ok ? outcome.output["streams"] : outcome.error;
}
