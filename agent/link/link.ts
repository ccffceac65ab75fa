import { setTimeout as sleep } from "node:timers/promises";
import { type RawData, WebSocket } from "ws";
import { createBackoff } from "../../shared/backoff.ts";
import { TwsError } from "../../shared/errors.ts";
import { linkTimes } from "../../shared/deadlines.ts";
import {
  type AgentFrame,
  closeCodes,
  type EdgeFrame,
  encodeFrame,
  maxFrameBytes,
  parseEdgeFrame,
  ping,
  pong,
  subprotocol,
} from "../../shared/protocol.ts";
import type { Log } from "../process/log.ts";
import { explainStatus, readEdgeError } from "./edge-error.ts";

export type HelloFrame = Extract<AgentFrame, { type: "hello" }>;
export type WelcomeFrame = Extract<EdgeFrame, { type: "welcome" }>;

/** One connection, as long as it lasts. */
export interface LinkConnection {
  /** Does nothing once the connection has ended; throws `too_large` for a frame over 1 MiB. */
  readonly send: (frame: AgentFrame) => void;
  /** Aborted when the connection ends. */
  readonly signal: AbortSignal;
}

/** What happens on a connection, told in order. */
export interface LinkListener {
  opened(welcome: WelcomeFrame, connection: LinkConnection): void;
  frame(frame: Exclude<EdgeFrame, WelcomeFrame>, connection: LinkConnection): void;
  /** Only after `opened`. */
  closed(): void;
}

/** How a connection ended, or why it never came up. */
type LinkEnd =
  | { readonly kind: "failed"; readonly reason: string }
  /** The edge answered the upgrade with an HTTP status, or closed with a code that says the same. */
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "replaced"; readonly reason: string; readonly upMs: number }
  | { readonly kind: "closed"; readonly reason: string; readonly upMs: number }
  | { readonly kind: "stopped" };

export type LinkState =
  | { readonly state: "connecting" }
  | { readonly state: "connected"; readonly hostId: string; readonly edgeVersion: string }
  | { readonly state: "waiting"; readonly reason: string; readonly retryInMs: number }
  | { readonly state: "stopped" };

export interface LinkTimes {
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  readonly stableAfterMs: number;
  readonly replacedWaitMs: number;
  readonly pingEveryMs: number;
  readonly pongWithinMs: number;
  readonly helloWithinMs: number;
}

export const usualLinkTimes: LinkTimes = {
  ...linkTimes,
  firstWaitMs: 1_000,
  longestWaitMs: 30_000,
  stableAfterMs: 30_000,
  // two machines with one key would otherwise push each other out for ever
  replacedWaitMs: 60_000,
};

/** Ctrl-C reaches an edge on this machine too, whose end may be seen before our own: then nothing is wrong. */
const graceMs = 200;

export interface LinkOptions {
  readonly url: string;
  /** The Authorization header of the next connection, made anew for each; null where the edge asks for none. */
  readonly authorization: () => Promise<string | null>;
  readonly hello: () => HelloFrame;
  readonly listener: LinkListener;
  readonly onState: (state: LinkState) => void;
  readonly log: Log;
  readonly times: LinkTimes;
}

/** Keeps a link to the edge until `signal` aborts: connects, serves, waits, and connects again. */
export async function runLink(options: LinkOptions, signal: AbortSignal): Promise<void> {
  const { times, log, onState } = options;
  const backoff = createBackoff({
    firstMs: times.firstWaitMs,
    capMs: times.longestWaitMs,
    stableAfterMs: times.stableAfterMs,
    random: Math.random,
  });
  while (!signal.aborted) {
    onState({ state: "connecting" });
    const end = await connectOnce(options, signal);
    if (end.kind === "closed") await pause(graceMs, signal);
    if (end.kind === "stopped" || signal.aborted) break;
    const retryInMs = waitAfter(end, backoff.next("upMs" in end ? end.upMs : 0), times);
    const isLoud = end.kind === "replaced" || end.kind === "refused";
    log[isLoud ? "error" : "warn"](`link.${end.kind}`, { reason: end.reason, retryInMs });
    onState({ state: "waiting", reason: end.reason, retryInMs });
    await pause(retryInMs, signal);
  }
  onState({ state: "stopped" });
}

/** Ends early, and without an error, when the signal aborts. */
const pause = async (ms: number, signal: AbortSignal): Promise<void> =>
  await sleep(ms, undefined, { signal }).catch(() => undefined);

function waitAfter(end: Exclude<LinkEnd, { kind: "stopped" }>, usualMs: number, times: LinkTimes): number {
  switch (end.kind) {
    case "replaced":
      return times.replacedWaitMs;
    case "refused":
      return times.longestWaitMs;
    case "failed":
    case "closed":
      return usualMs;
    default:
      return end satisfies never;
  }
}

/** One attempt and, if it succeeds, one connection to its end. Never rejects. */
async function connectOnce(options: LinkOptions, signal: AbortSignal): Promise<LinkEnd> {
  try {
    return await serveOnce(options, await options.authorization(), signal);
  } catch (error) {
    // the key could not be read
    const reason = error instanceof TwsError ? `${error.message} ${error.toBody().nextStep}` : String(error);
    return { kind: "failed", reason };
  }
}

