import type { Contract } from "../../../shared/contract.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { resolveDetails } from "../contracts/contracts.ts";
import { type TradingHours, tradesAt, tradingHoursOf } from "../contracts/trading-hours.ts";

export interface StallTimes {
  readonly sweepMs: number;
  /** A line that says nothing for so long in trading hours is asked for again. */
  readonly patienceMs: number;
  /** Doubled for a line that turned out to be quiet, not dead, up to this. */
  readonly longestPatienceMs: number;
  /** TWS begins a line with all that it has, at once. */
  readonly answerMs: number;
}

export const usualStallTimes: StallTimes = {
  sweepMs: 1_000,
  patienceMs: 30_000,
  longestPatienceMs: 2 * 60_000,
  answerMs: 5_000,
};

/** What the stall detector of a line needs to know of it. */
export interface MonitoredLine {
  readonly contract: Contract;
  /** When anything came on it. */
  receivedAt: number;
  patienceMs: number;
  /** When TWS was asked for it; null once it has answered. */
  askedAt: number | null;
  /** It was asked for again because nothing came. */
  isAskedAgain: boolean;
  /** Nothing came then either. */
  isDead: boolean;
  /** Null until TWS has told them. */
  hours: TradingHours | null;
}

export const newMonitoredLine = (contract: Contract, times: StallTimes): MonitoredLine => ({
  contract,
  receivedAt: Date.now(),
  patienceMs: times.patienceMs,
  askedAt: null,
  isAskedAgain: false,
  isDead: false,
  hours: null,
});

/** Notes that something came. A line that talks by itself is not to be waited for as long as a quiet one. */
export function markReceived(line: MonitoredLine, times: StallTimes): void {
  const now = Date.now();
  if (line.askedAt === null && now - line.receivedAt < times.patienceMs) line.patienceMs = times.patienceMs;
  line.receivedAt = now;
}

interface StallDetectorOptions<Line extends MonitoredLine> {
  readonly session: TwsSession;
  readonly times: StallTimes;
  /** The clock by which markets open and close, in Unix milliseconds. */
  readonly now: () => number;
  /** Those on which something should come. */
  readonly lines: () => Iterable<Line>;
  /** Asks TWS for the line again, under a new id. */
  readonly askAgain: (line: Line) => void;
  /** It has been asked for again, and still nothing came. */
  readonly onStalled: (line: Line) => void;
}

/**
 * Finds lines that have died while TWS claims that all is well. Only what TWS begins a line with can tell a dead line
 * from a quiet market, so a line that says nothing in trading hours is asked for again: if it answers it was quiet, and
 * is waited for twice as long the next time. Returns the way to stop.
 */
export function startStallDetector<Line extends MonitoredLine>(
  options: StallDetectorOptions<Line>,
): () => void {
  const { session, times, lines, askAgain, onStalled } = options;
  const marketTime = options.now;

  const look = (line: Line, now: number): void => {
    const { askedAt } = line;
    if (askedAt !== null && line.receivedAt >= askedAt) return answered(line);
    if (now - (askedAt ?? line.receivedAt) < waitMs(line)) return;
    if (!isTrading(line)) return;
    if (askedAt !== null && !line.isDead) {
      line.isDead = true;
      return onStalled(line);
    }
    // each time it is waited for longer, so that a hundred dead lines are no storm
    if (line.isDead) line.patienceMs = Math.min(line.patienceMs * 2, times.longestPatienceMs);
    line.isAskedAgain = true;
    askAgain(line);
  };

  const waitMs = ({ askedAt, isDead, patienceMs }: Line): number =>
    askedAt === null || isDead ? patienceMs : times.answerMs;

  const answered = (line: Line): void => {
    line.askedAt = null;
    line.isDead = false;
    if (line.isAskedAgain) line.patienceMs = Math.min(line.patienceMs * 2, times.longestPatienceMs);
    line.isAskedAgain = false;
  };

  /** Unknown hours are asked for, and count as closed until they are known. */
  const isTrading = (line: Line): boolean => {
    const now = marketTime();
    const trades = line.hours === null ? null : tradesAt(line.hours, now);
    if (trades !== null) return trades;
    line.hours = closedFor(now + times.patienceMs);
    void askHours(line, now);
    return false;
  };

  const askHours = async (line: Line, now: number): Promise<void> => {
    const context: RequestContext = { timeoutMs: 10_000, signal: new AbortController().signal };
    // one that fails is tried again at a later look
    const details = await resolveDetails(session, { conId: line.contract.conId }, context).catch(() => null);
    if (details === null) return;
    const { tradingHours, timeZoneId } = details;
    line.hours = tradingHoursOf(tradingHours, timeZoneId) ?? closedFor(now + hoursAgainMs);
  };

  const timer = setInterval(() => {
    const now = Date.now();
    for (const line of lines()) look(line, now);
  }, times.sweepMs);
  timer.unref();
  return () => clearInterval(timer);
}

const hoursAgainMs = 3_600_000;
const closedFor = (until: number): TradingHours => ({ sessions: [], knownUntil: until });
