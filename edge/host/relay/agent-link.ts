import { linkTimes } from "../../../shared/deadlines.ts";
import { TwsError } from "../../../shared/errors.ts";
import {
  type AgentFrame,
  closeCodes,
  type EdgeFrame,
  encodeFrame,
  parseAgentFrame,
} from "../../../shared/protocol.ts";
import type { AgentStatus } from "../../../shared/status.ts";
import { version } from "../../config/version.ts";
import { attach, attachmentOf } from "../storage/socket-attachments.ts";
import type { AgentRecord, Presence, Rival, Store } from "../storage/store.ts";
import { tryClose, trySend } from "../../http/sockets.ts";

type HelloFrame = Extract<AgentFrame, { type: "hello" }>;
export type ServingFrame = Extract<
  AgentFrame,
  { type: "progress" | "result" | "error" | "event" | "trail" | "audit" }
>;

/** What the rest of the object is told of the agent. */
interface LinkListener {
  /** The topics that the agent shall serve from its welcome on. */
  topics(): readonly string[];
  /** Every answer it owed is lost. */
  left(): void;
  /** It has been welcomed. */
  returned(): void;
  statusChanged(): void;
  frame(frame: ServingFrame): void;
}

interface LinkOptions {
  readonly ctx: DurableObjectState;
  readonly store: Store;
  readonly hostId: string;
  readonly listener: LinkListener;
}

