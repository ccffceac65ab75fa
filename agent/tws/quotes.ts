import { EventName } from "@stoqey/ib";
import type { Contract } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import { emptyQuote } from "../../shared/events.ts";
import type { Quote, StreamState } from "../../shared/events.ts";
import type { AgentStatus } from "../../shared/status.ts";
import { currentTime } from "./account.ts";
import type { QuoteEvent, QuoteStreams, TwsNotice, TwsSession } from "./api.ts";
import type { Log } from "./connection.ts";
import { forgetContract } from "./contracts.ts";
import { meaningOf, twsErrorFor } from "./errors.ts";
import { mayServe } from "./farms.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { SnapshotTimes } from "./snapshot.ts";
import { bidSizeOf, dataTypeChange, genericChange, greeksChange, priceChange, sizeChange } from "./ticks.ts";
import type { QuoteChange } from "./ticks.ts";
import { contractToTws } from "./translate.ts";

interface QuoteTimes extends SnapshotTimes {
  /** TWS sends nothing more on a line that it gave to another session (10197), also when that session ends. */
  readonly competingRetryMs: number;
  readonly refusedRetryMs: number;
}

const usualTimes: QuoteTimes = {
  quietMs: 2_500,
  longestMs: 11_000,
  competingRetryMs: 45_000,
  refusedRetryMs: 2_000,
};

/** A value so young needs no proof that TWS still lives. */
const freshMs = 1_000;
const aliveWithinMs = 3_000;

interface QuoteStreamsOptions {
  readonly log: Log;
  readonly times?: Partial<QuoteTimes>;
}

/** Why nothing new can come on a line for now. */
type Hold = "session" | "upstream" | "farm" | "refused";

type Watcher = (event: QuoteEvent) => void;

interface Line {
  readonly contract: Contract;
  readonly watchers: Set<Watcher>;
  readonly holds: Map<Hold, TwsError>;
  quote: Quote;
  /** Null until the first tick. */
  state: (QuoteEvent & { readonly kind: "state" }) | null;
  /** Belongs to the connection of now; null while nothing is asked of TWS. */
  reqId: number | null;
  isWritten: boolean;
  remark: TwsError | null;
  retry: NodeJS.Timeout | null;
}

