import { TwsError } from "../../shared/errors.ts";
import { priceProblem, priceRules } from "../../shared/order.ts";
import type { OrderPrices, OrderType } from "../../shared/order.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { orderTools } from "../../shared/tools/orders.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";

/** What a caller says of one order, beside its contract. */
export type OrderInput = Omit<InputOf<(typeof orderTools)["ibkr_place_order"]>, "idempotencyKey">;

/** What one order says, beside its contract, account and reference. */
export type OrderTerms = Omit<OrderSpec, "contract" | "account" | "orderRef" | "parentId" | "ocaGroup">;

/** The terms as TWS takes them. Throws invalid_input for prices or times that the type does not have, or lacks. */
export function termsOf(input: Omit<OrderInput, "account">): OrderTerms {
  const { action, quantity, orderType, tif, outsideRth } = input;
  if (tif === "OPG" && orderType !== "MKT" && orderType !== "LMT") {
    throw new TwsError("invalid_input", `tif: OPG is for MKT and LMT orders, not for ${orderType}.`);
  }
  return {
    action,
    quantity,
    orderType,
    ...pricesOf(input),
    tif,
    goodTillDate: goodTillOf(input),
    outsideRth,
  };
}

function pricesOf(
  input: { readonly orderType: OrderType } & {
    readonly [Field in keyof OrderPrices]?: number | undefined;
  },
): OrderPrices {
  const { orderType } = input;
  const rules = priceRules[orderType];
  const check = (name: keyof OrderPrices): number | null => {
    const price = input[name];
    if (rules[name] === "needed" && price === undefined) {
      throw new TwsError("invalid_input", `${name}: an order of type ${orderType} needs it.`);
    }
    if (rules[name] === "none" && price !== undefined) {
      throw new TwsError("invalid_input", `${name}: an order of type ${orderType} has none; leave it out.`);
    }
    return price ?? null;
  };
  const limitPrice = check("limitPrice");
  const prices = {
    // TWS reads 0 as no cap, and so does the owner who is shown the order
    limitPrice: orderType === "REL" && limitPrice === 0 ? null : limitPrice,
    auxPrice: check("auxPrice"),
    trailStopPrice: check("trailStopPrice"),
    limitOffset: check("limitOffset"),
  };
  const problem = priceProblem(orderType, prices);
  if (problem !== null) throw new TwsError("invalid_input", problem);
  return prices;
}

/** Throws invalid_input for an order that would end before it begins; `now` is Unix milliseconds. */
export function requireTimeLeft(goodTillDate: string | undefined, now: number): void {
  if (goodTillDate === undefined || Date.parse(goodTillDate) > now) return;
  throw new TwsError("invalid_input", "goodTillDate: it has passed.");
}

/** TWS takes UTC as yyyymmdd-hh:mm:ss. */
function goodTillOf({ tif, goodTillDate }: Omit<OrderInput, "account">): string | null {
  if (tif === "GTD" && goodTillDate === undefined) {
    throw new TwsError("invalid_input", "goodTillDate: an order with tif GTD needs it.");
  }
  if (goodTillDate === undefined) return null;
  if (tif !== "GTD") {
    throw new TwsError("invalid_input", `goodTillDate: only tif GTD has one, not ${tif}; leave it out.`);
  }
  const [date = "", time = ""] = new Date(goodTillDate).toISOString().slice(0, 19).split("T");
  return `${date.replaceAll("-", "")}-${time}`;
}
