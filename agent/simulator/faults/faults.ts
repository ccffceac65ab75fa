import { everything } from "./permissions.ts";
import type { Permissions } from "./permissions.ts";

import type { ListEndFault } from "./list-end-faults.ts";
import type { AlteredMessages } from "./altered-messages.ts";
import type { OrderFaults } from "./order-faults.ts";
import type { Reply, RequestKind } from "./scripted-replies.ts";
import { usualText } from "../wire/tws-texts.ts";

/** Data that keeps coming, by the kind of the request that began it. */
export type StreamKind = "marketData" | "marketDepth" | "tickByTick" | "realTimeBars" | "historicalData";

/** What can go wrong with a TWS, to be turned on and off while the simulator runs. */
export interface Faults {
  /** Cuts every connection, clients that are still shaking hands included. */
  dropConnections(): void;
  /** Stops listening, or listens again on the same port. Resolves when it is so. */
  refuse(on: boolean): Promise<void>;
  /** Accepts and reads, but neither acts nor answers: a half-open line. */
  mute(on: boolean): void;
  /** Delays the answer to each hello from now on; 0 ends it. */
  slowHello(delayMs: number): void;
  /**
   * Sends a system message to every client. 1100 and 2110 also stop the ticks; 1101 and 1102 start them again, and
   * 1101 forgets every market data and bar subscription. TWS's usual words if none are given.
   */
  announce(code: number, text?: string): void;
  /** Makes nextValidId lower than it should be by this much; 0 ends it. */
  rollbackNextValidId(by: number): void;
  /** Keeps the ids of clients that leave from now on taken for so long (326); 0 ends it. */
  ghostClients(forMs: number): void;
  /** What the account may see from now on; what is left out is allowed. Of data that flows already, `competing` alone ends any. */
  permissions(change: Partial<Permissions>): void;
  /** The setting "Read-Only API" of TWS: 321 for orders and their lists while it is on. */
  readOnly(on: boolean): void;
  /** 317: every book of market depth starts anew. */
  resetDepth(): void;
  /**
   * Quote lines of these symbols die without a word while every farm claims to be well. A line asked for anew talks
   * again, unless `forGood`; `[]` ends it for lines to come.
   */
  silence(symbols: readonly string[], forGood?: boolean): void;
  /** What TWS says to every request of a kind from now on, instead of the answer or ahead of it; null ends it. */
  reply(kind: RequestKind, reply: Reply | null): void;
  /**
   * Ends what is streaming, with an error under each stream's id: 316 for books, 10225 for bars, 10197 for quotes that
   * another session of the login has taken. TWS's usual words if none are given.
   */
  endStreams(kind: StreamKind, code: number, text?: string): void;
  /** What goes wrong with the ends of lists from now on; `{}` ends it. */
  listEnds(fault: ListEndFault): void;
  /** Messages end too early, or have other values, from now on; `{}` ends it. */
  alter(messages: AlteredMessages): void;
  /** What goes wrong with orders from now on; `{}` ends it. */
  orders(faults: OrderFaults): void;
  /**
   * The exchange corrects the price of a fill: its clients hear of the execution again, under the next version of its
   * id. False when there is no such fill of today.
   */
  correctExecution(execId: string, price: number): boolean;
  /** A working order is refused long after it was taken: 201 under its id, without a status. False when none works. */
  refuseLate(orderId: number, reason: string): boolean;
  /** Parks a working order as Inactive for this reason; null wakes it. False when none works. */
  park(orderId: number, whyHeld: string | null): boolean;
  /** Somebody makes an order in the window of TWS: at the market, or with a limit. False for an unknown symbol. */
  placeByHand(order: HandMadeOrder): boolean;
  /** Somebody answers the dialogs that hold orders (see `dialog` of `orders`): takes them all, or none. */
  answerDialogs(isAccepted: boolean): void;
  /** A new day begins for the lists of ended orders and fills: what is older they do not show any more. */
  beginDay(): void;
  /** The daily restart: everyone is cut off and all subscriptions are gone. */
  restart(): void;
}

/** In the first account, of a stock, for today. */
export interface HandMadeOrder {
  readonly action: "BUY" | "SELL";
  readonly quantity: number;
  readonly symbol: string;
  readonly limitPrice?: number;
}

export interface FaultState {
  muted: boolean;
  helloDelayMs: number;
  upstreamLost: boolean;
  nextValidIdRollback: number;
  ghostMs: number;
  isReadOnly: boolean;
  permissions: Permissions;
}

export function noFaults(): FaultState {
  return {
    muted: false,
    helloDelayMs: 0,
    upstreamLost: false,
    nextValidIdRollback: 0,
    ghostMs: 0,
    isReadOnly: false,
    permissions: everything,
  };
}

/** What the server lets the faults do to it. */
export interface FaultTargets {
  readonly state: FaultState;
  dropAll(): void;
  listen(on: boolean): Promise<void>;
  broadcast(code: number, text: string): void;
  forgetData(): void;
  setListEnds(fault: ListEndFault): void;
  setAlteredMessages(messages: AlteredMessages): void;
  setOrderFaults(faults: OrderFaults): void;
  correctExecution(execId: string, price: number): boolean;
  refuseLate(orderId: number, reason: string): boolean;
  park(orderId: number, whyHeld: string | null): boolean;
  placeByHand(order: HandMadeOrder): boolean;
  answerDialogs(isAccepted: boolean): void;
  beginDay(): void;
  resetDepth(): void;
  silence(symbols: readonly string[], forGood: boolean): void;
  setReply(kind: RequestKind, reply: Reply | null): void;
  endStreams(kind: StreamKind, code: number, text: string | null): void;
}

export function createFaults(targets: FaultTargets): Faults {
  const { state } = targets;
  return {
    dropConnections: () => targets.dropAll(),
    refuse: (on) => targets.listen(!on),
    mute(on) {
      state.muted = on;
    },
    slowHello(delayMs) {
      state.helloDelayMs = delayMs;
    },
    announce(code, text) {
      if (code === 1100 || code === 2110) state.upstreamLost = true;
      if (code === 1101 || code === 1102) state.upstreamLost = false;
      if (code === 1101) targets.forgetData();
      targets.broadcast(code, text ?? usualText(code));
    },
    rollbackNextValidId(by) {
      state.nextValidIdRollback = by;
    },
    ghostClients(forMs) {
      state.ghostMs = forMs;
    },
    permissions(change) {
      state.permissions = { ...everything, ...change };
    },
    readOnly(on) {
      state.isReadOnly = on;
    },
    resetDepth: () => targets.resetDepth(),
    silence: (symbols, forGood = false) => targets.silence(symbols, forGood),
    reply: (kind, reply) => targets.setReply(kind, reply),
    endStreams: (kind, code, text) => targets.endStreams(kind, code, text ?? null),
    listEnds: (fault) => targets.setListEnds(fault),
    alter: (messages) => targets.setAlteredMessages(messages),
    orders: (faults) => targets.setOrderFaults(faults),
    correctExecution: (execId, price) => targets.correctExecution(execId, price),
    refuseLate: (orderId, reason) => targets.refuseLate(orderId, reason),
    park: (orderId, whyHeld) => targets.park(orderId, whyHeld),
    placeByHand: (order) => targets.placeByHand(order),
    answerDialogs: (isAccepted) => targets.answerDialogs(isAccepted),
    beginDay: () => targets.beginDay(),
    restart() {
      state.upstreamLost = false;
      targets.dropAll();
    },
  };
}
