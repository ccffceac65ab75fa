import { EventName, MarketDataType } from "@stoqey/ib";
import { createBackoff } from "../../../shared/backoff.ts";
import { TwsError } from "../../../shared/errors.ts";
import { modeOf } from "../../../shared/status.ts";
import type { DataType, SessionStatus, TwsState } from "../../../shared/status.ts";
import type { Log } from "../../process/log.ts";
import type { TwsNotice, TwsSession } from "./api.ts";
import { openConnection } from "./connection.ts";
import { isReadOnlyRefusal, upstreamDown } from "./errors.ts";
import type { Accepted, Connection, ConnectionTimes, Ended } from "./connection.ts";
import type { TwsEventName, TwsEvents } from "./event-types.ts";
import { farmOf } from "./data-farms.ts";
import type { Farm } from "./data-farms.ts";
import { eventsLostWith } from "./unreadable-rows.ts";
import { createRequestMap, isKeptForOrder, nextRequestId } from "./request-table.ts";

export interface SessionTimes extends ConnectionTimes {
  /** The first wait before dialling again; it doubles up to the cap. */
  readonly retryFirstMs: number;
  readonly retryCapMs: number;
  /** TWS keeps a client id for a while after its session has died. */
  readonly clientIdInUseMs: number;
  /** A session that lasted this long ends a row of failures. */
  readonly stableMs: number;
}

const usualTimes: SessionTimes = {
  helloMs: 5_000,
  readyMs: 10_000,
  heartbeatMs: 5_000,
  heartbeatMisses: 2,
  retryFirstMs: 1_000,
  retryCapMs: 30_000,
  clientIdInUseMs: 10_000,
  stableMs: 60_000,
};

export interface SessionOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: number;
  readonly isSimulator: boolean;
  readonly log: Log;
  readonly times?: Partial<SessionTimes>;
}

