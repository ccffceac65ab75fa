import { EventName, SecType } from "@stoqey/ib";
import type { Contract as IbContract } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import { type Condition, conditionOf, live, type StreamReason } from "../../../shared/events.ts";
import type { TwsNotice, TwsSession } from "../session/api.ts";
import { meaningOf, twsErrorFor, waitReasonOf } from "../session/errors.ts";
import { readTime } from "../session/time-zone.ts";
import { headlineOf } from "./news-text.ts";
import { contractToTws } from "../contracts/translate.ts";

/** A headline as it comes in; every text is the provider's own and capped. */
export interface Headline {
  /** When it was published, ISO 8601; null if TWS did not say. */
  readonly time: string | null;
  readonly providerCode: string;
  readonly articleId: string;
  readonly headline: string;
  /** The symbol that was asked for, or the provider of a whole feed. */
  readonly source: string;
}

/** A bulletin of IBKR: 1 is general, 2 an exchange that is down, 3 an exchange that is up again. */
export interface Bulletin {
  readonly msgId: number;
  readonly msgType: number;
  readonly message: string;
  readonly origin: string;
}

/** `ended` is the end of that one source; the others of the same watcher go on. */
export type NewsEvent<Item> =
  | { readonly kind: "item"; readonly item: Item }
  | ({
      readonly kind: "state";
      readonly source: string;
      /** Why it ended or went stale; null when live or a gap. */
      readonly error: TwsError | null;
    } & Condition);

export type NewsListener<Item> = (event: NewsEvent<Item>) => void;

interface Line {
  readonly source: string;
  readonly contract: IbContract;
  readonly listeners: Set<NewsListener<Headline>>;
  /** Belongs to the connection of now; null while nothing is asked of TWS. */
  reqId: number | null;
  state: (NewsEvent<Headline> & { readonly kind: "state" }) | null;
  retry: NodeJS.Timeout | null;
}

interface BulletinLine {
  readonly listeners: Map<NewsListener<Bulletin>, boolean>;
  /** Today's, by their ids, so that a late watcher gets them and a replay repeats none. */
  readonly seen: Map<number, Bulletin>;
  state: NewsEvent<Bulletin> & { readonly kind: "state" };
}

interface NewsStreams {
  readonly lines: Map<string, Line>;
  readonly byReqId: Map<number, Line>;
  /** They receive what comes on every line that is a symbol's. */
  readonly joiners: Set<NewsListener<Headline>>;
  readonly bulletins: BulletinLine;
}

/** Headlines alone, without the prices of the instrument. */
const headlinesOnly = "mdoff,292";
const refusedRetryMs = 5_000;
const keptBulletins = 200;

const bySession = new WeakMap<TwsSession, NewsStreams>();

/**
 * Headlines on one instrument as they come, or with `*` those of every instrument that somebody watches. Each takes a
 * market-data line; watchers of the same instrument share it. Asked for again in each new session and after 1101.
 * Returns the way to stop.
 */
export function watchTickNews(
  session: TwsSession,
  contract: Contract | "*",
  listener: NewsListener<Headline>,
): () => void {
  const streams = newsStreamsOf(session);
  const own: NewsListener<Headline> = (event) => listener(event);
  if (contract === "*") {
    streams.joiners.add(own);
    for (const line of streams.lines.values()) if (isSymbol(line) && line.state !== null) own(line.state);
    return () => {
      streams.joiners.delete(own);
    };
  }
  return join(session, streams, `symbol/${contract.conId}`, contract.symbol, contractToTws(contract), own);
}

/** IBKR's bulletins; with `allMessages` those of today first. Asked for again in each new session. */
export function watchBulletins(
  session: TwsSession,
  allMessages: boolean,
  listener: NewsListener<Bulletin>,
): () => void {
  const { bulletins } = newsStreamsOf(session);
  const own: NewsListener<Bulletin> = (event) => listener(event);
  const isFirst = bulletins.listeners.size === 0;
  const wasAll = wantsAll(bulletins);
  bulletins.listeners.set(own, allMessages);
  if (isFirst || (allMessages && !wasAll)) askBulletins(session, bulletins);
  own(bulletins.state);
  if (allMessages && wasAll) for (const item of bulletins.seen.values()) own({ kind: "item", item });
  return () => {
    if (!bulletins.listeners.delete(own) || bulletins.listeners.size > 0) return;
    bulletins.seen.clear();
    if (isUp(session)) quietly(session.send("release", (ib) => ib.cancelNewsBulletins()));
  };
}

