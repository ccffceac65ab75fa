import { z } from "zod";
import { Action, OrderType, TimeInForce } from "../../shared/order.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";

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

/** Stands for an order that this journal did not send. */
const notSent = "{}";

export const writeSentOrder = (order: OrderSpec | null): string =>
  order === null ? notSent : JSON.stringify(order);

/** Null for an order that this journal did not send. Throws for what is no JSON. */
export const readSentOrder = (text: string): OrderSpec | null =>
  SentSpec.safeParse(JSON.parse(text)).data ?? null;
