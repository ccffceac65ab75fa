import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { AgentFrame } from "../shared/protocol.ts";
import type { AgentConfig, TwsTarget } from "./config.ts";
import { createDispatch } from "./dispatch.ts";
import { createHandlers } from "./handlers/index.ts";
import {
  type LinkConnection,
  type LinkListener,
  type LinkOptions,
  type LinkState,
  type LinkTimes,
  runLink,
  usualLinkTimes,
} from "./link.ts";
import type { Log } from "./log.ts";
import { createIntents } from "./orders/intent.ts";
import { wasNotSent } from "./orders/place.ts";
import { createSources } from "./sources.ts";
import { createTopics } from "./topics.ts";
import type { TwsSession } from "./tws/api.ts";
import { createOrderBook } from "./tws/order-book.ts";
import { createQuoteStreams } from "./tws/quotes.ts";
import { createSession, type SessionTimes } from "./tws/session.ts";
import { version } from "./version.ts";

interface AgentOptions {
  readonly config: Pick<AgentConfig, "clientId" | "trading" | "paperAccount">;
  readonly tws: TwsTarget & { readonly isSimulator: boolean };
  readonly edge: Pick<LinkOptions, "url" | "authorization">;
  readonly log: Log;
  readonly linkTimes?: Partial<LinkTimes>;
  readonly sessionTimes?: Partial<SessionTimes>;
  /** Times and clock of the quote lines. */
  readonly quoteOptions?: QuoteOptions;
}

type QuoteOptions = Omit<Parameters<typeof createQuoteStreams>[1], "log">;

export interface Agent {
  readonly session: TwsSession;
  linkState(): LinkState;
  /** Resolves when the edge has welcomed the agent; rejects with why not once `timeoutMs` have passed. */
  whenLinked(timeoutMs: number): Promise<void>;
  /** Says goodbye to the edge, then ends the session with TWS. */
  close(): Promise<void>;
}

/** Starts the agent: the session with TWS and the link to the edge, each for as long as it takes. */
export function createAgent({ config, tws, edge, log, linkTimes, ...rest }: AgentOptions): Agent {
  const { session, orderBook, quotes } = startSession({ config, tws, log, ...rest });
  const { clientId, trading, paperAccount } = config;
  const handlers = createHandlers({
    session,
    orderBook,
    quotes,
    limits: { trading, onlyAccount: paperAccount },
    intents: createIntents(wasNotSent),
    target: { host: tws.host, port: tws.port, clientId },
    now: Date.now,
  });
  const dispatch = createDispatch({ handlers, log, now: Date.now });
  const topics = createTopics({
    findSource: createSources({
      session,
      quotes,
      orderBook,
      log: (event, fields) => log.error(event, fields),
    }),
    log,
    now: Date.now,
  });
  session.onConnected(() => topics.retry());

  const { listener, send } = createListener({ session, dispatch, topics, log });
  session.onStatus((status) => send({ type: "status", status: { ...status, trading: null } }));
  const link = startLink({
    url: edge.url,
    authorization: edge.authorization,
    log,
    listener,
    times: { ...usualLinkTimes, ...linkTimes },
    hello: () => ({
      type: "hello",
      agentVersion: version,
      instanceId,
      machine: hostname().slice(0, 200),
      status: { ...session.status(), trading: null },
    }),
  });
  return {
    session,
    linkState: link.state,
    whenLinked: link.whenUp,
    async close() {
      await link.close();
      topics.close();
      orderBook.close();
      await session.close();
    },
  };
}

/** Of this process, so that the edge can tell a restart from a reconnection. */
const instanceId = randomUUID();

interface SessionParts {
  readonly config: Pick<AgentConfig, "clientId">;
  readonly tws: AgentOptions["tws"];
  readonly log: Log;
  readonly sessionTimes?: Partial<SessionTimes>;
  readonly quoteOptions?: QuoteOptions;
}

function startSession({ config, tws, log, sessionTimes = {}, quoteOptions = {} }: SessionParts) {
  const twsLog = (event: string, fields: Readonly<Record<string, unknown>>) =>
    log[event.endsWith("_failed") ? "error" : "info"](event, fields);
  const session = createSession({
    host: tws.host,
    port: tws.port,
    clientId: config.clientId,
    isSimulator: tws.isSimulator,
    log: twsLog,
    times: sessionTimes,
  });
  // the book listens before TWS can say anything
  const orderBook = createOrderBook(session, twsLog);
  return { session, orderBook, quotes: createQuoteStreams(session, { log: twsLog, ...quoteOptions }) };
}

interface Served {
  readonly session: TwsSession;
  readonly dispatch: ReturnType<typeof createDispatch>;
  readonly topics: ReturnType<typeof createTopics>;
  readonly log: Log;
}

/** What each frame of the edge sets going. */
function createListener({ session, dispatch, topics, log }: Served) {
  let connection: LinkConnection | null = null;
  const listener: LinkListener = {
    opened(welcome, opened) {
      connection = opened;
      // hello may be out of date by the time it is welcomed
      opened.send({ type: "status", status: { ...session.status(), trading: null } });
      topics.linked(welcome.topics, opened.send);
    },
    frame(frame, { send, signal }) {
      switch (frame.type) {
        case "call":
          return void dispatch.handle(frame, { send, signal });
        case "cancel":
          return dispatch.cancel(frame.id);
        case "subscribe":
          return topics.subscribe(frame.topic);
        case "unsubscribe":
          return topics.unsubscribe(frame.topic);
        case "ack":
          return topics.ack(frame.topic, frame.seq);
        case "owner":
        case "audited":
          return undefined;
        case "bye":
          return log.info("link.bye", { reason: frame.reason });
        default:
          return frame satisfies never;
      }
    },
    closed() {
      connection = null;
      topics.unlinked();
    },
  };
  return { listener, send: (frame: AgentFrame) => connection?.send(frame) };
}

function startLink(options: Omit<Parameters<typeof runLink>[0], "onState">) {
  const stopping = new AbortController();
  const up = Promise.withResolvers<void>();
  let state: LinkState = { state: "connecting" };
  const onState = (next: LinkState) => {
    state = next;
    if (next.state === "connected") up.resolve();
  };
  const done = runLink({ ...options, onState }, stopping.signal);

  async function whenUp(timeoutMs: number): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const why = state.state === "waiting" ? state.reason : "The edge did not answer.";
      late.reject(new Error(`The agent could not connect to the edge. ${why}`));
    }, timeoutMs);
    await Promise.race([up.promise, late.promise]).finally(() => clearTimeout(timer));
  }

  return {
    state: () => state,
    whenUp,
    async close() {
      stopping.abort();
      await done;
    },
  };
}