/** Everything that the named providers publish, whatever it is about: one market-data line for each provider. */
export function watchBroadTape(
  session: TwsSession,
  providers: readonly string[],
  listener: NewsListener<Headline>,
): () => void {
  const streams = newsStreamsOf(session);
  const own: NewsListener<Headline> = (event) => listener(event);
  const stops = [...new Set(providers)].map((provider) => {
    const contract = { symbol: `${provider}:${provider}_ALL`, secType: SecType.NEWS, exchange: provider };
    return join(session, streams, `provider/${provider}`, provider, contract, own);
  });
  return () => {
    for (const stop of stops) stop();
  };
}

const isSymbol = (line: Line): boolean => line.contract.secType !== SecType.NEWS;
const wantsAll = ({ listeners }: BulletinLine): boolean => [...listeners.values()].includes(true);

const isUp = (session: TwsSession): boolean => {
  const { state } = session.status().tws;
  return state === "connected" || state === "upstream_down";
};

const offline = (): TwsError => new TwsError("tws_offline", "There is no session with TWS.");
const upstreamDown = (): TwsError =>
  new TwsError("tws_upstream_down", "TWS is running but has lost its connection to IBKR.");

/** What fails here fails with the connection, after which everything is asked for again. */
function quietly(sent: Promise<void>): void {
  sent.catch(() => {});
}

const stateOf = (source: string, condition: Condition, error: TwsError | null) =>
  ({ kind: "state", source, ...condition, error }) as const;

const bulletinSource = "bulletins";

function newsStreamsOf(session: TwsSession): NewsStreams {
  const existing = bySession.get(session);
  if (existing !== undefined) return existing;
  const bulletins: BulletinLine = {
    listeners: new Map(),
    seen: new Map(),
    state: stateOf(bulletinSource, live, null),
  };
  const streams: NewsStreams = { lines: new Map(), byReqId: new Map(), joiners: new Set(), bulletins };
  bySession.set(session, streams);
  listen(session, streams);
  return streams;
}

function listen(session: TwsSession, streams: NewsStreams): void {
  const { bulletins } = streams;
  session.on(EventName.tickNews, (reqId, at, providerCode, articleId, text) => {
    const line = streams.byReqId.get(reqId);
    if (line === undefined) return;
    const time = readTime(at, "UTC");
    const headline = headlineOf(text ?? "");
    const item = { time, providerCode, articleId, headline, source: line.source };
    emit(streams, line, { kind: "item", item });
  });
  session.on(EventName.updateNewsBulletin, (msgId, msgType, text, origin) => {
    if (bulletins.listeners.size === 0 || bulletins.seen.has(msgId)) return;
    const item = { msgId, msgType, message: headlineOf(text), origin: origin.slice(0, 50) };
    bulletins.seen.set(msgId, item);
    const oldest = bulletins.seen.keys().next().value;
    if (bulletins.seen.size > keptBulletins && oldest !== undefined) bulletins.seen.delete(oldest);
    for (const listener of bulletins.listeners.keys()) listener({ kind: "item", item });
  });
  session.onNotice((notice) => takeNotice(session, streams, notice));
  const reopen = (reason: StreamReason) => (): void => {
    for (const line of streams.lines.values()) {
      release(session, streams, line, false);
      setState(streams, line, conditionOf(reason), null);
      open(session, streams, line);
    }
    setBulletinState(bulletins, conditionOf(reason), null);
    if (bulletins.listeners.size > 0) askBulletins(session, bulletins);
  };
  session.onConnected(reopen("new_session"));
  session.onDataLost(reopen("data_lost"));
  const suspendAll = (reason: StreamReason, error: TwsError): void => {
    const condition = conditionOf(reason, error.message);
    for (const line of streams.lines.values()) setState(streams, line, condition, error);
    setBulletinState(bulletins, condition, error);
  };
  session.onDisconnected(() => {
    for (const line of streams.lines.values()) release(session, streams, line, false);
    suspendAll("tws_offline", offline());
  });
  let wasUpstreamDown = false;
  session.onStatus(({ tws }) => {
    const isUpstreamDown = tws.state === "upstream_down";
    if (isUpstreamDown && !wasUpstreamDown) suspendAll("tws_upstream_down", upstreamDown());
    wasUpstreamDown = isUpstreamDown;
    if (tws.state !== "connected") return;
    for (const line of streams.lines.values()) {
      if (line.state?.reason !== "tws_upstream_down") continue;
      setState(streams, line, conditionOf("upstream_returned"), null);
      setState(streams, line, live, null);
    }
    if (bulletins.state.reason !== "tws_upstream_down") return;
    setBulletinState(bulletins, conditionOf("upstream_returned"), null);
    setBulletinState(bulletins, live, null);
  });
}