function serveOnce(
  options: LinkOptions,
  authorization: string | null,
  signal: AbortSignal,
): Promise<LinkEnd> {
  const { url, hello, listener, onState, log, times } = options;
  const socket = new WebSocket(url, subprotocol, {
    headers: authorization === null ? {} : { Authorization: authorization },
    handshakeTimeout: times.helloWithinMs,
    maxPayload: maxFrameBytes,
    perMessageDeflate: false,
    followRedirects: false,
  });
  const ended = new AbortController();
  const connection: LinkConnection = {
    send(frame) {
      const text = encodeFrame(frame);
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    signal: ended.signal,
  };
  let openedAt: number | null = null;
  let failure: string | null = null;

  /** Ends the connection for a reason of ours, at once: the other end may not be there to say goodbye. */
  const giveUp = (reason: string) => {
    failure ??= reason;
    socket.terminate();
  };
  let helloTimer: NodeJS.Timeout | undefined;
  const heartbeat = createHeartbeat(socket, times, giveUp);

  function greet(): void {
    helloTimer = setTimeout(
      () => giveUp(`The edge did not say welcome within ${times.helloWithinMs} ms.`),
      times.helloWithinMs,
    );
    connection.send(hello());
  }

  function receive(data: RawData, isBinary: boolean): void {
    const text = isBinary || !Buffer.isBuffer(data) ? null : data.toString();
    // frames go on coming until the other end has answered our close
    if (failure !== null) return;
    if (text === pong) return heartbeat.answered();
    const frame = parseOrClose(text);
    if (frame === null) return;
    if (frame.type === "welcome") welcomed(frame);
    else if (openedAt !== null) listener.frame(frame, connection);
  }

  function parseOrClose(text: string | null): EdgeFrame | null {
    try {
      return parseEdgeFrame(text);
    } catch (error) {
      log.error("link.malformed_frame", { error });
      failure ??= "The edge sent a frame that this agent does not understand.";
      closeWithin(socket, closeCodes.protocol, "malformed frame");
      return null;
    }
  }

  function welcomed(welcome: WelcomeFrame): void {
    if (openedAt !== null) return;
    clearTimeout(helloTimer);
    openedAt = Date.now();
    heartbeat.start();
    log.info("link.connected", { hostId: welcome.hostId, edgeVersion: welcome.edgeVersion });
    onState({ state: "connected", hostId: welcome.hostId, edgeVersion: welcome.edgeVersion });
    listener.opened(welcome, connection);
  }

  return new Promise((resolve) => {
    let refusal: string | null = null;
    const leave = () => sayBye(socket, connection);
    signal.addEventListener("abort", leave, { once: true });
    socket.on("open", greet);
    socket.on("message", receive);
    socket.on("unexpected-response", (_request, response) => {
      void (async () => {
        refusal = await readEdgeError(response);
        giveUp(refusal);
      })();
    });
    // an error is always followed by close
    socket.on("error", (error) => (failure ??= explainError(error)));
    socket.on("close", (code, words) => {
      signal.removeEventListener("abort", leave);
      clearTimeout(helloTimer);
      heartbeat.stop();
      ended.abort();
      if (openedAt !== null) listener.closed();
      if (signal.aborted) return resolve({ kind: "stopped" });
      resolve(endOf(code, words.toString(), failure, refusal, openedAt));
    });
    if (signal.aborted) leave();
  });
}

function endOf(
  code: number,
  words: string,
  failure: string | null,
  refusal: string | null,
  openedAt: number | null,
): LinkEnd {
  if (code === closeCodes.replaced) {
    return {
      kind: "replaced",
      reason: "Another agent has connected to this edge, which keeps only the newest. Stop one of the two.",
      upMs: openedAt === null ? 0 : Date.now() - openedAt,
    };
  }
  if (code === closeCodes.otherJournal) return { kind: "refused", reason: otherJournalReason };
  if (code === closeCodes.unauthorized) return { kind: "refused", reason: words || explainStatus(401) };
  if (refusal !== null) return { kind: "refused", reason: refusal };
  const reason = failure ?? `The edge closed the connection (code ${code}${words && `, ${words}`}).`;
  return openedAt === null
    ? { kind: "failed", reason }
    : { kind: "closed", reason, upMs: Date.now() - openedAt };
}

/** As the owner's terminal and log say it. */
export const otherJournalReason =
  "Another agent serves this host with an order journal of its own, and two journals do not know of each other's keys. Stop one of the two; where the first is gone for good, this one is let in two minutes after it.";

function explainError(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  switch (code) {
    case "ECONNREFUSED":
      return "Nothing listens at the edge's address.";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "The edge's name could not be resolved. Check EDGE_URL and the network.";
    case "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH":
      return "The edge sent a frame larger than 1 MiB.";
    default:
      return `The connection failed: ${error.message}`;
  }
}

/** Says goodbye, and does not wait long for the answer. */
function sayBye(socket: WebSocket, connection: LinkConnection): void {
  if (socket.readyState !== WebSocket.OPEN) return socket.terminate();
  connection.send({ type: "bye", reason: "The agent is stopping." });
  closeWithin(socket, closeCodes.normal, "");
}

/** The library would wait 30 s for the other end to answer a close. */
function closeWithin(socket: WebSocket, code: number, words: string): void {
  socket.close(code, words);
  setTimeout(() => socket.terminate(), 500).unref();
}

function createHeartbeat(socket: WebSocket, times: LinkTimes, giveUp: (reason: string) => void) {
  let every: NodeJS.Timeout | undefined;
  let patience: NodeJS.Timeout | undefined;
  const answered = () => {
    clearTimeout(patience);
    patience = undefined;
  };
  return {
    start(): void {
      every = setInterval(() => {
        if (socket.readyState !== WebSocket.OPEN) return;
        socket.send(ping);
        patience ??= setTimeout(
          () => giveUp(`The edge has not answered a ping for ${times.pongWithinMs} ms.`),
          times.pongWithinMs,
        );
      }, times.pingEveryMs);
    },
    answered,
    stop(): void {
      clearInterval(every);
      answered();
    },
  };
}
