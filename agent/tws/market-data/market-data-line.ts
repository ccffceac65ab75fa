import type { Contract } from "../../../shared/contract.ts";
import type { TwsError } from "../../../shared/errors.ts";
import { type Condition, emptyQuote, type Quote } from "../../../shared/events.ts";
import type { QuoteEvent } from "../session/api.ts";
import { type Listening, newListening, type SilenceTimes } from "./stall-detector.ts";

/** Why nothing new can come on a line for now. */
export type Hold = "session" | "upstream" | "farm" | "refused" | "silence";

interface Held {
  readonly condition: Condition;
  readonly error: TwsError;
}

export type Watcher = (event: QuoteEvent) => void;

/** One market-data line at TWS, and everyone who watches it. */
export interface Line extends Listening {
  readonly watchers: Set<Watcher>;
  readonly holds: Map<Hold, Held>;
  quote: Quote;
  /** Null until the first tick. */
  state: (QuoteEvent & { readonly kind: "state" }) | null;
  /** Belongs to the connection of now; null while nothing is asked of TWS. */
  reqId: number | null;
  isWritten: boolean;
  remark: TwsError | null;
  retry: NodeJS.Timeout | null;
}

export function newLine(contract: Contract, times: SilenceTimes): Line {
  return {
    ...newListening(contract, times),
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
