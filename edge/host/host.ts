import { DurableObject } from "cloudflare:workers";
import type { AuditHead } from "../../shared/audit.ts";
import { OwnerAnswer, type OwnerRequest } from "../../shared/approval.ts";
import { toErrorBody, TwsError } from "../../shared/errors.ts";
import { closeCodes, ping, pong, subprotocol } from "../../shared/protocol.ts";
import { statusUri } from "../../shared/resources.ts";
import { Caller, isExpired } from "../../shared/caller.ts";
import { tools } from "../../shared/tools/index.ts";
import { retryAfter } from "../http/headers.ts";
import { Alarm } from "./storage/alarm.ts";
import { AgentLink, type ServingFrame } from "./relay/agent-link.ts";
import { type Attachment, attachmentOf } from "./storage/socket-attachments.ts";
import { AuditReplica } from "./audit-replica.ts";
import { Calls } from "./relay/calls.ts";
import { CallerRateLimits, isNeverRefused } from "./relay/rate-limits.ts";
import { createStreamResolver, isStartTool } from "./streams/stream-resolver.ts";
import { Resources } from "./resources/resources.ts";
import {
  callerHeader,
  grantEndedCode,
  type HostCall,
  type HostOutcome,
  type HostRpc,
  type OwnerOutcome,
  type ProgressListener,
  type MissingResource,
  type ResourceOutcome,
  type Health,
} from "../rpc/host.ts";
import { createSequence } from "./streams/sequence.ts";
import { Started } from "./resources/started-streams.ts";
import { healthOf, noteRelease, statusOf } from "./status.ts";
import { openStore, type Store } from "./storage/store.ts";
import { Topics } from "./streams/topics.ts";
import { UpdateNotifier, watchLimits, type WatchRequest } from "./resources/update-notifier.ts";
import { Watchers } from "./streams/watchers.ts";
import { tryClose } from "../http/sockets.ts";

/** What belongs to one TWS host: its agent's link, the calls on it, its topics and everyone who watches them. */
export class TwsHost extends DurableObject implements HostRpc {
  readonly #store: Store;
  readonly #calls: Calls;
  readonly #topics: Topics;
  readonly #link: AgentLink;
  readonly #updateNotifier: UpdateNotifier;
  readonly #alarm: Alarm;
  readonly #started: Started;
  readonly #resources: Resources;
  readonly #watchers: Watchers;
  readonly #rateLimits = new CallerRateLimits();
  readonly #audit: AuditReplica;
  /** Grants that have ended: a request of theirs may have been let in a moment before. */
  readonly #dropped = new Set<string>();

