import type { IBApi } from "@stoqey/ib";
import { TwsError } from "../../../shared/errors.ts";
import type { Order } from "../../../shared/order.ts";
import type { Lane, TwsNotice, TwsSession } from "../session/api.ts";
import type { Executions } from "./executions.ts";
import type { OrderEvents } from "./order-events.ts";
import type { createOrderIds } from "./order-ids.ts";
import type { OrderRecord, OrderRecords } from "./order-records.ts";
import type { OrderRefresh } from "./order-refresh.ts";
import { requestExecutions } from "./order-requests.ts";
import type { OrderSpec } from "./order-wire.ts";

export interface OrderTimes {
  /** TWS acknowledges in milliseconds; after this long the order is probed for instead. */
  readonly ackMs: number;
  /** A market order is usually filled within this. */
  readonly fillMs: number;
  /** Other orders show their first state within this. */
  readonly settleMs: number;
  /** A refusal and the order's own state may arrive in either order. */
  readonly afterRefusalMs: number;
  /** How long to wait for the commission report after a fill. */
  readonly commissionMs: number;
  /** How long a bracket waits for a session that was lost while it was sent. */
  readonly backWithinMs: number;
  /** One list of TWS. */
  readonly listMs: number;
}

export const usualOrderTimes: OrderTimes = {
  ackMs: 5_000,
  fillMs: 1_500,
  settleMs: 300,
  afterRefusalMs: 1_000,
  commissionMs: 500,
  backWithinMs: 8_000,
  listMs: 4_000,
};

/** Dependencies of placing, changing and cancelling. */
export interface OrderContext {
  readonly session: TwsSession;
  readonly records: OrderRecords;
  readonly executions: Executions;
  readonly ids: ReturnType<typeof createOrderIds>;
  readonly events: OrderEvents;
  readonly lists: OrderRefresh;
  readonly times: OrderTimes;
}

/** Throws unless TWS and its connection to IBKR are up. */
export function requireUpstream(session: TwsSession): void {
  const { state, lastError } = session.status().tws;
  if (state === "connected") return;
  if (state === "upstream_down") {
    throw new TwsError("tws_upstream_down", "TWS has lost its connection to IBKR, so nothing was sent.");
  }
  if (state === "stopped") {
    throw new TwsError("tws_offline", "The session with TWS is stopped, so nothing was sent.", {
      nextStep: "Call ibkr_connect to start the session again.",
    });
  }
  const why = lastError === "" ? "" : ` (${lastError})`;
  throw new TwsError("tws_offline", `The agent has no session with TWS${why}, so nothing was sent.`);
}

/** Orders with their final ids, of which nothing has been sent. */
export interface Reservation {
  readonly orders: readonly Reserved[];
  /** Sends them, each once, and answers when TWS has taken them. Throws as the function says that reserved them. */
  readonly transmit: (transmission: Transmission) => Promise<readonly Order[]>;
  /** Gives them up. Harmless after `transmit`. */
  readonly release: () => void;
}

export interface Transmission {
  readonly signal: AbortSignal;
  /** Called right before the first message is written: after it only TWS can say what arrived. Nothing is sent when it throws. */
  readonly beforeWrite: () => void;
  /** Called before the entry of a bracket is cancelled of our own accord. Never throws. */
  readonly beforeCancel?: () => void;
  /** Called when TWS knows no such entry. Never throws. */
  readonly onNothingToCancel?: () => void;
}

export interface Reserved {
  readonly orderId: number;
  readonly spec: OrderSpec;
}

/**
 * Writes one message, once. Returns when it has been handed to the connection. Throws tws_offline, cancelled or what
 * `beforeWrite` throws when nothing was written, and what `unknown` makes when nobody can tell.
 */
export async function writeOnce(
  { session }: OrderContext,
  lane: Lane,
  signal: AbortSignal,
  unknown: (why: string) => TwsError,
  action: (ib: IBApi) => void,
  beforeWrite: () => void = () => {},
): Promise<void> {
  const connection = session.connection;
  const fate: { handedOver: boolean; refused: { readonly error: unknown } | null } = {
    handedOver: false,
    refused: null,
  };
  const refuse = (error: unknown) => (fate.refused = { error });
  try {
    await session.send(lane, (ib) => {
      if (signal.aborted) {
        return refuse(new TwsError("cancelled", "The call ended before its turn came; nothing was sent."));
      }
      if (session.connection !== connection) {
        return refuse(new TwsError("tws_offline", "The session with TWS was replaced; nothing was sent."));
      }
      try {
        beforeWrite();
      } catch (error) {
        return refuse(error);
      }
      fate.handedOver = true;
      return action(ib);
    });
  } catch (error) {
    if (fate.handedOver) throw unknown("The connection to TWS ended");
    throw error;
  }
  if (fate.refused !== null) throw fate.refused.error;
}

/**
 * Looks for an order at TWS, among the working and by its fills. The list of open orders is a fence: TWS takes one
 * client's messages in turn, so an order sent before it and not in it is not working. Throws when TWS cannot say.
 */
export async function isHeld(
  { session, lists, times }: OrderContext,
  record: OrderRecord,
  signal: AbortSignal,
): Promise<boolean> {
  const context = { timeoutMs: times.listMs, signal };
  const rows = await lists.openOrders(context);
  const isWorking = rows.some(
    ({ orderId, order }) => orderId === record.orderId && order.clientId === record.clientId,
  );
  if (isWorking) return true;
  await requestExecutions(session, context);
  return record.acknowledged;
}

export const rejected = (what: string, { code, text }: TwsNotice): TwsError =>
  new TwsError("order_rejected", `TWS refused ${what} (code ${code}).`, { tws: { code, text } });
