import { EventName, IBApiTickType as TickType } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import { conditionOf, emptyQuote, live } from "../../../shared/events.ts";
import type { Condition, Quote, StreamReason } from "../../../shared/events.ts";
import type { SessionStatus } from "../../../shared/status.ts";
import { currentTime } from "../account/account.ts";
import type { QuoteEvent, QuoteStreams, RequestContext, TwsNotice, TwsSession } from "../session/api.ts";
import type { Log } from "../../process/log.ts";
import { forgetContract } from "../contracts/contracts.ts";
import { meaningOf, twsErrorFor, upstreamDown, waitReasonOf } from "../session/errors.ts";
import { mayServe } from "../session/data-farms.ts";
import {
  type SuspensionCause,
  type MarketDataLine,
  newMarketDataLine,
  type Watcher,
} from "./market-data-line.ts";
import { markReceived, type StallTimes, usualStallTimes, startStallDetector } from "./stall-detector.ts";
import { takeSnapshot } from "./snapshot.ts";
import type { SnapshotTimes } from "./snapshot.ts";
import {
  dataTypeChange,
  genericChange,
  genericTicksOf,
  greeksChange,
  openInterestChange,
  priceChange,
  sentWith,
  sizeBeside,
  sizeChange,
  tradeTimeChange,
} from "./ticks.ts";
import type { QuoteChange } from "./ticks.ts";
import { contractToTws } from "../contracts/translate.ts";

interface QuoteTimes extends SnapshotTimes, StallTimes {
  /** TWS sends nothing more on a line that it gave to another session (10197), also when that session ends. */
  readonly competingRetryMs: number;
  /** Lines come free at once when one of ours ends; those of other clients end without a word. */
  readonly exhaustedRetryMs: number;
  readonly refusedRetryMs: number;
}

const usualTimes: QuoteTimes = {
  quietMs: 2_500,
  restMs: 60,
  longestMs: 11_000,
  competingRetryMs: 60_000,
  exhaustedRetryMs: 15_000,
  refusedRetryMs: 2_000,
  ...usualStallTimes,
};

/** A value so young needs no proof that TWS still lives. */
const freshMs = 1_000;
const aliveWithinMs = 3_000;

interface QuoteStreamsOptions {
  readonly log: Log;
  /** The clock by which markets open and close, in Unix milliseconds; the machine's by default. */
  readonly now?: () => number;
  readonly times?: Partial<QuoteTimes>;
}

