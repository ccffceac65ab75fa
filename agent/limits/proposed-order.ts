import type { PendingApproval } from "../../shared/approval.ts";
import type { Order } from "../../shared/order.ts";
import type { RequestContext } from "../tws/session/api.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import type { Usage } from "../journal/usage.ts";
import type { PriceTerms } from "./worst-price.ts";

/** An order that is to be sent, or sent anew with changes. */
export interface ProposedOrder {
  readonly spec: OrderSpec;
  /** The working order that it changes; null for a new one. */
  readonly changes: Order | null;
  /**
   * A bracket's take profit or stop loss. As far as it only closes what its entry has opened, it is worth nothing by
   * itself, and may be as far from the market as it likes.
   */
  readonly isExit: boolean;
}

/** Units that an exit would open, since there is less to be closed than it trades. */
export interface Opening {
  readonly terms: PriceTerms & Pick<OrderSpec, "contract">;
  readonly quantity: number;
}

/** A proposed order, with what it would open as an exit, or leaves its exits to open as their entry. */
export interface CheckedOrder extends ProposedOrder {
  readonly openings: readonly Opening[];
}

/** What orders come to that were found to be within the limits of a single order. */
export interface Assessment {
  readonly account: string;
  /** New orders among them. */
  readonly orders: number;
  /** All of them, changes too: each is a message of the minute. */
  readonly messages: number;
  /**
   * What they trade together, in the account's currency: for a change, what it adds. Null where it is not known, which
   * is only so while no limit needs it.
   */
  readonly value: number | null;
  /**
   * As `value`, but a change that adds anything counts with all that its order then comes to. Null also where an order
   * that only reduces a position was let through without a price.
   */
  readonly wholeValue: number | null;
  /** The account's currency; null as `value` is. */
  readonly currency: string | null;
  /** For people: "about 1,805.00 USD"; empty where it is not known. */
  readonly valueText: string;
  /** What each of the orders comes to by itself, in their turn: for a basket whose orders are reserved one by one. */
  readonly parts: readonly Assessment[];
}

/** What the owner is shown of orders beside their terms. */
export type OrderPricing = Pick<PendingApproval, "value" | "quotes">;

/** What a preview tells of the limits, none of which it holds anybody to. */
export interface LimitReport {
  /** Of the order, in words; "not known" where it is not. */
  readonly value: string;
  /** Each limit that is set, by its variable. */
  readonly limits: readonly {
    readonly name: string;
    readonly limit: string;
    readonly asked: string;
    readonly ok: boolean;
  }[];
  /** Why it needs the owner's approval; null when it does not. */
  readonly approval: string | null;
}

/** The owner's limits, as they bear on orders. Nothing that comes over the wire changes them. */
export interface LimitGuard {
  /**
   * Holds each order to the limits of one order, and says what they come to. Throws trading_refused, with the limit, its
   * value and the order's; the offline errors and timeout when a limit needs a price or a rate that cannot be had.
   */
  assess(orders: readonly ProposedOrder[], context: RequestContext): Promise<Assessment>;
  /** Checks daily, per-minute and per-account limits; runs inside the reserving transaction. */
  requireHeadroom(assessment: Assessment, usage: Usage): void;
  /** When the day of the limits began, in Unix milliseconds. */
  dayBegan(): number;
  /** From when on what a grant has placed without approval counts for APPROVAL_ABOVE, in Unix milliseconds. */
  approvalSince(): number;
  /** Why these orders need the owner's approval; null when they do not. `unapproved` was placed without it before. */
  approvalReason(assessment: Assessment, unapproved: number): string | null;
  /** Throws trading_refused when orders that needed no approval need it now: others were placed meanwhile. */
  requireUnapproved(assessment: Assessment, unapproved: number): void;
  /** What the owner is shown of the prices and the value of orders. Throws only cancelled and the offline errors. */
  price(orders: readonly ProposedOrder[], context: RequestContext): Promise<OrderPricing>;
  /** How the orders of a grant stand to every limit that is set. Throws only cancelled and the offline errors. */
  describe(orders: readonly ProposedOrder[], grantId: string, context: RequestContext): Promise<LimitReport>;
}