  constructor(ctx: DurableObjectState, env: Cloudflare.Env) {
    super(ctx, env);
    // answered by the runtime, so that a ping does not wake the object
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(ping, pong));
    this.#store = openStore(ctx.storage);
    noteRelease(this.#store);
    this.#calls = new Calls((frame) => this.#link.send(frame), this.#rateLimits);
    this.#audit = new AuditReplica(this.#store);
    this.#topics = new Topics({
      send: (frame) => this.#link.send(frame),
      isAgentHere: () => this.#link.isHere(),
      sequence: createSequence(this.#store),
      lineNeeded: () => this.#started.reclaim(),
    });
    this.#alarm = new Alarm(ctx.storage, () => [
      this.#started.nextAt(),
      this.#agentCheckAt(),
      this.#link.helloDueAt(),
    ]);
    this.#updateNotifier = new UpdateNotifier(ctx, (grantId, resource) =>
      this.#started.watchChanged(grantId, resource),
    );
    this.#link = new AgentLink({
      ctx,
      store: this.#store,
      hostId: ctx.id.name ?? "",
      listener: {
        topics: () => this.#topics.names(),
        left: () => {
          this.#calls.failAll();
          this.#audit.left();
          this.#topics.agentLeft();
        },
        returned: () => {
          this.#topics.agentReturned();
          this.#alarm.reschedule();
        },
        statusChanged: () => this.#updateNotifier.statusChanged(),
        frame: (frame) => this.#take(frame),
      },
    });
    const resolver = createStreamResolver(this.#calls, this.#topics);
    this.#started = new Started({
      store: this.#store,
      topics: this.#topics,
      notifier: this.#updateNotifier,
      alarm: this.#alarm,
    });
    this.#resources = new Resources({ topics: this.#topics, resolver, started: this.#started });
    this.#watchers = new Watchers({
      ctx,
      topics: this.#topics,
      resolver,
      report,
      followingChanged: () => this.#alarm.schedule(),
    });
    this.#restore();
  }

  async call(call: HostCall, onProgress?: ProgressListener): Promise<HostOutcome> {
    try {
      const { tool } = call;
      this.#admit(call.caller);
      requireScope(call);
      if (!isNeverRefused(tool)) this.#rateLimits.admit(call.caller.grantId);
      if (isStartTool(tool)) return await this.#resources.start(call, tool);
      switch (tool) {
        case "ibkr_get_status":
          return { ok: true, output: this.#status(call.caller) };
        case "ibkr_stop_market_data_resource":
          return this.#resources.stopMarketData(call);
        case "ibkr_stop_portfolio_resource":
          return this.#resources.stopPortfolio(call);
        case "ibkr_stop_tick_news_resource":
          return this.#resources.stopTickNews(call);
        case "ibkr_stop_news_resource":
          return this.#resources.stopOnly("news-bulletins", call);
        case "ibkr_stop_broadtape_news_resource":
          return this.#resources.stopOnly("broadtape-news", call);
        case "ibkr_list_active_resource_streams":
          this.#link.isUp();
          return this.#resources.active(call);
        default:
          return await this.#calls.ask(call, onProgress);
      }
    } catch (error) {
      return { ok: false, error: toErrorBody(error, report) };
    }
  }

  async cancelCall(callId: string): Promise<void> {
    this.#calls.cancel(callId);
  }

  async readResource(uri: string, caller: Caller): Promise<ResourceOutcome> {
    try {
      this.#rateLimits.admit(this.#admit(caller).grantId);
      // an agent that has gone silent is noticed here, before an old value is read as live
      this.#link.isUp();
      if (uri === statusUri) {
        return { ok: true, text: JSON.stringify(this.#status(caller)) };
      }
      return { ok: true, text: await this.#resources.read(uri, caller) };
    } catch (error) {
      return { ok: false, error: toErrorBody(error, report) };
    }
  }

  async missingResource(uris: readonly string[], caller: Caller): Promise<MissingResource | null> {
    const own = this.#admit(caller);
    for (const uri of uris) {
      try {
        if (uri !== statusUri) this.#resources.requireStarted(uri, own);
      } catch (error) {
        return { uri, error: toErrorBody(error, report) };
      }
    }
    return null;
  }

  async listResources(caller: Caller) {
    return this.#resources.list(caller);
  }

  async dropGrant(grantId: string): Promise<void> {
    this.#dropped.add(grantId);
    this.#resources.dropGrant(grantId);
    for (const socket of this.ctx.getWebSockets()) {
      if (grantOf(attachmentOf(socket)) !== grantId) continue;
      this.#closed(socket);
      tryClose(socket, grantEndedCode, "access has ended");
    }
  }

  async dropAgent(reason: string, mayReturn = false): Promise<void> {
    this.#link.dropAll(reason, mayReturn ? closeCodes.restart : closeCodes.unauthorized);
  }

  async facts() {
    const agent = this.#store.agent();
    return { machine: agent?.machine ?? null, accounts: agent?.status.tws.accounts ?? [] };
  }

  async owner(request: OwnerRequest): Promise<OwnerOutcome> {
    const outcome = await this.#calls.askForOwner(request);
    if (!outcome.ok) return outcome;
    const answer = OwnerAnswer.safeParse(outcome.output);
    if (answer.success) return { ok: true, answer: answer.data };
    const error = new TwsError("protocol_error", "The agent's answer was not what was asked for.");
    return { ok: false, error: error.toBody() };
  }

  async trading() {
    // asked first, since it notes an agent that has gone silent
    const isAgentUp = this.#link.isUp();
    const trading = this.#store.agent()?.status.trading ?? null;
    return { isAgentUp, trading, audit: this.#audit.state() };
  }

  async audit(before: number | null) {
    return await this.#audit.page(before);
  }

  /** Health of every hop from here to the market-data farms. */
  async health(): Promise<Health> {
    return healthOf(this.#store, this.#link.heardAt());
  }

  /** WebSockets: `/agent`, `/stream/market-data`, `/stream/portfolio`, `/stream/news`, and `/watch` with a `uri` in its query for each resource. */
  override async fetch(request: Request): Promise<Response> {
    try {
      const { 0: client, 1: server } = new WebSocketPair();
      const url = new URL(request.url);
      switch (url.pathname) {
        case "/agent":
          this.#link.accept(server);
          this.#alarm.schedule();
          return upgraded(client, { "Sec-WebSocket-Protocol": subprotocol });
        case "/stream/market-data":
          this.#watchers.accept(server, "market-data", this.#watcherOf(request));
          return upgraded(client);
        case "/stream/portfolio":
          this.#watchers.accept(server, "portfolio", this.#watcherOf(request));
          return upgraded(client);
        case "/stream/news":
          this.#watchers.accept(server, "news", this.#watcherOf(request));
          return upgraded(client);
        case "/watch":
          this.#updateNotifier.accept(server, watchRequestOf(this.#watcherOf(request), url));
          this.#alarm.schedule();
          return upgraded(client);
        default:
          return new Response(null, { status: 404 });
      }
    } catch (error) {
      const body = toErrorBody(error, report);
      const status = error instanceof TwsError ? error.status : 500;
      return Response.json({ error: body }, { status, headers: retryAfter(body) });
    }
  }

  override async webSocketMessage(socket: WebSocket, message: unknown): Promise<void> {
    switch (attachmentOf(socket)?.kind) {
      case "agent":
        return this.#link.receive(socket, message);
      case "stream":
        return await this.#watchers.receive(socket, message);
      case "watch":
      // nobody says anything there
      case undefined:
        return undefined;
      default:
        return undefined;
    }
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    this.#closed(socket);
    // some codes say how a connection ended and cannot be sent
    tryClose(socket, code === 1005 || code === 1006 || code === 1015 ? 1000 : code, "");
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#closed(socket);
  }

  override async alarm(): Promise<void> {
    this.#alarm.wentOff();
    // tells everyone if it has gone silent
    this.#link.isUp();
    this.#link.closeSilent();
    this.#started.sweep();
    this.#alarm.schedule();
  }

  /** While somebody looks at what the agent sends, it must be noticed that it has gone, though its connection seems open. */
  #agentCheckAt(): number | null {
    const isLookedAt = this.#watchers.areFollowing() || this.#updateNotifier.hasWatches();
    return isLookedAt ? this.#link.silentAt() : null;
  }

  #closed(socket: WebSocket): void {
    switch (attachmentOf(socket)?.kind) {
      case "agent":
        return this.#link.closed(socket);
      case "stream":
        return this.#watchers.closed(socket);
      case "watch":
        this.#updateNotifier.closed(socket);
        return this.#alarm.schedule();
      case undefined:
        return undefined;
      default:
        return undefined;
    }
  }

  #status(caller: Caller) {
    return statusOf(this.#store, this.#link.heardAt(), this.#audit.state(), caller);
  }

  #admit(caller: Caller): Caller {
    if (this.#dropped.has(caller.grantId) || isExpired(caller, Date.now())) {
      throw new TwsError("unauthorized", "This access has ended.", {
        nextStep: "The client asks for access again.",
      });
    }
    return caller;
  }

  /** Who opens a socket. */
  #watcherOf(request: Request): Caller {
    const caller = this.#admit(callerOf(request));
    this.#rateLimits.admit(caller.grantId);
    return caller;
  }

  #take(frame: ServingFrame): void {
    switch (frame.type) {
      case "event":
        return this.#topics.take(frame.events);
      case "progress":
      case "result":
      case "error":
        return this.#calls.take(frame);
      case "trail":
        return void this.#replicate(async () => this.#audit.announced(frame.trail));
      case "audit":
        return void this.#replicate(() => this.#audit.take(frame.entries));
      default:
        return frame satisfies never;
    }
  }

  /** What does not continue the trail gets no answer, so that the agent does not send it again and again. */
  async #replicate(take: () => Promise<AuditHead | null>): Promise<void> {
    try {
      const before = this.#audit.state();
      const head = await take();
      if (this.#audit.state() !== before) this.#updateNotifier.statusChanged();
      if (head !== null) this.#link.send({ type: "audited", head });
    } catch (error) {
      // it has gone meanwhile, and asks when it is back
      if (!(error instanceof TwsError)) report(crypto.randomUUID().slice(0, 8), error);
    }
  }

  /** The sockets have outlived the instance of the object that accepted them. */
  #restore(): void {
    for (const socket of this.ctx.getWebSockets()) {
      const attachment = attachmentOf(socket);
      if (attachment === null) tryClose(socket, 1012, "reconnect");
      if (attachment?.kind === "stream") this.#watchers.restore(socket, attachment);
      if (attachment?.kind === "watch") this.#updateNotifier.restore(socket, attachment);
    }
    this.#started.settle();
    this.#link.settle();
  }
}

