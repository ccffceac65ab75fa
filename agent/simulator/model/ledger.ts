import type { Action, Instrument } from "./instruments.ts";

export interface OrderRequest {
  readonly clientId: number;
  readonly orderId: number;
  readonly instrument: Instrument;
  /** The exchange the order is routed to, SMART included. */
  readonly routing: string;
  readonly action: Action;
  readonly quantity: number;
  readonly orderType: string;
  readonly limitPrice: number | null;
  readonly auxPrice: number | null;
  readonly tif: string;
  readonly outsideRth: boolean;
  readonly account: string;
  readonly transmit: boolean;
  readonly parentId: number;
  readonly ocaGroup: string;
  readonly ocaType: number;
  readonly orderRef: string;
  readonly whatIf: boolean;
  /** Every other field of placeOrder by its name, as text, to be echoed in openOrder. */
  readonly echo: Readonly<Record<string, string>>;
}

export type OrderStatus =
  | "PendingSubmit"
  | "PreSubmitted"
  | "Submitted"
  | "PendingCancel"
  | "Filled"
  | "Cancelled"
  | "Inactive";

export interface Order {
  readonly request: OrderRequest;
  readonly permId: number;
  readonly status: OrderStatus;
  readonly filled: number;
  readonly remaining: number;
  readonly avgFillPrice: number;
  readonly lastFillPrice: number;
  readonly whyHeld: string;
  /** Of all its fills so far; null before the first. */
  readonly commission: number | null;
  readonly warningText: string;
  /** Set when the order has ended. */
  readonly completedAt: number | null;
  /** As completedOrder words it: "Filled Size: 10", "Cancelled by Trader". */
  readonly completedStatus: string;
}

export interface Execution {
  readonly execId: string;
  readonly at: number;
  readonly order: Order;
  readonly exchange: string;
  readonly side: "BOT" | "SLD";
  readonly shares: number;
  readonly price: number;
  readonly cumQty: number;
  readonly avgPrice: number;
  readonly commission: number;
  readonly commissionCurrency: string;
  /** Null for a fill that opens or adds. */
  readonly realizedPnl: number | null;
}

export interface Position {
  readonly account: string;
  readonly instrument: Instrument;
  readonly quantity: number;
  /** TWS's average cost: for one unit, multiplier and commissions included. */
  readonly avgCost: number;
  readonly marketPrice: number;
  readonly marketValue: number;
  readonly unrealizedPnl: number;
  readonly realizedPnl: number;
}

export interface AccountValue {
  readonly key: string;
  readonly value: string;
  /** Empty for values that are not money. */
  readonly currency: string;
}

export interface MarginPreview {
  readonly initBefore: number;
  readonly maintBefore: number;
  readonly equityBefore: number;
  readonly initAfter: number;
  readonly maintAfter: number;
  readonly equityAfter: number;
  readonly commission: number;
  readonly commissionCurrency: string;
  readonly warningText: string;
}

export interface Pnl {
  readonly daily: number;
  readonly unrealized: number;
  readonly realized: number;
}

/** What the ledger tells the wire side, in the order a gateway would send it. */
export type LedgerEvent =
  /** Both openOrder and orderStatus go out. */
  | { readonly type: "order"; readonly order: Order }
  | { readonly type: "status"; readonly order: Order }
  /** An order made by hand has got an id of client 0. */
  | { readonly type: "bound"; readonly permId: number; readonly orderId: number }
  | { readonly type: "execution"; readonly execution: Execution }
  | { readonly type: "commission"; readonly execution: Execution }
  /** A refusal, a warning (399) or the confirmation 202; goes to the client of the order. */
  | {
      readonly type: "error";
      readonly clientId: number;
      readonly orderId: number;
      readonly code: number;
      readonly text: string;
    }
  | { readonly type: "preview"; readonly request: OrderRequest; readonly preview: MarginPreview }
  | { readonly type: "position"; readonly position: Position }
  | { readonly type: "account"; readonly account: string };

export interface Ledger {
  readonly accounts: readonly string[];
  /** Next unused order id of a client; ids below it that are not open orders are 103. */
  nextValidId(clientId: number): number;
  /** An order of this id is held back by a dialog, and is no duplicate when it is placed behind later ones. */
  expect(clientId: number, orderId: number): void;
  /** New order, or modification when (clientId, orderId) is an open order. Answers come as events. */
  place(request: OrderRequest): void;
  /** An order made in the window of TWS: of client 0, and without an order id until it is bound. */
  placeByHand(request: Omit<OrderRequest, "clientId" | "orderId">): void;
  /** Gives every working order made by hand an id of client 0. */
  bind(): void;
  /** Whether orders made by hand from now on are bound as they are made. */
  autoBind(on: boolean): void;
  /** Any client may cancel by order id; its own order wins. Answers come as events to that client. */
  cancel(clientId: number, orderId: number): void;
  cancelAll(clientId: number): void;
  /** The exchange corrects the price of a fill of today; false when there is none of that id. Told as events. */
  correct(execId: string, price: number): boolean;
  /** TWS turns down a working order long after it has taken it: an error under its id, and no status. */
  refuseLate(orderId: number, reason: string): boolean;
  /** Sets a working order Inactive for a reason such as `locate`; null wakes it. False when no such order works. */
  park(orderId: number, whyHeld: string | null): boolean;
  /** From now on the lists of ended orders and executions begin here. */
  beginDay(): void;
  /** All that there ever was, of every day, whatever its lists show; oldest first. */
  history(): { readonly orders: readonly Order[]; readonly executions: readonly Execution[] };
  openOrders(): readonly Order[];
  /** Today's ended orders, oldest first. */
  completedOrders(): readonly Order[];
  executions(): readonly Execution[];
  positions(): readonly Position[];
  accountValues(account: string): readonly AccountValue[];
  pnl(account: string): Pnl;
  pnlSingle(
    account: string,
    conId: number,
  ): (Pnl & { readonly position: number; readonly value: number }) | undefined;
  /** Matches working orders against the market as it is now. The server calls it about ten times a second. */
  advance(): void;
  /** Returns the way to stop listening. */
  listen(listener: (event: LedgerEvent) => void): () => void;
}
