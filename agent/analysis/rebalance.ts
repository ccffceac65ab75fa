import { sum } from "./statistics.ts";

/** One instrument of a plan. Prices are those of one unit in the account's currency, multiplier included. */
export interface Line {
  readonly held: number;
  /** So many of them are in working sales, and are not sold again. */
  readonly offered: number;
  /** Percent of the investable value to hold; null leaves the holding as it is. */
  readonly targetPercent: number | null;
  readonly mark: number;
  /** What a buyer pays, and a seller gets. */
  readonly ask: number;
  readonly bid: number;
  /** The step of its quantities at its venue and the least of them; absent where they are not known. */
  readonly sizeIncrement?: number | null;
  readonly minSize?: number | null;
  /** Why the line may not be traded at all, in words; null if it may. */
  readonly blocked: string | null;
  /** In the account's currency, for an order of so many units worth so much. */
  commission(quantity: number, value: number): number;
}

export interface PlanOptions {
  /** All money is in whole cents of the account's currency. */
  readonly netCents: number;
  readonly cashCents: number;
  /** What working purchases may still cost: it is there, and not to be spent. */
  readonly setAsideCents: number;
  /** Percent of net liquidation that stays in cash. */
  readonly cashBufferPercent: number;
  /** A line whose share is off by less than so many percentage points is left alone, unless it is to be sold whole. */
  readonly driftBandPercent: number;
  readonly minTradeCents: number;
  /** Quantities are multiples of this. */
  readonly lot: number;
}

export interface Trade<L extends Line> {
  readonly line: L;
  readonly action: "BUY" | "SELL";
  readonly quantity: number;
  /** Paid for a purchase (rounded up) or got for a sale (rounded down), commission apart. */
  readonly valueCents: number;
  readonly commissionCents: number;
}

export interface Plan<L extends Line> {
  /** Sales first, since they pay for the purchases. */
  readonly trades: readonly Trade<L>[];
  readonly leftAlone: readonly { readonly line: L; readonly reason: string }[];
  readonly bufferCents: number;
  readonly investableCents: number;
  /** Cash now, plus sales, less purchases and all commissions. */
  readonly cashAfterCents: number;
}

// a product such as 3 × 0.1 is a hair above its cents, and must not cost one more
const steady = (amount: number): number => Number((amount * 100).toFixed(6));
export const centsUp = (amount: number): number => Math.ceil(steady(amount));
const centsDown = (amount: number): number => Math.floor(steady(amount));

const wholeLots = (quantity: number, lot: number): number =>
  Math.max(0, Math.floor(Number((quantity / lot).toFixed(9))) * lot);

/**
 * The smallest quantity that is whole lots of the caller's and whole steps of the venue: shares trade by the hundred or
 * the thousand in Hong Kong and Tokyo.
 */
export function lotFor({ sizeIncrement }: Line, lot: number): number {
  const step = sizeIncrement ?? 0;
  if (step <= 0 || isWhole(lot / step)) return lot;
  for (let multiple = 1; multiple <= mostSteps; multiple += 1)
    if (isWhole((multiple * step) / lot)) return multiple * step;
  return lot * step;
}

const mostSteps = 10_000;
const isWhole = (value: number): boolean =>
  Math.abs(value - Math.round(value)) < 1e-9 && Math.round(value) > 0;

/** What of a holding can be sold: never a hair more than there is. */
const lotsOf = (held: number, lot: number): number => Math.floor(held / lot) * lot;

/** The share of a line in percent of the investable value. */
export const percentOf = ({ held, mark }: Pick<Line, "held" | "mark">, investableCents: number): number =>
  ((held * mark * 100) / investableCents) * 100;

/**
 * Orders that bring each line to its target: whole lots, never more sold than held and not yet offered, and never more
 * bought than cash, less the buffer and what is set aside, plus the sales pay for. Purchases beyond that shrink by one factor for all. Throws RangeError when
 * nothing is left to invest beside the buffer.
 */
