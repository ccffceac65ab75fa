import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { AgentFrame } from "../shared/protocol.ts";
import type { AgentConfig, TwsTarget } from "./config/config.ts";
import { createDispatch } from "./dispatch.ts";
import { createHandlers } from "./handlers/index.ts";
import {
  type LinkConnection,
  type LinkListener,
  type LinkOptions,
  type LinkState,
  type LinkTimes,
  otherJournalReason,
  runLink,
  usualLinkTimes,
} from "./link/link.ts";
import type { Log } from "./process/log.ts";
import { createAuditReplication } from "./link/audit-replication.ts";
import { createArchiver } from "./journal/archiver.ts";
import type { JournalFile } from "./journal/database.ts";
import { createOrders, type Orders } from "./orders/orders.ts";
import type { ReconcileTimes } from "./orders/reconciler.ts";
import { createOwnerRequests } from "./link/owner-requests.ts";
import { createTopicSources } from "./streams/topic-sources.ts";
import { createTopics } from "./streams/topics.ts";
import type { TwsSession } from "./tws/session/api.ts";
import { createOrderBook, type OrderBook } from "./tws/orders/order-book.ts";
import { createQuoteStreams } from "./tws/market-data/quotes.ts";
import { EventRate } from "./tws/session/socket-guard.ts";
import { createSession, type SessionTimes } from "./tws/session/session.ts";
import { version } from "./process/version.ts";

interface AgentOptions {
  readonly config: Pick<AgentConfig, "clientId" | "limits"> & Partial<Pick<AgentConfig, "journalKeepDays">>;
  readonly tws: TwsTarget & { readonly isSimulator: boolean };
  readonly edge: Pick<LinkOptions, "url" | "authorization">;
  /** Open for orders; it is closed with the agent. */
  readonly journalFile: JournalFile;
  readonly log: Log;
  readonly linkTimes?: Partial<LinkTimes>;
  readonly sessionTimes?: Partial<SessionTimes>;
  readonly reconcileTimes?: Partial<ReconcileTimes>;
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
export function createAgent({
  config,
  tws,
  edge,
  log,
  linkTimes,
  journalFile,
  ...rest
}: AgentOptions): Agent {
  const { reconcileTimes } = rest;
  const { session, orderBook, quotes } = startSession({ config, tws, log, ...rest });
  const { clientId, limits } = config;
  const orders = createOrders({
    session,
    orderBook,
    quotes,
    limits,
    journalFile,
    now: Date.now,
    log,
    ...(reconcileTimes && { reconcileTimes }),
  });
  const { journalKeepDays: keepDays = null } = config;
  const archiver = createArchiver({ file: journalFile, keepDays, now: Date.now, log });
  const handlers = createHandlers({
    session,
    orderBook,
    quotes,
    limits,
    orders,
    target: { host: tws.host, port: tws.port, clientId },
    now: Date.now,
  });
  const dispatch = createDispatch({ handlers, log, now: Date.now });
  const topics = createTopics({
    findSource: createTopicSources({ session, quotes, orderBook, log }),
    log,
    now: Date.now,
  });
  session.onConnected(() => topics.retry());

  const { listener, tellStatus } = createListener({ session, orderBook, orders, dispatch, topics, log });
  const changes = new EventRate(mostTold, 1_000);
  session.onStatus(() => {
    if (!changes.isExceeded(performance.now())) tellStatus();
  });
  const look = setInterval(() => tellStatus(), lookEveryMs);
  const confirming = setInterval(() => orders.confirmCommands(), confirmEveryMs);
  const link = startLink({
    url: edge.url,
    authorization: edge.authorization,
    log,
    listener,
    times: { ...usualLinkTimes, ...linkTimes },
    onRefused: (reason) => orders.conflicts.seen(reason),
    hello: () => ({
      type: "hello",
      agentVersion: version,
      instanceId,
      machine: hostname().slice(0, 200),
      status: { ...session.status(), trading: orders.status() },
      journalId: orders.journalId(),
    }),
  });
  return {
    session,
    linkState: link.state,
    whenLinked: link.whenUp,
    async close() {
      clearInterval(look);
      clearInterval(confirming);
      await link.close();
      topics.close();
      archiver.close();
      orders.close();
      orderBook.close();
      await session.close();
      journalFile.close();
    },
  };
}

/** Changes of the session's status that the edge is told of in a second; where there are more, the next look tells. */
const mostTold = 20;

/** How often it is looked whether a command on this machine has stopped new orders, or lifted that. */
const lookEveryMs = 1_000;

/** How often the owner's commands on this machine are looked for, which wait for an answer. */
const confirmEveryMs = 250;

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
  const session = createSession({
    host: tws.host,
    port: tws.port,
    clientId: config.clientId,
    isSimulator: tws.isSimulator,
    log,
    times: sessionTimes,
  });
  // the book listens before TWS can say anything
  const orderBook = createOrderBook(session, log);
  return { session, orderBook, quotes: createQuoteStreams(session, { log, ...quoteOptions }) };
}

