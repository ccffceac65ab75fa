import { onTestFinished } from "vitest";
import type { Order } from "../../../shared/order.ts";
import type { World } from "../../simulator/model/world.ts";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import { createOrderBook } from "../orders/order-book.ts";
import type { OrderTimes, Reservation } from "../orders/order-context.ts";
import type { BracketSpec } from "../orders/order-bracket.ts";
import type { OrderChanges } from "../orders/order-change.ts";
import type { OrderSpec } from "../orders/order-wire.ts";
import type { RequestContext } from "../session/api.ts";
import { createSession } from "../session/session.ts";
import { silentLog } from "../../process/log.fixture.ts";

/** For tests: an order book that writes nothing down. */
export function createTestBook(...options: Parameters<typeof createOrderBook>) {
  const book = createOrderBook(...options);
  return {
    ...book,
    place: async (spec: OrderSpec, signal: AbortSignal) =>
      only(await sent(await book.reserve(spec, signal), signal)),
    async placeBracket(spec: BracketSpec, signal: AbortSignal) {
      const [entry, takeProfit, stopLoss] = await sent(await book.reserveBracket(spec, signal), signal);
      if (entry === undefined || takeProfit === undefined || stopLoss === undefined)
        throw new Error("a leg is missing");
      return { entry, takeProfit, stopLoss };
    },
    modify: async (orderId: number, changes: OrderChanges, request: RequestContext) =>
      only(await sent(await book.reserveChange(orderId, changes, request), request.signal)),
  };
}

/** Nothing is written down before. */
const sent = ({ transmit }: Reservation, signal: AbortSignal) => transmit({ signal, beforeWrite: () => {} });

function only([order]: readonly Order[]): Order {
  if (order === undefined) throw new Error("there is no order");
  return order;
}

export const quick: Partial<OrderTimes> & { readonly ackMs: number } = { ackMs: 300, listMs: 1_000 };

/** For tests: an order book over a real socket with a simulator; both end with the test. */
export async function startBook(world?: World, times: Partial<OrderTimes> = {}) {
  const simulator = await startSimulator({ port: 0, ...(world !== undefined && { world }) });
  onTestFinished(() => simulator.close());
  return { simulator, ...(await connectBook(simulator, times)) };
}

/** For tests: one more order book at the same simulator, under the same client id. */
export async function connectBook({ port }: Simulator, times: Partial<OrderTimes> = {}) {
  const target = { host: "127.0.0.1", port, clientId: 1, isSimulator: true };
  const session = createSession({ ...target, log: silentLog, times: { retryFirstMs: 20 } });
  const book = createTestBook(session, silentLog, { ...quick, ...times });
  onTestFinished(async () => {
    book.close();
    await session.close();
  });
  await session.whenConnected(5_000);
  return { session, book };
}

export const spec: OrderSpec = {
  contract: { conId: 265598, symbol: "AAPL", secType: "STK", exchange: "SMART", currency: "USD" },
  account: "DU1234567",
  action: "BUY",
  quantity: 10,
  orderType: "MKT",
  limitPrice: null,
  auxPrice: null,
  trailStopPrice: null,
  limitOffset: null,
  goodTillDate: null,
  tif: "DAY",
  outsideRth: false,
  orderRef: "ag1:one",
  parentId: null,
  ocaGroup: null,
};

/** Rests, since nobody sells at 1. */
export const far: OrderSpec = { ...spec, orderType: "LMT", limitPrice: 1 };

export const here = new AbortController().signal;
export const context = { timeoutMs: 5_000, signal: here };