/** The agent's end of the relay: at most one connection serves, the one that said hello last. */
export class AgentLink {
  readonly #options: LinkOptions;
  /** The one that serves. */
  #socket: WebSocket | null = null;
  #isHere: boolean;
  #receivedAt = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { ctx, store } = options;
    for (const socket of ctx.getWebSockets("agent")) {
      const attachment = attachmentOf(socket);
      if (attachment?.kind !== "agent" || attachment.phase !== "serving") continue;
      this.#socket = socket;
      this.#receivedAt = attachment.openedAt;
    }
    this.#isHere = store.agent()?.presence === "here";
  }

  /** To be called once everyone who is told of the agent has been rebuilt: it may have gone while the object slept. */
  settle(): void {
    if (this.#socket === null && this.#isHere) this.#gone("lost");
  }

  /** Takes over a new socket, which serves once it has said hello. */
  accept(socket: WebSocket): void {
    this.#options.ctx.acceptWebSocket(socket, ["agent"]);
    attach(socket, { kind: "agent", phase: "greeting", openedAt: Date.now() });
  }

  /** Whether the agent is here as far as everyone has been told. */
  isHere(): boolean {
    return this.#isHere;
  }

  /** Whether the agent can be asked. A connection that has been silent for too long is given up here. */
  isUp(): boolean {
    const socket = this.#socket;
    if (socket === null) return false;
    if (Date.now() - this.#livedAt(socket) <= linkTimes.silentAfterMs) return true;
    this.#drop(socket, "silent", 1001, "nothing heard for too long");
    return false;
  }

  /**
   * When it will be known that the agent is gone, should it say nothing more: a connection that was cut somewhere on
   * its way does not close. Null while none serves.
   */
  silentAt(): number | null {
    return this.#socket === null ? null : this.#livedAt(this.#socket) + linkTimes.silentAfterMs + 1;
  }

  /** The last sign of life of an agent that is up, in Unix milliseconds; null when none is. */
  heardAt(): number | null {
    return this.isUp() && this.#socket !== null ? this.#livedAt(this.#socket) : null;
  }

  /** The last sign of life; pings are answered by the runtime, which notes when. */
  #livedAt(socket: WebSocket): number {
    const pingedAt = this.#options.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0;
    return Math.max(pingedAt, this.#receivedAt);
  }

  /** Throws `agent_offline` when no agent is there, `too_large` for a frame over 1 MiB. */
  send(frame: EdgeFrame): void {
    const text = encodeFrame(frame);
    if (!this.isUp() || this.#socket === null) {
      throw new TwsError("agent_offline", "The agent beside TWS is not connected to the edge.");
    }
    try {
      this.#socket.send(text);
    } catch (cause) {
      this.#drop(this.#socket, "lost", 1001, "");
      throw new TwsError("agent_offline", "The agent's connection has just been lost.", { cause });
    }
  }

  /** When the first socket that has not said hello is to be closed; a timer would not outlive the object's sleep. */
  helloDueAt(): number | null {
    const due = this.#greeting().map(([, openedAt]) => openedAt + linkTimes.helloWithinMs);
    return due.length === 0 ? null : Math.min(...due);
  }

  /** Closes the sockets that have not said hello in time. */
  closeSilent(): void {
    for (const [socket, openedAt] of this.#greeting()) {
      if (openedAt + linkTimes.helloWithinMs > Date.now()) continue;
      this.#drop(socket, "lost", closeCodes.helloTimeout, "hello did not come in time");
    }
  }

  #greeting(): (readonly [WebSocket, number])[] {
    return this.#options.ctx.getWebSockets("agent").flatMap((socket) => {
      const attachment = attachmentOf(socket);
      const isGreeting = attachment?.kind === "agent" && attachment.phase === "greeting";
      return isGreeting ? [[socket, attachment.openedAt] as const] : [];
    });
  }

  receive(socket: WebSocket, message: unknown): void {
    const attachment = attachmentOf(socket);
    if (attachment?.kind !== "agent" || attachment.phase === "over") return;
    try {
      const frame = parseAgentFrame(message);
      if (attachment.phase === "greeting") this.#greet(socket, frame);
      else if (socket === this.#socket) this.#serve(socket, frame);
    } catch (error) {
      if (!(error instanceof TwsError)) throw error;
      this.#drop(socket, "lost", closeCodes.protocol, error.message);
    }
  }

  /** Puts out whoever is connected, and tells them why. */
  dropAll(reason: string, code: number): void {
    for (const socket of this.#options.ctx.getWebSockets("agent")) {
      const attachment = attachmentOf(socket);
      if (attachment?.kind !== "agent" || attachment.phase === "over") continue;
      this.#drop(socket, "lost", code, reason);
    }
  }

  /** The socket has closed, for whatever reason. */
  closed(socket: WebSocket): void {
    attach(socket, { kind: "agent", phase: "over", openedAt: 0 });
    if (socket === this.#socket) this.#gone("lost");
  }

  #greet(socket: WebSocket, frame: AgentFrame): void {
    if (frame.type !== "hello") throw new TwsError("protocol_error", "The first frame must be hello.");
    const { store, hostId, listener } = this.#options;
    const before = store.agent();
    const older = this.isUp() ? this.#socket : null;
    const known = store.fact(journalFact);
    if (before !== null && known !== null && !mayServe(frame, known, older === null ? before : null)) {
      return this.#refuse(socket, frame, before);
    }
    if (typeof frame.journalId === "string") store.setFact(journalFact, frame.journalId);
    store.setFact(
      toldFact,
      frame.journalId === undefined ? "no" : frame.journalId === null ? "unread" : "yes",
    );
    if (older !== null) this.#drop(older, "lost", closeCodes.replaced, "replaced by a newer connection");
    this.#socket = socket;
    this.#isHere = true;
    this.#receivedAt = Date.now();
    attach(socket, { kind: "agent", phase: "serving", openedAt: Date.now() });
    store.saveAgent(recordOf(frame, rivalAfter(before, older !== null, frame)));
    trySend(
      socket,
      encodeFrame({
        type: "welcome",
        hostId,
        edgeVersion: version,
        topics: [...listener.topics()],
        keepsAudit: true,
        otherJournal: known !== null && known !== frame.journalId,
      }),
    );
    listener.returned();
    listener.statusChanged();
  }

  /** Two journals know nothing of each other's keys, so one at a time serves the host. */
  #refuse(socket: WebSocket, { instanceId, machine }: HelloFrame, before: AgentRecord): void {
    const { store, listener } = this.#options;
    const rival = {
      instanceId,
      machine,
      seenAt: new Date().toISOString(),
      hasReturned: true,
      isRefused: true,
    };
    store.saveAgent({ ...before, rival });
    this.#drop(socket, "lost", closeCodes.otherJournal, "the host is served with another order journal");
    if (store.fact(toldFact) !== "no" && this.#socket !== null) {
      trySend(this.#socket, encodeFrame({ type: "rival", machine }));
    }
    listener.statusChanged();
  }

  #serve(socket: WebSocket, frame: AgentFrame): void {
    this.#receivedAt = Date.now();
    switch (frame.type) {
      case "hello":
        throw new TwsError("protocol_error", "Hello is said once.");
      case "status":
        this.#learn(frame.status);
        break;
      case "bye":
        this.#drop(socket, "stopped", closeCodes.normal, "");
        break;
      case "trail":
        // its journal could not be read when it said hello: it says hello again, and names the journal
        if (this.#options.store.fact(toldFact) === "unread") {
          return this.#drop(socket, "lost", closeCodes.restart, "the order journal can be read now");
        }
        this.#options.listener.frame(frame);
        break;
      case "progress":
      case "result":
      case "error":
      case "event":
      case "audit":
        this.#options.listener.frame(frame);
        break;
      default:
        frame satisfies never;
    }
  }

  #learn(status: AgentStatus): void {
    const { store, listener } = this.#options;
    const agent = store.agent();
    if (agent === null || JSON.stringify(agent.status) === JSON.stringify(status)) return;
    store.saveAgent({ ...agent, status });
    listener.statusChanged();
  }

  /** Closes a socket and, if it served, treats the agent as gone at once: the other end may never answer. */
  #drop(socket: WebSocket, presence: Presence, code: number, reason: string): void {
    attach(socket, { kind: "agent", phase: "over", openedAt: 0 });
    tryClose(socket, code, reason);
    if (socket === this.#socket) this.#gone(presence);
  }

  #gone(presence: Presence): void {
    this.#socket = null;
    this.#isHere = false;
    const { store, listener } = this.#options;
    const agent = store.agent();
    if (agent !== null) store.saveAgent({ ...agent, presence, since: new Date().toISOString() });
    listener.left();
    listener.statusChanged();
  }
}