function emit(streams: NewsStreams, line: Line, event: NewsEvent<Headline>): void {
  for (const listener of line.listeners) listener(event);
  if (isSymbol(line)) for (const joiner of streams.joiners) joiner(event);
}

function setState(streams: NewsStreams, line: Line, condition: Condition, error: TwsError | null): void {
  line.state = stateOf(line.source, condition, error);
  emit(streams, line, line.state);
}

function setBulletinState(bulletins: BulletinLine, condition: Condition, error: TwsError | null): void {
  bulletins.state = stateOf(bulletinSource, condition, error);
  for (const listener of bulletins.listeners.keys()) listener(bulletins.state);
}

function askBulletins(session: TwsSession, bulletins: BulletinLine): void {
  if (!isUp(session)) {
    setBulletinState(bulletins, conditionOf("tws_offline"), offline());
    return;
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  void promise.then(() => setBulletinState(bulletins, live, null));
  quietly(
    session.send("data", (ib) => {
      // the last listener may have left, and its message goes first
      if (bulletins.listeners.size > 0) ib.reqNewsBulletins(wantsAll(bulletins));
      resolve();
    }),
  );
}

function join(
  session: TwsSession,
  streams: NewsStreams,
  key: string,
  source: string,
  contract: IbContract,
  listener: NewsListener<Headline>,
): () => void {
  const known = streams.lines.get(key);
  const line: Line = known ?? {
    source,
    contract,
    listeners: new Set(),
    reqId: null,
    state: null,
    retry: null,
  };
  line.listeners.add(listener);
  if (known === undefined) {
    streams.lines.set(key, line);
    if (isUp(session)) open(session, streams, line);
    else setState(streams, line, conditionOf("tws_offline"), offline());
  } else if (line.state !== null) listener(line.state);
  return () => {
    line.listeners.delete(listener);
    if (line.listeners.size > 0 || streams.lines.get(key) !== line) return;
    streams.lines.delete(key);
    release(session, streams, line, true);
  };
}

function open(session: TwsSession, streams: NewsStreams, line: Line): void {
  const reqId = session.nextRequestId();
  line.reqId = reqId;
  streams.byReqId.set(reqId, line);
  const isWanted = (): boolean => line.reqId === reqId;
  session
    .send("data", (ib) => {
      if (!isWanted()) return;
      ib.reqMktData(reqId, line.contract, headlinesOnly, false, false);
      // TWS confirms nothing here: a source may be silent for hours
      setState(streams, line, live, null);
    })
    .catch((error: unknown) => {
      if (isWanted())
        retryLater(session, streams, line, "pacing", error instanceof TwsError ? error : offline());
    });
}

function release(session: TwsSession, streams: NewsStreams, line: Line, cancelAtTws: boolean): void {
  if (line.retry !== null) clearTimeout(line.retry);
  line.retry = null;
  const { reqId } = line;
  if (reqId === null) return;
  line.reqId = null;
  streams.byReqId.delete(reqId);
  if (cancelAtTws && isUp(session)) quietly(session.send("release", (ib) => ib.cancelMktData(reqId)));
}

function retryLater(
  session: TwsSession,
  streams: NewsStreams,
  line: Line,
  reason: StreamReason,
  error: TwsError,
): void {
  release(session, streams, line, false);
  setState(streams, line, conditionOf(reason, error.message), error);
  line.retry = setTimeout(() => {
    line.retry = null;
    if (line.listeners.size > 0 && line.reqId === null && isUp(session)) open(session, streams, line);
  }, refusedRetryMs);
}

function takeNotice(session: TwsSession, streams: NewsStreams, notice: TwsNotice): void {
  const line = streams.byReqId.get(notice.id);
  if (line === undefined) return;
  const meaning = meaningOf(notice);
  if (meaning === "advisory" || meaning === "confirmation") return;
  const error = twsErrorFor(notice, `news of ${line.source}`);
  const reason = waitReasonOf(notice);
  if (reason !== null) {
    retryLater(session, streams, line, reason, error);
    return;
  }
  release(session, streams, line, false);
  for (const [key, other] of streams.lines) if (other === line) streams.lines.delete(key);
  setState(streams, line, conditionOf("refused", error.message), error);
  line.listeners.clear();
}