/** Starts the session: it dials at once and until it is closed or stopped. */
export function createSession(options: SessionOptions): TwsSession {
  const { host, port, clientId, isSimulator, log } = options;
  const times = { ...usualTimes, ...options.times };

  const onStatus = createListeners<[SessionStatus]>(log);
  const onConnected = createListeners<[number]>(log);
  const onDisconnected = createListeners<[]>(log);
  const onDataLost = createListeners<[]>(log);
  const onNotice = createListeners<[TwsNotice]>(log);
  /** Each puts one listener on a connection. */
  const everyConnection = new Set<(connection: Connection) => void>();

  /** Dialled or accepted; null between attempts. */
  let opened: Connection | null = null;
  /** Accepted by TWS; null otherwise. */
  let current: Connection | null = null;
  let state: TwsState = "connecting";
  let since = new Date().toISOString();
  let count = 0;
  let serverVersion: number | null = null;
  let accounts: readonly string[] = [];
  let zone: string | null = null;
  let marketDataType: 1 | 2 | 3 | 4 = 4;
  let dataTypes: readonly DataType[] = [];
  let farms: readonly Farm[] = [];
  let lastError = "";
  /** As the connection of now has shown. */
  let isReadOnlyApi = false;
  /** TWS may say so before it has accepted us. */
  let isUpstreamLost = false;
  let isClosed = false;
  let wake = (): void => {};
  /** Set by resume: the next attempt does not wait. */
  let isHurried = false;

  const isStopped = (): boolean => state === "stopped";
  const isOver = (): boolean => isClosed;

  const status = (): SessionStatus => ({
    tws: {
      state,
      since,
      host,
      port,
      clientId,
      connection: count,
      serverVersion,
      accounts: [...accounts],
      mode: accounts[0] === undefined ? null : modeOf(accounts[0]),
      isSimulator,
      marketDataType: marketDataTypes[marketDataType].name,
      isReadOnlyApi,
      dataTypes: [...dataTypes],
      lastError,
    },
    farms: [...farms],
  });

  const notifyStatus = (next: TwsState): void => {
    if (next !== state) since = new Date().toISOString();
    state = next;
    onStatus.notify(status());
  };

  const offline = (): TwsError =>
    new TwsError(
      "tws_offline",
      isStopped() ? "The session with TWS is stopped." : `There is no session with TWS. ${lastError}`.trim(),
      isStopped() ? { nextStep: "Call ibkr_connect to start the session again." } : {},
    );

  const requests = createRequestMap({
    listen: (event, listener) => void listen(event, listener),
    timeoutError: (what, timeoutMs) =>
      state === "upstream_down"
        ? upstreamDown()
        : new TwsError("timeout", `TWS did not answer the request for ${what} within ${timeoutMs / 1000} s.`),
    log,
  });

  function listen<E extends TwsEventName>(event: E, listener: (...args: TwsEvents[E]) => void): () => void {
    let off = (): void => {};
    const attach = (connection: Connection): void => {
      off = connection.listen(event, listener);
    };
    everyConnection.add(attach);
    if (opened !== null) attach(opened);
    return () => {
      everyConnection.delete(attach);
      off();
    };
  }

  listen(EventName.marketDataType, (_id, type) => {
    if (type !== 1 && type !== 2 && type !== 3 && type !== 4) return;
    const { name } = marketDataTypes[type];
    if (dataTypes.includes(name)) return;
    dataTypes = [...dataTypes, name].toSorted();
    notifyStatus(state);
  });

  const accept = (connection: Connection, accepted: Accepted): void => {
    current = connection;
    count += 1;
    dataTypes = [];
    ({ accounts, serverVersion, zone } = accepted);
    // TWS sends the best that the account has, up to what is asked for: live where subscribed, the last quote of a
    // closed market, delayed elsewhere. To ask for live alone would give errors instead of the last two, and each
    // quote's dataType says which it is. It holds for the connection, so it goes before any request for data.
    connection.pacer.submit(
      "order",
      () => connection.ib.reqMarketDataType(marketDataTypes[marketDataType].code),
      (error) => log.warn("tws.market_data_type_not_sent", { error }),
    );
    log.info("tws.connected", { connection: count, serverVersion, accounts });
    notifyStatus(isUpstreamLost ? "upstream_down" : "connected");
    onConnected.notify(accepted.nextValidId);
  };

  const systemNotice = ({ code, text }: TwsNotice): void => {
    const farm = farmOf(code, text);
    if (farm !== null) {
      const isSame = ({ name, kind }: Farm) => name === farm.name && kind === farm.kind;
      if (farms.find(isSame)?.state === farm.state) return;
      const others = farms.filter((one) => !isSame(one));
      farms = [...others, { ...farm, since: new Date().toISOString() }].slice(-100);
      notifyStatus(state);
      return;
    }
    switch (code) {
      case 1100:
      case 2110:
        isUpstreamLost = true;
        if (current !== null) notifyStatus("upstream_down");
        return;
      case 1101:
        isUpstreamLost = false;
        if (current === null) return;
        // first, so that nobody takes the lost subscriptions for live ones
        onDataLost.notify();
        notifyStatus("connected");
        return;
      case 1102:
        isUpstreamLost = false;
        if (current !== null) notifyStatus("connected");
        return;
      default:
    }
  };

  const setReadOnlyApi = (isSo: boolean): void => {
    if (isSo === isReadOnlyApi) return;
    isReadOnlyApi = isSo;
    if (isSo) log.warn("tws.read_only_api");
    notifyStatus(state);
  };
  // TWS lists orders only while its API takes them
  for (const end of [EventName.openOrderEnd, EventName.completedOrdersEnd] as const)
    listen(end, () => setReadOnlyApi(false));

  const takeNotice = (notice: TwsNotice): void => {
    if (isReadOnlyRefusal(notice)) setReadOnlyApi(true);
    requests.lost(eventsLostWith(notice));
    // a request may have had the id before the order was seen: then both are told
    if (requests.notice(notice) && !isKeptForOrder(notice.id)) return;
    const { id, code, text } = notice;
    log[lossCodes.has(code) ? "warn" : "info"]("tws.notice", { id, code, text });
    // orders made by hand have ids below that
    if (notice.id === -1) systemNotice(notice);
    onNotice.notify(notice);
  };

  /** One attempt, and the session if it succeeds; resolves when it has ended. */
  const connectOnce = (): Promise<Ended & { readonly uptimeMs: number }> => {
    const { promise, resolve } = Promise.withResolvers<Ended & { readonly uptimeMs: number }>();
    let acceptedAt: number | null = null;
    openConnection({
      host,
      port,
      clientId,
      times,
      log,
      onOpening: (connection) => {
        opened = connection;
        for (const attach of everyConnection) attach(connection);
      },
      onAccepted: (connection, accepted) => {
        acceptedAt = performance.now();
        accept(connection, accepted);
      },
      onNotice: takeNotice,
      onEnded: (ended) => {
        opened = null;
        current = null;
        serverVersion = null;
        farms = [];
        isUpstreamLost = false;
        isReadOnlyApi = false;
        // asked for, or as every attempt before: neither is news
        const isNews = !isStopped() && (acceptedAt !== null || ended.reason !== lastError);
        lastError = ended.reason;
        log[isNews ? "warn" : "info"]("tws.disconnected", { reason: ended.reason });
        notifyStatus(isStopped() ? "stopped" : "connecting");
        requests.failAll(offline());
        if (acceptedAt !== null) onDisconnected.notify();
        resolve({ ...ended, uptimeMs: acceptedAt === null ? 0 : performance.now() - acceptedAt });
      },
    });
    return promise;
  };

  /** Resolves after `ms`, or when stop, resume or close is called. */
  const patience = async (ms: number | null): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    const timer = ms === null ? null : setTimeout(resolve, ms);
    await promise;
    if (timer !== null) clearTimeout(timer);
  };

  const run = async (): Promise<void> => {
    const backoff = createBackoff({
      firstMs: times.retryFirstMs,
      capMs: times.retryCapMs,
      stableAfterMs: times.stableMs,
      random: Math.random,
    });
    while (!isOver()) {
      if (isStopped()) {
        await patience(null);
        continue;
      }
      isHurried = false;
      const { uptimeMs, isClientIdInUse } = await connectOnce();
      if (isOver() || isStopped() || isHurried) continue;
      const waitMs = backoff.next(uptimeMs);
      await patience(isClientIdInUse ? Math.max(waitMs, times.clientIdInUseMs) : waitMs);
    }
  };
  const finished = run();

  return {
    status,
    get connection() {
      return count;
    },
    clientId,
    accounts: () => accounts,
    zone: () => zone,
    async whenConnected(timeoutMs) {
      if (state === "connected") return;
      if (isStopped()) throw offline();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const off = onStatus.add((now) => {
        if (now.tws.state === "connected") resolve();
        if (now.tws.state === "stopped") reject(offline());
      });
      const timer = setTimeout(
        () => reject(state === "upstream_down" ? upstreamDown() : offline()),
        timeoutMs,
      );
      try {
        await promise;
      } finally {
        clearTimeout(timer);
        off();
      }
    },
    request(spec, context) {
      return current === null ? Promise.reject(offline()) : requests.run(spec, context, current);
    },
    nextRequestId,
    setMarketDataType(type) {
      if (current === null) return Promise.reject(offline());
      const { ib, pacer } = current;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      pacer.submit(
        "order",
        () => {
          marketDataType = type;
          dataTypes = [];
          ib.reqMarketDataType(marketDataTypes[type].code);
          notifyStatus(state);
          resolve();
        },
        reject,
      );
      return promise;
    },
    send(lane, action) {
      if (current === null) return Promise.reject(offline());
      const { ib, pacer } = current;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      pacer.submit(
        lane,
        () => {
          action(ib);
          resolve();
        },
        reject,
      );
      return promise;
    },
    on: listen,
    onNotice: onNotice.add,
    onStatus: onStatus.add,
    onConnected: onConnected.add,
    onDisconnected: onDisconnected.add,
    onDataLost: onDataLost.add,
    stop() {
      if (isStopped()) return;
      notifyStatus("stopped");
      opened?.end("Stopped by ibkr_disconnect.");
      wake();
    },
    resume() {
      if (isClosed || !isStopped()) return;
      lastError = "";
      isHurried = true;
      notifyStatus("connecting");
      wake();
    },
    async close() {
      isClosed = true;
      if (!isStopped()) notifyStatus("stopped");
      opened?.end("The agent is ending.");
      wake();
      await finished;
    },
  };
}

const marketDataTypes = {
  1: { name: "live", code: MarketDataType.REALTIME },
  2: { name: "frozen", code: MarketDataType.FROZEN },
  3: { name: "delayed", code: MarketDataType.DELAYED },
  4: { name: "delayed-frozen", code: MarketDataType.DELAYED_FROZEN },
} as const;

/** System messages after which something is missing: the line to IBKR, or the data of before. */
const lossCodes: ReadonlySet<number> = new Set([1100, 1101, 2110]);

/** Callbacks of our own: each is called in turn, and one that throws is logged and harms nobody. */
function createListeners<Args extends readonly unknown[]>(log: Log) {
  const listeners = new Set<(...args: Args) => void>();
  return {
    add: (listener: (...args: Args) => void): (() => void) => {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    notify: (...args: Args): void => {
      for (const listener of listeners) {
        try {
          listener(...args);
        } catch (error) {
          log.error("tws.listener_failed", { error });
        }
      }
    },
  };
}