/** The order journal of the agent that was let in last. */
const journalFact = "journal";
/** Whether the agent that was let in last named its journal: `yes`, `no` (its release does not), `unread` (it could not). */
const toldFact = "journal_told";

/**
 * Whether an agent may serve a host whose journal is `known`. `gone` is the agent that served last; null while that is
 * still here. A simulator of the agent's own holds nothing that another journal knows of.
 */
function mayServe({ journalId, status }: HelloFrame, known: string, gone: AgentRecord | null): boolean {
  if (journalId === undefined || journalId === null || journalId === known) return true;
  if (gone === null) return false;
  const goneMs = Date.now() - Date.parse(gone.since);
  return status.tws.isSimulator || gone.presence === "stopped" || goneMs >= linkTimes.otherJournalAfterMs;
}

const recordOf = (hello: HelloFrame, rival: Rival | null): AgentRecord => ({
  instanceId: hello.instanceId,
  machine: hello.machine,
  version: hello.agentVersion,
  presence: "here",
  since: new Date().toISOString(),
  status: hello.status,
  rival,
});

/** Another process that was still connected when this one took over is worth telling the owner. */
function rivalAfter(before: AgentRecord | null, tookOver: boolean, hello: HelloFrame): Rival | null {
  if (before === null) return null;
  if (!tookOver || before.instanceId === hello.instanceId) return before.rival;
  return {
    instanceId: before.instanceId,
    machine: before.machine,
    seenAt: new Date().toISOString(),
    hasReturned: before.rival?.instanceId === hello.instanceId,
    isRefused: false,
  };
}
