import type { IBApi } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import type { TwsError } from "../../../shared/errors.ts";
import type { Condition, Quote } from "../../../shared/events.ts";
import type { SessionStatus } from "../../../shared/status.ts";
import type { TwsEventName, TwsEvents } from "./event-types.ts";

/** Which requests go first when the rate limit makes some wait. */
export type Lane =
  | "cancel"
  | "order"
  /** Ends a request or a subscription. It frees a place at TWS, so that it goes before all that takes one. */
  | "release"
  | "account"
  | "data";

/** Until when, and for whom, a request to TWS runs. */
export interface RequestContext {
  readonly timeoutMs: number;
  /** Aborted when the caller has left: the request is then cancelled at TWS too. */
  readonly signal: AbortSignal;
}

/** An error or notice of TWS about one request or order; `text` is TWS's own. */
export interface TwsNotice {
  readonly id: number;
  readonly code: number;
  readonly text: string;
}

/** What a running request may do. */
export interface RequestControl<T> {
  readonly reqId: number;
  resolve(value: T): void;
  reject(error: unknown): void;
}

export interface RequestSpec<T> {
  readonly lane: Lane;
  /** For messages to people: "historical data of AAPL". */
  readonly what: string;
  /** Sends the request on this very connection. */
  start(ib: IBApi, reqId: number, control: RequestControl<T>): void;
  /** Withdraws it at TWS; called when the request ends by timeout or abort, and at success if `cancelAfter`. */
  cancel?(ib: IBApi, reqId: number): void;
  readonly cancelAfter?: boolean;
  /** A list of orders, which a TWS whose API is read-only refuses without saying which. */
  readonly isOfOrders?: boolean;
  /**
   * The events of the library that feed the request; each gets the control and the event's arguments. Events that
   * carry a request id arrive only if it is this request's; the others arrive whoever asked for them.
   */
  readonly on: {
    readonly [E in TwsEventName]?: (control: RequestControl<T>, ...args: TwsEvents[E]) => void;
  };
  /** Notices with this request's id that are not plain failures; true when handled. */
  notice?(notice: TwsNotice, control: RequestControl<T>): boolean;
}

/**
 * The agent's session with TWS. It connects and reconnects for ever by itself; every request fails at once with
 * `tws_offline` while there is no session, and nothing is ever kept for later.
 */
export interface TwsSession {
  status(): SessionStatus;
  /** Rises by one with each session that TWS accepted; 0 before the first. */
  readonly connection: number;
  readonly clientId: number;
  /** The account ids TWS reported; empty before the first session. */
  accounts(): readonly string[];
  /** The zone of the clock of TWS's own machine, for times that name none; null where it cannot be told. */
  zone(): string | null;
  /**
   * Resolves when requests are answered; rejects after `timeoutMs` with tws_offline, or tws_upstream_down when TWS is
   * there but has lost IBKR, and at once when stopped.
   */
  whenConnected(timeoutMs: number): Promise<void>;
  request<T>(spec: RequestSpec<T>, context: RequestContext): Promise<T>;
  /**
   * What TWS shall send at best: 1 live, 2 the last quote of a closed market, 3 delayed, 4 both of the last two. For all
   * quotes asked for from now on, on this and every later connection.
   */
  setMarketDataType(type: 1 | 2 | 3 | 4): Promise<void>;
  /** An id for a subscription that lives outside `request`; never given twice in this process. */
  nextRequestId(): number;
  /** Writes one message under the rate limit on the connection of now; rejects if that ends before it is written. */
  send(lane: Lane, action: (ib: IBApi) => void): Promise<void>;
  /** Listens on this and every later connection. A listener that throws is logged and harms nobody. */
  on<E extends TwsEventName>(event: E, listener: (...args: TwsEvents[E]) => void): () => void;
  /** Notices whose id belongs to no running request: orders (id below the request ids), streams, the system (-1). */
  onNotice(listener: (notice: TwsNotice) => void): () => void;
  onStatus(listener: (status: SessionStatus) => void): () => void;
  /** A session has begun (accounts and nextValidId are known) or has ended. */
  onConnected(listener: (nextValidId: number) => void): () => void;
  onDisconnected(listener: () => void): () => void;
  /** 1101: TWS has forgotten every data subscription of this session. */
  onDataLost(listener: () => void): () => void;
  /** ibkr_disconnect and ibkr_connect. */
  stop(): void;
  resume(): void;
  /** Ends the session for good. */
  close(): Promise<void>;
}

export type QuoteEvent =
  | { readonly kind: "quote"; readonly quote: Quote }
  | ({
      readonly kind: "state";
      /** Why it ended or went stale, as a caller may be told; null when live or a gap. */
      readonly error: TwsError | null;
    } & Condition);

/** Live quotes: one market-data line for each instrument, however many watch it. */
export interface QuoteStreams {
  /** The latest quote comes at once when there is one, then every change. Returns the way to stop watching. */
  watch(contract: Contract, listener: (event: QuoteEvent) => void): () => void;
  /**
   * The quote of now: waits until it is complete, or until TWS has no more to say of it. Throws no_market_data,
   * unknown_contract, pacing (no line is free), tws_offline, timeout (nothing came) or cancelled.
   */
  snapshot(
    contract: Contract,
    context: RequestContext,
  ): Promise<{ readonly quote: Quote; readonly asOf: string }>;
  /** For the checks of orders: where no line is free, one of those that somebody only looks at gives way. */
  readonly forChecks: Pick<QuoteStreams, "snapshot">;
  /** Market-data lines open at TWS. */
  lines(): number;
}