/** The Worker has looked already, and the agent looks again. */
function requireScope({ tool, caller }: HostCall): void {
  const { scope } = tools[tool];
  if (caller.scopes.includes(scope)) return;
  throw new TwsError("forbidden", `${tool} needs the permission ${scope}, which this sign-in does not have.`);
}

function grantOf(attachment: Attachment | null): string | null {
  switch (attachment?.kind) {
    case "stream":
      return attachment.caller.grantId;
    case "watch":
      return attachment.grantId;
    default:
      return null;
  }
}

/** What nobody expected goes to the log whole, and to the caller as an id. */
function report(id: string, thrown: unknown): void {
  console.error(`internal error ${id}`, thrown);
}

function callerOf(request: Request): Caller {
  const text = request.headers.get(callerHeader);
  if (text === null) throw new TwsError("unauthorized", "The request says nothing of its caller.");
  return Caller.parse(JSON.parse(decodeURIComponent(text)));
}

function watchRequestOf(caller: Caller, { searchParams }: URL): WatchRequest {
  return {
    caller,
    watchId: searchParams.get("id") ?? crypto.randomUUID(),
    uris: searchParams.getAll("uri").slice(0, watchLimits.uris),
  };
}

const upgraded = (client: WebSocket, headers: Record<string, string> = {}): Response =>
  new Response(null, { status: 101, webSocket: client, headers });