export function createQuoteStreams(session: TwsSession, options: QuoteStreamsOptions): QuoteStreams {
  const { log } = options;
  const times = { ...usualTimes, ...options.times };
  /** By conId: everyone who watches an instrument shares its line. */
  const lines = new Map<number, MarketDataLine>();
  const byReqId = new Map<number, MarketDataLine>();
  /** By conId: how many checks of orders wait for a price. */
  const checks = new Map<number, number>();

  const isUp = (): boolean => {
    const { state } = session.status().tws;
    return state === "connected" || state === "upstream_down";
  };
  const offline = (): TwsError => new TwsError("tws_offline", "There is no session with TWS.");

  const emit = (line: MarketDataLine, event: QuoteEvent): void => {
    for (const watcher of line.watchers) {
      try {
        watcher(event);
      } catch (error) {
        log.error("tws.watcher_failed", { conId: line.contract.conId, error });
      }
    }
  };

  const setState = (line: MarketDataLine, condition: Condition, error: TwsError | null): void => {
    line.state = { kind: "state", ...condition, error };
    emit(line, line.state);
  };

  /** The first reason is the one that is emitted, until it is over. */
  const emitSuspension = (line: MarketDataLine): void => {
    const [first] = line.suspensions.values();
    if (first === undefined || line.state?.reason === first.condition.reason) return;
    setState(line, first.condition, first.error);
  };

  const suspend = (
    line: MarketDataLine,
    why: SuspensionCause,
    reason: StreamReason,
    error: TwsError,
  ): void => {
    line.suspensions.set(why, { condition: conditionOf(reason, error.message), error });
    emitSuspension(line);
  };

  /** TWS kept the line and sends what has changed meanwhile; what it does not send soon is as it was. */
  const resume = (line: MarketDataLine, why: SuspensionCause, returned: StreamReason): void => {
    if (!line.suspensions.delete(why)) return;
    if (line.suspensions.size > 0) return emitSuspension(line);
    setState(line, conditionOf(returned), null);
    const { state } = line;
    setTimeout(() => {
      if (line.state === state) setState(line, live, null);
    }, times.answerMs).unref();
  };

  const open = (line: MarketDataLine): void => {
    const reqId = session.nextRequestId();
    line.reqId = reqId;
    line.isWritten = false;
    line.notice = null;
    byReqId.set(reqId, line);
    const isWanted = (): boolean => line.reqId === reqId;
    session
      .send("data", (ib) => {
        if (!isWanted()) return;
        line.isWritten = true;
        line.askedAt = Date.now();
        ib.reqMktData(
          reqId,
          contractToTws(line.contract),
          genericTicksOf(line.contract.secType),
          false,
          false,
        );
      })
      .catch((error: unknown) => {
        // the end of a connection has taken the id from the line already; this is a full queue
        if (!isWanted()) return;
        release(line, false);
        retryLater(line, "pacing", error instanceof TwsError ? error : offline());
      });
  };

  const release = (line: MarketDataLine, cancelAtTws: boolean): void => {
    if (line.retry !== null) clearTimeout(line.retry);
    line.retry = null;
    const { reqId } = line;
    if (reqId === null) return;
    line.reqId = null;
    byReqId.delete(reqId);
    if (cancelAtTws && line.isWritten)
      session
        .send("release", (ib) => ib.cancelMktData(reqId))
        .then(lineIsFree)
        .catch((error: unknown) => {
          // with the connection the line has ended too
          if (isUp()) log.warn("tws.cancel_not_sent", { reqId, error });
        });
  };

  const retryLater = (line: MarketDataLine, reason: StreamReason, error: TwsError): void => {
    suspend(line, "refused", reason, error);
    line.retry = setTimeout(() => retryNow(line), retryMs(reason));
  };

  const retryNow = (line: MarketDataLine): void => {
    if (line.retry !== null) clearTimeout(line.retry);
    line.retry = null;
    if (line.watchers.size > 0 && line.reqId === null && isUp()) open(line);
  };

  const retryMs = (reason: StreamReason): number => {
    switch (reason) {
      case "competing_session":
        // not all of them at once
        return (times.competingRetryMs * (1 + Math.random())) / 2;
      case "lines_exhausted":
        return times.exhaustedRetryMs;
      default:
        return times.refusedRetryMs;
    }
  };

  /** Whoever has waited longest for a line gets it. */
  const lineIsFree = (): void => {
    for (const line of lines.values()) {
      if (line.retry === null || line.state?.reason !== "lines_exhausted") continue;
      return retryNow(line);
    }
  };

  const isChecked = ({ contract: { conId } }: MarketDataLine): boolean => checks.has(conId);

  /** Gives the line of somebody who only looks to a check that has none; the one asked for last, as far as there is one. */
  const evictFor = (line: MarketDataLine): boolean => {
    const evicted = [...byReqId.values()].findLast((one) => one.isWritten && one !== line && !isChecked(one));
    if (evicted === undefined) return false;
    release(line, false);
    line.suspensions.delete("refused");
    release(evicted, true);
    // before anybody who waits hears that a line is free
    open(line);
    retryLater(evicted, "lines_exhausted", neededByCheck(evicted.contract));
    return true;
  };

  const finish = (line: MarketDataLine, error: TwsError): void => {
    // a line that ticked is open at TWS for all we know; one that never did was refused
    release(line, line.quote.time !== null);
    forget(line);
    setState(line, conditionOf("refused", error.message), error);
    line.watchers.clear();
  };

  const receive = (reqId: number): MarketDataLine | undefined => {
    const line = byReqId.get(reqId);
    if (line !== undefined) markReceived(line, times);
    return line;
  };

  const change = (reqId: number, made: (quote: Quote) => QuoteChange): void => {
    const line = receive(reqId);
    if (line === undefined) return;
    const before = line.quote;
    const changes = made(before);
    if (changes === null) return;
    const time = new Date().toISOString();
    const quote = { ...before, ...changes, ...sentWith(changes, time), time };
    const isNews = !Object.keys(changes).every((key) => isEqualAt(key, before, quote));
    if (line.isAskedAgain && (isNews || line.isDead)) {
      line.isAskedAgain = false;
      setState(line, conditionOf("line_reopened"), null);
    }
    line.suspensions.clear();
    // first the value, so that nobody takes the one of before for a live one
    if (isNews) {
      line.quote = quote;
      emit(line, { kind: "quote", quote });
    }
    if (line.state?.state !== "live") setState(line, live, null);
  };

  /** Comes before the first tick of a line, and is no tick by itself: the prices may still be those of before. */
  const changeDataType = (reqId: number, type: number): void => {
    const line = receive(reqId);
    if (line === undefined) return;
    const isBeginning = line.quote.time === null || line.askedAt !== null;
    if (isBeginning) line.quote = { ...line.quote, ...dataTypeChange(type) };
    else change(reqId, () => dataTypeChange(type));
  };

  const takeNotice = (notice: TwsNotice): void => {
    const line = byReqId.get(notice.id);
    if (line === undefined) return;
    const { symbol, conId } = line.contract;
    const error = twsErrorFor(notice, symbol);
    const reason = waitReasonOf(notice);
    if (reason === "lines_exhausted" && isChecked(line) && evictFor(line)) return;
    if (reason !== null) {
      release(line, reason === "competing_session");
      return retryLater(line, reason, error);
    }
    switch (meaningOf(notice)) {
      case "advisory":
        line.notice = error;
        return;
      case "fatal":
        if (notice.code === 200) forgetContract(session, conId);
        return finish(line, error);
      default:
    }
  };

  /** TWS has forgotten every line: each is asked for again under a new id, and starts from nothing. */
  const reopenAll = (reason: StreamReason): void => {
    for (const line of lines.values()) {
      release(line, false);
      line.suspensions.clear();
      line.quote = emptyQuote;
      setState(line, conditionOf(reason), null);
      open(line);
    }
  };

  const takeStatus = ({ tws, farms }: SessionStatus): void => {
    if (tws.state !== "connected" && tws.state !== "upstream_down") return;
    const broken = farms.filter(({ kind, state }) => kind === "market data" && state === "broken");
    for (const line of lines.values()) {
      if (tws.state === "upstream_down") suspend(line, "upstream", "tws_upstream_down", upstreamDown());
      else resume(line, "upstream", "upstream_returned");
      const farm = broken.find(({ name }) => mayServe(name, line.contract));
      if (farm === undefined) resume(line, "farm", "farm_returned");
      else suspend(line, "farm", "farm_broken", farmBroken(farm.name));
    }
  };

  /** The size in the message that is being read. */
  let beside: ReturnType<typeof sizeBeside> = null;
  session.on(EventName.received, (tokens) => {
    beside = sizeBeside(tokens);
    const bid = beside?.tick === TickType.BID ? beside : null;
    if (bid !== null) change(bid.id, () => sizeChange(TickType.BID_SIZE, bid.size));
  });
  session.on(EventName.tickPrice, (id, tick, value) => {
    const size = beside?.id === id && beside.tick === tick ? beside.size : undefined;
    const secType = byReqId.get(id)?.contract.secType ?? "";
    change(id, () => priceChange(tick, value, { secType, size }));
  });
  session.on(EventName.tickSize, (id, tick, value) => {
    const right = byReqId.get(id)?.contract.right ?? null;
    change(id, () => sizeChange(tick, value) ?? openInterestChange(tick, value, right));
  });
  session.on(EventName.tickString, (id, tick, value) => change(id, () => tradeTimeChange(tick, value)));
  session.on(EventName.tickGeneric, (id, tick, value) => change(id, () => genericChange(tick, value)));
  session.on(
    EventName.tickOptionComputation,
    (id, tick, _basis, impliedVolatility, delta, _price, _dividend, gamma, vega, theta) =>
      change(id, (quote) => greeksChange(quote, tick, { impliedVolatility, delta, gamma, vega, theta })),
  );
  session.on(EventName.marketDataType, changeDataType);
  session.onNotice(takeNotice);
  session.onStatus(takeStatus);
  session.onConnected(() => reopenAll("new_session"));
  session.onDataLost(() => reopenAll("data_lost"));
  session.onDisconnected(() => {
    for (const line of lines.values()) {
      release(line, false);
      line.suspensions.clear();
      suspend(line, "session", "tws_offline", offline());
    }
  });
  session.on(EventName.tickReqParams, (reqId) => void receive(reqId));

  let stopListening: (() => void) | null = null;
  /** Only what should be talking is listened to. */
  const talking = (): MarketDataLine[] =>
    [...lines.values()].filter(
      ({ reqId, isWritten, suspensions }) =>
        reqId !== null &&
        isWritten &&
        (suspensions.size === 0 || (suspensions.size === 1 && suspensions.has("stall"))),
    );
  const listen = (): (() => void) =>
    startStallDetector({
      session,
      times,
      now: options.now ?? Date.now,
      lines: talking,
      askAgain(line) {
        release(line, true);
        open(line);
      },
      onStalled: (line) => suspend(line, "stall", "silent", stalled(line.contract)),
    });
  const forget = (line: MarketDataLine): void => {
    if (lines.get(line.contract.conId) === line) lines.delete(line.contract.conId);
    if (lines.size > 0) return;
    stopListening?.();
    stopListening = null;
  };

  const watch = (contract: Contract, listener: Watcher): (() => void) => {
    stopListening ??= listen();
    const watcher: Watcher = (event) => listener(event);
    const known = lines.get(contract.conId);
    const line = known ?? newMarketDataLine(contract, times);
    line.watchers.add(watcher);
    if (known === undefined) {
      lines.set(contract.conId, line);
      if (isUp()) open(line);
      else suspend(line, "session", "tws_offline", offline());
    } else {
      // the newcomer alone is told how things stand
      if (line.state !== null) watcher(line.state);
      if (line.quote.time !== null) watcher({ kind: "quote", quote: line.quote });
    }
    return () => {
      line.watchers.delete(watcher);
      if (line.watchers.size > 0 || lines.get(contract.conId) !== line) return;
      forget(line);
      release(line, true);
    };
  };

  const look = async (contract: Contract, context: RequestContext, restMs: number) => {
    if (session.status().tws.state === "upstream_down") throw upstreamDown();
    const known = lines.get(contract.conId)?.quote.time ?? null;
    // an open line is silent when nothing happens and when TWS hangs; its value is only given once TWS has answered
    if (known !== null && Date.now() - Date.parse(known) > freshMs) {
      await currentTime(session, { ...context, timeoutMs: Math.min(context.timeoutMs, aliveWithinMs) });
    }
    const noticeOn = ({ conId }: Contract): TwsError | null => lines.get(conId)?.notice ?? null;
    return takeSnapshot({ watch, noticeOn }, contract, context, { ...times, restMs });
  };

  const snapshot: QuoteStreams["snapshot"] = (contract, context) => look(contract, context, times.restMs);

  /** Counts as a check for as long as it waits. */
  const snapshotForCheck: QuoteStreams["snapshot"] = async (contract, context) => {
    const { conId } = contract;
    checks.set(conId, (checks.get(conId) ?? 0) + 1);
    const line = lines.get(conId);
    // somebody waits for a line of the same instrument: it is taken now, for the check as well
    if (line?.state?.reason === "lines_exhausted" && line.reqId === null && evictFor(line)) {
      setState(line, conditionOf("line_reopened"), null);
    }
    try {
      // a check needs the prices alone
      return await look(contract, context, 0);
    } finally {
      const left = (checks.get(conId) ?? 1) - 1;
      if (left > 0) checks.set(conId, left);
      else checks.delete(conId);
    }
  };

  return {
    watch,
    snapshot,
    forChecks: { snapshot: snapshotForCheck },
    lines: () => byReqId.size,
  };
}

function isEqualAt(key: string, a: Quote, b: Quote): boolean {
  const isField = (name: string): name is keyof Quote => Object.hasOwn(a, name);
  return isField(key) && a[key] === b[key];
}

function farmBroken(name: string): TwsError {
  return new TwsError("tws_upstream_down", `TWS has lost its connection to the market data farm ${name}.`);
}

function neededByCheck({ symbol }: Contract): TwsError {
  return new TwsError("pacing", `The market data line of ${symbol} was needed to check an order.`);
}

function stalled({ symbol }: Contract): TwsError {
  return new TwsError("timeout", `TWS says that all is well and sends no price of ${symbol}.`, {
    nextStep: "Ask the owner to look at TWS; the line is asked for again meanwhile.",
  });
}
