import type { Quote } from "../../shared/events.ts";
import { OrderType, priceRules } from "../../shared/order.ts";
import type { Action, OrderPrices } from "../../shared/order.ts";

/** What an order says of its price. `orderType` may be one that we do not place, when it is read from TWS. */
export interface PriceTerms extends OrderPrices {
  readonly action: Action;
  readonly orderType: string;
}

/** The highest price at which an order can trade, in the contract's currency. */
export type WorstPrice =
  /** Capped: it never trades above the price. Otherwise it trades at the market, and the price is that of now. */
  | { readonly kind: "price"; readonly price: number; readonly isCapped: boolean }
  /** The order has no cap, and no quote was given, or one without a price. */
  | { readonly kind: "needs_quote" }
  | { readonly kind: "unknown"; readonly why: string };

type Field = keyof OrderPrices;

/** How an order type uses its fields: every field of every type has exactly one part. */
type Part =
  /** The limit: a purchase trades at it or below. */
  | "cap"
  /** A price at which the order wakes, and may trade. */
  | "trigger"
  /** A trailing stop, which starts there and then only comes closer to the market. */
  | "stop"
  /** A distance from the market. */
  | "distance"
  /** A distance of the limit from the stop. */
  | "beyond_stop"
  | "none";

const parts = (limitPrice: Part, auxPrice: Part): Readonly<Record<Field, Part>> => ({
  limitPrice,
  auxPrice,
  trailStopPrice: "none",
  limitOffset: "none",
});

const partsOf: Readonly<Record<OrderType, Readonly<Record<Field, Part>>>> = {
  MKT: parts("none", "none"),
  LMT: parts("cap", "none"),
  STP: parts("none", "trigger"),
  "STP LMT": parts("cap", "trigger"),
  TRAIL: { ...parts("none", "distance"), trailStopPrice: "stop" },
  "TRAIL LIMIT": { ...parts("none", "distance"), trailStopPrice: "stop", limitOffset: "beyond_stop" },
  MIT: parts("none", "trigger"),
  LIT: parts("cap", "trigger"),
  MOC: parts("none", "none"),
  LOC: parts("cap", "none"),
  // without a cap it follows its side of the market, better by the offset
  REL: parts("cap", "distance"),
};

const fields = [
  "limitPrice",
  "auxPrice",
  "trailStopPrice",
  "limitOffset",
] as const satisfies readonly Field[];

/** TWS writes "not given" as the largest double. */
const isNumber = (price: number): boolean => Number.isFinite(price) && Math.abs(price) < 1e300;

const real = (price: number | null): number | null => (price !== null && price > 0 ? price : null);

/** Why nobody can say where an order trades; null when the rules above say it. */
export function unknownPrice(terms: PriceTerms): string | null {
  const { data: type } = OrderType.safeParse(terms.orderType);
  if (type === undefined)
    return `where an order of type ${terms.orderType} trades does not follow from its prices`;
  const wrong = fields.find((field) => {
    const price = terms[field];
    return price !== null && (priceRules[type][field] === "none" || !isNumber(price));
  });
  return wrong === undefined ? null : `${wrong} of an order of type ${type} is no price`;
}

/** The prices and distances of an order by the part they have; a trailing stop at 0 or below is none. */
function readTerms(terms: PriceTerms) {
  const { data: type } = OrderType.safeParse(terms.orderType);
  const found = (part: Part) =>
    type === undefined
      ? []
      : fields.filter((field) => partsOf[type][field] === part && terms[field] !== null);
  const first = (part: Part): number | null => {
    const [field] = found(part);
    return field === undefined ? null : terms[field];
  };
  const stop = real(first("stop"));
  const beyond = first("beyond_stop");
  const hasStop = type !== undefined && partsOf[type].limitOffset === "beyond_stop";
  return {
    named: [...found("cap"), ...found("trigger"), ...found("stop")].map((field) => ({
      field,
      price: terms[field] ?? 0,
    })),
    distance: first("distance"),
    stop,
    beyond,
    /** A limit of 0 or below is no cap to TWS, or one that nobody should believe. The stop of a purchase only falls. */
    cap: hasStop ? (stop === null || beyond === null ? null : stop + Math.abs(beyond)) : real(first("cap")),
  };
}

/**
 * The highest price at which an order can trade, as far as anybody can say: what a purchase costs at most, and what a
 * sale comes to. A purchase has a cap in its limit. Everything else trades at the market of now, or at the highest
 * price that the order names, beyond by the distances that it names. A limit that is absent, 0 or below caps nothing.
 * Time in force and hours change when an order trades, and not where.
 */
export function worstPrice(terms: PriceTerms, quote: Quote | null): WorstPrice {
  const why = unknownPrice(terms);
  if (why !== null) return { kind: "unknown", why };
  const isPurchase = terms.action === "BUY";
  const { named, distance, stop, beyond, cap } = readTerms(terms);
  if (isPurchase && cap !== null) return { kind: "price", price: cap, isCapped: true };
  if (quote === null) return { kind: "needs_quote" };
  const market = askOf(quote);
  if (market === null) return { kind: "needs_quote" };
  const limitBeyond = Math.abs(beyond ?? 0);
  const away = distance ?? 0;
  // what is in favour of a purchase is not counted, and a negative distance is against a sale
  const start = isPurchase ? Math.abs(away) + limitBeyond : Math.max(0, -away);
  const price = Math.max(
    market + start,
    ...named.map((one) => Math.abs(one.price)),
    stop === null ? 0 : stop + limitBeyond,
  );
  return { kind: "price", price, isCapped: false };
}

/** The prices that an order names, by their fields; `market` is the middle of now, from which distances are measured. */
export function statedPrices(
  terms: PriceTerms,
  market: number,
): { readonly field: string; readonly price: number }[] {
  const sign = terms.action === "BUY" ? 1 : -1;
  const { named, distance, stop, beyond } = readTerms(terms);
  const start = stop ?? (distance === null ? null : market + sign * Math.abs(distance));
  return [
    // 0 is how TWS writes that a relative order has no cap
    ...named.filter(({ price }) => terms.orderType !== "REL" || price !== 0),
    ...(stop === null && start !== null ? [{ field: "auxPrice", price: start }] : []),
    ...(start !== null && beyond !== null
      ? [{ field: "limitOffset", price: start + sign * Math.abs(beyond) }]
      : []),
  ];
}

/** Whether the order names any price at all, so that a distance can be told. */
export const hasStatedPrice = (terms: PriceTerms): boolean => statedPrices(terms, 0).length > 0;

/** What a purchase costs now, at the most that the quote says; null when the quote has no price. */
export function askOf({ ask, bid, last, close }: Quote): number | null {
  const [offered, wanted, traded] = [real(ask), real(bid), real(last) ?? real(close)];
  if (offered !== null) return Math.max(offered, wanted ?? 0);
  return wanted === null ? traded : Math.max(wanted, traded ?? 0);
}

/** Where the market is; null when the quote has no price. */
export function middleOf({ ask, bid, last, close }: Quote): number | null {
  const [high, low] = [real(ask), real(bid)];
  if (high !== null && low !== null) return (high + low) / 2;
  return real(last) ?? real(close) ?? high ?? low;
}