interface Served {
  readonly session: TwsSession;
  readonly orderBook: Pick<OrderBook, "readAgain">;
  readonly orders: Orders;
  readonly dispatch: ReturnType<typeof createDispatch>;
  readonly topics: ReturnType<typeof createTopics>;
  readonly log: Log;
}

/** What each frame of the edge sets going. */
function createListener({ session, orderBook, orders, dispatch, topics, log }: Served) {
  let connection: LinkConnection | null = null;
  let told = "";
  const send = (frame: AgentFrame): void => connection?.send(frame);
  const ownerRequests = createOwnerRequests(orders, log);
  const auditReplication = createAuditReplication(orders.journal, send, log);

  /** Tells the edge where things stand, if it has changed: a command on this machine may have stopped new orders. */
  function tellStatus(): void {
    const status = { ...session.status(), trading: orders.status() };
    const text = JSON.stringify(status);
    auditReplication.tell();
    if (text === told || connection === null) return;
    told = text;
    send({ type: "status", status });
  }
  const listener: LinkListener = {
    opened(welcome, opened) {
      connection = opened;
      if (welcome.otherJournal) orderBook.readAgain();
      orders.conflicts.cleared();
      // hello may be out of date by the time it is welcomed
      told = "";
      tellStatus();
      topics.linked(welcome.topics, opened.send);
      auditReplication.linked(welcome.keepsAudit);
    },
    frame(frame, origin) {
      switch (frame.type) {
        case "call":
          return void dispatch.handle(frame, origin);
        case "cancel":
          return dispatch.cancel(frame.id);
        case "subscribe":
          return topics.subscribe(frame.topic);
        case "unsubscribe":
          return topics.unsubscribe(frame.topic);
        case "ack":
          return topics.ack(frame.topic, frame.seq);
        case "owner": {
          const answer = ownerRequests.answer(frame);
          // first, so that the page shows at once what it has changed
          tellStatus();
          return origin.send(answer);
        }
        case "rival":
          log.error("link.rival", { machine: frame.machine });
          return orders.conflicts.seen(
            `Another agent, on ${frame.machine}, has asked for this host with an order journal of its own and was refused.`,
          );
        case "audited":
          return auditReplication.audited(frame.head);
        case "bye":
          return log.info("link.bye", { reason: frame.reason });
        default:
          return frame satisfies never;
      }
    },
    closed() {
      connection = null;
      topics.unlinked();
      auditReplication.unlinked();
    },
  };
  return { listener, tellStatus };
}

interface LinkStart extends Omit<LinkOptions, "onState"> {
  /** Told why another agent's journal keeps this one out. */
  readonly onRefused: (reason: string) => void;
}

function startLink({ onRefused, ...options }: LinkStart) {
  const stopping = new AbortController();
  const up = Promise.withResolvers<void>();
  let state: LinkState = { state: "connecting" };
  const onState = (next: LinkState) => {
    state = next;
    if (next.state === "connected") up.resolve();
    if (next.state === "waiting" && next.reason === otherJournalReason) onRefused(next.reason);
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
