import { z } from "zod";
import { Action, OrderType, TimeInForce } from "../../shared/order.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import type { Leg } from "./journal.ts";

const price = z.number().nullable();

/** An order as it was sent, from the journal. */
const SentSpec = z.object({
  contract: z.object({ conId: z.int(), exchange: z.string() }),
  account: z.string(),
  action: Action,
  quantity: z.number(),
  orderType: OrderType,
  tif: TimeInForce,
  limitPrice: price,
  auxPrice: price,
  trailStopPrice: price,
  limitOffset: price,
  goodTillDate: z.string().nullable(),
  outsideRth: z.boolean(),
  orderRef: z.string(),
  parentId: z.int().nullable(),
  ocaGroup: z.string().nullable(),
}) satisfies z.ZodType<OrderSpec>;

/** Null for an order that this journal did not send. */
export function sentOrderOf({ spec }: Leg): OrderSpec | null {
  return SentSpec.safeParse(JSON.parse(spec)).data ?? null;
}