export function planRebalance<L extends Line>(lines: readonly L[], options: PlanOptions): Plan<L> {
  const bufferCents = Math.ceil((Math.max(0, options.netCents) * options.cashBufferPercent) / 100);
  const investableCents = options.netCents - bufferCents;
  if (!(investableCents > 0)) throw new RangeError("nothing is left to invest");
  const leftAlone: { readonly line: L; readonly reason: string }[] = [];
  const sales: Trade<L>[] = [];
  const buys: { readonly line: L; readonly quantity: number; readonly gap: number }[] = [];

  for (const line of lines) {
    const step = stepFor(line, options, investableCents);
    if (step.kind === "none") leftAlone.push({ line, reason: step.reason });
    if (step.kind === "sell") sales.push(step.trade);
    if (step.kind === "buy") buys.push({ line, quantity: step.quantity, gap: step.gap });
  }

  const proceeds = sum(sales.map(({ valueCents, commissionCents }) => valueCents - commissionCents));
  let free = options.cashCents - options.setAsideCents + proceeds - bufferCents;
  const wanted = sum(buys.map(({ line, quantity }) => costOf(purchase(line, quantity))));
  const factor = wanted <= free ? 1 : Math.max(0, free) / wanted;
  const purchases: Trade<L>[] = [];
  // the line furthest from its target is served first, if the commissions do not leave enough for all
  for (const { line, quantity } of buys.toSorted((a, b) => b.gap - a.gap)) {
    const trade = affordable(line, quantity * factor, free, lotFor(line, options.lot));
    const isTooLittle = trade !== null && trade.quantity < (line.minSize ?? 0);
    if (trade === null || isTooLittle || trade.valueCents < options.minTradeCents) {
      const taken = options.setAsideCents > 0 ? "the buffer and what working orders may cost" : "the buffer";
      leftAlone.push({ line, reason: `cash less ${taken} does not pay for it` });
      continue;
    }
    free -= costOf(trade);
    purchases.push(trade);
  }
  return {
    trades: [...sales, ...purchases],
    leftAlone,
    bufferCents,
    investableCents,
    cashAfterCents: options.cashCents + proceeds - sum(purchases.map(costOf)),
  };
}

type Step<L extends Line> =
  | { readonly kind: "none"; readonly reason: string }
  | { readonly kind: "sell"; readonly trade: Trade<L> }
  | { readonly kind: "buy"; readonly quantity: number; readonly gap: number };

const lessThanOne = (lot: number): string =>
  `the difference is less than one lot${lot === 1 ? "" : ` of ${lot}`}`;

const none = (reason: string) => ({ kind: "none", reason }) as const;

function stepFor<L extends Line>(
  line: L,
  { driftBandPercent, minTradeCents, lot: asked }: PlanOptions,
  investableCents: number,
): Step<L> {
  const { targetPercent, held, offered, mark, bid, blocked } = line;
  const lot = lotFor(line, asked);
  const least = line.minSize ?? 0;
  if (blocked !== null) return none(blocked);
  if (targetPercent === null) return none("no target is given for it");
  if (held < 0) return none("it is held short; close the short position first");
  if (targetPercent === 0 && held === 0) return none("it is not held, as the target asks");
  const left = Math.max(0, held - offered);
  const off = targetPercent - percentOf({ held: left, mark }, investableCents);
  // to buy what is on sale would trade with oneself
  if (offered > 0 && off >= 0)
    return none(`its working orders sell ${offered} of it, and no more is to be sold`);
  // a target of 0 means out, however little is left
  if (targetPercent > 0 && Math.abs(off) < driftBandPercent)
    return none(
      `it is ${Math.abs(off).toFixed(2)} points from its target, within the band of ${driftBandPercent}`,
    );
  const gap = Math.abs(off);
  const units = (gap / 100) * (investableCents / 100 / mark);
  if (off > 0) {
    const quantity = wholeLots(units, lot);
    if (quantity === 0 || quantity < least) return none(lessThanOne(lot));
    const { valueCents } = purchase(line, quantity);
    return valueCents < minTradeCents
      ? none("the trade is below the minimum")
      : { kind: "buy", quantity, gap };
  }
  const most = lotsOf(left, lot);
  const quantity = targetPercent === 0 ? most : Math.min(most, wholeLots(units, lot));
  if (quantity === 0 || quantity < least) return none(lessThanOne(lot));
  const valueCents = centsDown(quantity * bid);
  if (targetPercent > 0 && valueCents < minTradeCents) return none("the trade is below the minimum");
  const commissionCents = centsUp(line.commission(quantity, valueCents / 100));
  if (commissionCents >= valueCents) return none("the commission would take all that a sale brings");
  return { kind: "sell", trade: { line, action: "SELL", quantity, valueCents, commissionCents } };
}

const costOf = ({ valueCents, commissionCents }: Trade<Line>): number => valueCents + commissionCents;

function purchase<L extends Line>(line: L, quantity: number): Trade<L> {
  const valueCents = centsUp(quantity * line.ask);
  const commissionCents = centsUp(line.commission(quantity, valueCents / 100));
  return { line, action: "BUY", quantity, valueCents, commissionCents };
}

/** The largest purchase of at most `most` units that `freeCents` pay for, commission included; null if not one lot. */
function affordable<L extends Line>(line: L, most: number, freeCents: number, lot: number): Trade<L> | null {
  let [low, high] = [0, wholeLots(most, lot) / lot];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (costOf(purchase(line, middle * lot)) <= freeCents) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? null : purchase(line, low * lot);
}
