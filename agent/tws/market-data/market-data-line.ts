import type { Contract } from "../../../shared/contract.ts";
import type { TwsError } from "../../../shared/errors.ts";
import { type Condition, emptyQuote, type Quote } from "../../../shared/events.ts";
import type { QuoteEvent } from "../session/api.ts";
import { type MonitoredLine, newMonitoredLine, type StallTimes } from "./stall-detector.ts";

/** Why nothing new can come on a line for now. */
export type SuspensionCause = "session" | "upstream" | "farm" | "refused" | "stall";

interface Suspension {
  readonly condition: Condition;
  readonly error: TwsError;
}

export type Watcher = (event: QuoteEvent) => void;

/** One market-data line at TWS, and everyone who watches it. */
export interface MarketDataLine extends MonitoredLine {
  readonly watchers: Set<Watcher>;
  readonly suspensions: Map<SuspensionCause, Suspension>;
  quote: Quote;
  /** Null until the first tick. */
  state: (QuoteEvent & { readonly kind: "state" }) | null;
  /** Belongs to the connection of now; null while nothing is asked of TWS. */
  reqId: number | null;
  isWritten: boolean;
  notice: TwsError | null;
  retry: NodeJS.Timeout | null;
}

export function newMarketDataLine(contract: Contract, times: StallTimes): MarketDataLine {
  return {
    ...newMonitoredLine(contract, times),
    watchers: new Set(),
    suspensions: new Map(),
    quote: emptyQuote,
    state: null,
    reqId: null,
    isWritten: false,
    notice: null,
    retry: null,
  };
}