export function createQuoteStreams(session: TwsSession, options: QuoteStreamsOptions): QuoteStreams {
  const { log } = options;
  const times = { ...usualTimes, ...options.times };
  /** By conId: everyone who watches an instrument shares its line. */
  const lines = new Map<number, Line>();
  const byReqId = new Map<number, Line>();

  const isUp = (): boolean => {
    const { state } = session.status().tws;
    return state === "connected" || state === "upstream_down";
  };
  const offline = (): TwsError => new TwsError("tws_offline", "There is no session with TWS.");

  const tell = (line: Line, event: QuoteEvent): void => {
    for (const watcher of line.watchers) {
      try {
        watcher(event);
      } catch (error) {
        log("tws.watcher_failed", { conId: line.contract.conId, error });
      }
    }
  };

  const setState = (line: Line, state: StreamState, reason: string, error: TwsError | null): void => {
    line.state = { kind: "state", state, reason: reason.slice(0, 500), error };
    tell(line, line.state);
  };

  const hold = (line: Line, why: Hold, error: TwsError): void => {
    line.holds.set(why, error);
    if (line.state?.state !== "stale") setState(line, "stale", error.message, error);
  };

  const unhold = (line: Line, why: Hold): void => {
    const wasHeld = line.holds.delete(why);
    if (wasHeld && line.holds.size === 0 && line.state?.state === "stale") setState(line, "live", "", null);
  };

  const open = (line: Line): void => {
    const reqId = session.nextRequestId();
    line.reqId = reqId;
    line.isWritten = false;
    line.remark = null;
    byReqId.set(reqId, line);
    const isWanted = (): boolean => line.reqId === reqId;
    session
      .send("data", (ib) => {
        if (!isWanted()) return;
        line.isWritten = true;
        ib.reqMktData(reqId, contractToTws(line.contract), "", false, false);
      })
      .catch((error: unknown) => {
        // the end of a connection has taken the id from the line already; this is a full queue
        if (!isWanted()) return;
        release(line, false);
        retryLater(line, times.refusedRetryMs, error instanceof TwsError ? error : offline());
      });
  };

  const release = (line: Line, cancelAtTws: boolean): void => {
    if (line.retry !== null) clearTimeout(line.retry);
    line.retry = null;
    const { reqId } = line;
    if (reqId === null) return;
    line.reqId = null;
    byReqId.delete(reqId);
    if (cancelAtTws && line.isWritten)
      session
        .send("data", (ib) => ib.cancelMktData(reqId))
        .catch((error: unknown) => {
          // with the connection the line has ended too
          if (isUp()) log("tws.cancel_not_sent", { reqId, error });
        });
  };

  const retryLater = (line: Line, ms: number, error: TwsError): void => {
    hold(line, "refused", error);
    line.retry = setTimeout(() => {
      line.retry = null;
      if (line.watchers.size > 0 && line.reqId === null && isUp()) open(line);
    }, ms);
  };

  const finish = (line: Line, error: TwsError): void => {
    // a line that ticked is open at TWS for all we know; one that never did was refused
    release(line, line.quote.time !== null);
    if (lines.get(line.contract.conId) === line) lines.delete(line.contract.conId);
    setState(line, "ended", error.message, error);
    line.watchers.clear();
  };

  const change = (reqId: number, made: (quote: Quote) => QuoteChange): void => {
    const line = byReqId.get(reqId);
    if (line === undefined) return;
    const before = line.quote;
    const changes = made(before);
    if (changes === null) return;
    line.holds.clear();
    if (line.state?.state !== "live") setState(line, "live", "", null);
    const quote = { ...before, ...changes, time: new Date().toISOString() };
    if (Object.keys(changes).every((key) => isEqualAt(key, before, quote))) return;
    line.quote = quote;
    tell(line, { kind: "quote", quote });
  };

  /** Comes before the first tick, and is no tick by itself. */
  const changeDataType = (reqId: number, type: number): void => {
    const line = byReqId.get(reqId);
    if (line?.quote.time === null) line.quote = { ...line.quote, ...dataTypeChange(type) };
    else change(reqId, () => dataTypeChange(type));
  };

  const takeNotice = (notice: TwsNotice): void => {
    const line = byReqId.get(notice.id);
    if (line === undefined) return;
    const { symbol, conId } = line.contract;
    const error = twsErrorFor(notice, symbol);
    const meaning = meaningOf(notice);
    switch (meaning) {
      case "advisory":
        line.remark = error;
        return;
      case "confirmation":
        return;
      case "retry":
        release(line, notice.code === 10_197);
        retryLater(line, notice.code === 10_197 ? times.competingRetryMs : times.refusedRetryMs, error);
        return;
      case "fatal":
        if (notice.code === 200) forgetContract(session, conId);
        finish(line, error);
        return;
      default:
        meaning satisfies never;
    }
  };

  /** TWS has forgotten every line: each is asked for again under a new id, and starts from nothing. */
  const reopenAll = (reason: string): void => {
    for (const line of lines.values()) {
      release(line, false);
      line.holds.clear();
      line.quote = emptyQuote;
      setState(line, "gap", reason, null);
      open(line);
    }
  };

  const takeStatus = ({ tws, farms }: AgentStatus): void => {
    if (tws.state !== "connected" && tws.state !== "upstream_down") return;
    const broken = farms.filter(({ kind, state }) => kind === "market data" && state === "broken");
    for (const line of lines.values()) {
      if (tws.state === "upstream_down") hold(line, "upstream", upstreamDown());
      else unhold(line, "upstream");
      const farm = broken.find(({ name }) => mayServe(name, line.contract));
      if (farm === undefined) unhold(line, "farm");
      else hold(line, "farm", farmBroken(farm.name));
    }
  };

  session.on(EventName.received, (tokens) => {
    const bid = bidSizeOf(tokens);
    if (bid !== null) change(bid.id, () => sizeChange(0, bid.size));
  });
  session.on(EventName.tickPrice, (id, tick, value) => change(id, () => priceChange(tick, value)));
  session.on(EventName.tickSize, (id, tick, value) => change(id, () => sizeChange(tick, value)));
  session.on(EventName.tickGeneric, (id, tick, value) => change(id, () => genericChange(tick, value)));
  session.on(
    EventName.tickOptionComputation,
    (id, tick, _basis, impliedVolatility, delta, _price, _dividend, gamma, vega, theta) =>
      change(id, (quote) => greeksChange(quote, tick, { impliedVolatility, delta, gamma, vega, theta })),
  );
  session.on(EventName.marketDataType, changeDataType);
  session.onNotice(takeNotice);
  session.onStatus(takeStatus);
  session.onConnected(() => reopenAll("TWS has begun a new session; changes in between were missed."));
  session.onDataLost(() => reopenAll("TWS lost its data connections; changes in between were missed."));
  session.onDisconnected(() => {
    for (const line of lines.values()) {
      release(line, false);
      line.holds.clear();
      hold(line, "session", offline());
    }
  });

  const watch = (contract: Contract, listener: Watcher): (() => void) => {
    const watcher: Watcher = (event) => listener(event);
    const known = lines.get(contract.conId);
    const line = known ?? newLine(contract);
    line.watchers.add(watcher);
    if (known === undefined) {
      lines.set(contract.conId, line);
      if (isUp()) open(line);
      else hold(line, "session", offline());
    } else {
      // the newcomer alone is told how things stand
      if (line.state !== null) watcher(line.state);
      if (line.quote.time !== null) watcher({ kind: "quote", quote: line.quote });
    }
    return () => {
      line.watchers.delete(watcher);
      if (line.watchers.size > 0 || lines.get(contract.conId) !== line) return;
      lines.delete(contract.conId);
      release(line, true);
    };
  };

  return {
    watch,
    async snapshot(contract, context) {
      if (session.status().tws.state === "upstream_down") throw upstreamDown();
      const known = lines.get(contract.conId)?.quote.time ?? null;
      // an open line is silent when nothing happens and when TWS hangs; its value is only given once TWS has answered
      if (known !== null && Date.now() - Date.parse(known) > freshMs) {
        await currentTime(session, { ...context, timeoutMs: Math.min(context.timeoutMs, aliveWithinMs) });
      }
      const remarkOn = ({ conId }: Contract): TwsError | null => lines.get(conId)?.remark ?? null;
      return takeSnapshot({ watch, remarkOn }, contract, context, times);
    },
    lines: () => byReqId.size,
  };
}

function newLine(contract: Contract): Line {
  return {
    contract,
    watchers: new Set(),
    holds: new Map(),
    quote: emptyQuote,
    state: null,
    reqId: null,
    isWritten: false,
    remark: null,
    retry: null,
  };
}

function isEqualAt(key: string, a: Quote, b: Quote): boolean {
  const isField = (name: string): name is keyof Quote => Object.hasOwn(a, name);
  return isField(key) && a[key] === b[key];
}

function upstreamDown(): TwsError {
  return new TwsError("tws_upstream_down", "TWS is running but has lost its connection to IBKR.");
}

function farmBroken(name: string): TwsError {
  return new TwsError("tws_upstream_down", `TWS has lost its connection to the market data farm ${name}.`);
}
