import type { BondRow, BondTerms } from "./bond-listings.ts";
import { bonds } from "./bond-listings.ts";
import { durationAt, priceAtYield, yieldAtPrice } from "./bond-yield.ts";
import { referenceAt } from "./futures.ts";
import type { Listing } from "./instruments.ts";
import { blankFields, marketTerm } from "./instruments.ts";
import { bondHours } from "./hours.ts";
import type { Instrument, Issuer } from "../model/instruments.ts";
import type { Bar } from "../model/market.ts";

/**
 * How TWS counts a bond in dollars: a unit of quantity is 1,000 of face value (a position of 21 that cost 987.46 each
 * is 21,000 of face value at 98.746), and a price is in percent of par without accrued interest. A unit is therefore
 * worth ten times its price. No message says so: the multiplier of a bond is empty everywhere.
 */
export const bondUnit = 1_000 / 100;

const tick = 0.0001;
/** Of the long Treasury fund, whose walk is taken for that of interest rates, per point of duration. */
const rateVolatility = 0.0085;
const creditVolatility = 0.0025;
const creditBeta = 0.005;
const yearMs = 365.25 * 86_400_000;

/** What TWS takes for a bond: no stops, nothing that trails, no auctions. */
const orderTypes =
  "ACTIVETIM,ADJUST,ALERT,AON,BENCHPX,DAY,GAT,GTC,GTD,GTT,HID,IBKRATS,IOC,LMT,MKT,OCA,RFQ,RTH,SCALE,WHATIF".split(
    ",",
  );

const byId = new Map(bonds.map((row) => [row.conId, row]));

/** Null for what is no bond. */
export function bondTerms({ conId }: Pick<Instrument, "conId">): BondTerms | null {
  return byId.get(conId)?.terms ?? null;
}

/** TWS's own name for a bond, in place of a symbol of its own. */
const localName = (conId: number): string => `IBCID${conId}`;

/** Every word that a request may name a bond by. */
export function isBondNamed({ conId, symbol }: Instrument, wanted: string): boolean {
  const terms = byId.get(conId)?.terms;
  return [symbol, localName(conId), terms?.cusip, terms?.isin].includes(wanted);
}

export const issuers: readonly Issuer[] = [...new Set(bonds.map(({ terms }) => terms.issuer))];

export function bond({ conId, terms, yieldPercent, spread, volume }: BondRow): Listing {
  const { issuer, maturity, bondType, issued } = terms;
  const base = priceAtYield(terms, yieldPercent, referenceAt) ?? 100;
  const duration = durationAt(terms, yieldPercent, referenceAt);
  const isGovernment = bondType === "GOVT";
  return {
    instrument: {
      ...blankFields,
      conId,
      symbol: issuer.symbol,
      secType: "BOND",
      exchange: "SMART",
      currency: "USD",
      localSymbol: localName(conId),
      tradingClass: issuer.symbol,
      expiration: maturity,
      contractMonth: maturity.slice(0, 6),
      longName: issuer.name,
      minTick: tick,
      minSize: terms.minSize,
      validExchanges: ["SMART"],
      marketRuleIds: [1386],
      orderTypes: orderTypes,
      timeZoneId: "US/Eastern",
      aggGroup: 7,
      isin: terms.isin,
    },
    motion: {
      base,
      // whatever it costs now, it is worth its face in the end
      drift: Math.log(100 / base) / ((instantOf(maturity) - referenceAt) / yearMs),
      terms: [
        { stream: "TLT", weight: rateVolatility * duration },
        ...(isGovernment
          ? []
          : [
              marketTerm(creditBeta * duration),
              { stream: `${issuer.symbol} credit`, weight: creditVolatility * duration },
            ]),
      ],
    },
    hours: bondHours,
    tick: tick,
    spreadTicks: Math.round(spread / tick),
    dailyVolume: volume,
    displayed: isGovernment ? 5_000 : 100,
    lot: 10,
    headAt: instantOf(issued) + 14 * 3_600_000,
  };
}

const instantOf = (date: string): number =>
  Date.UTC(Number(date.slice(0, 4)), Number(date.slice(4, 6)) - 1, Number(date.slice(6, 8)));

/** Of a bond at a price; null for what is no bond, and from its maturity on. */
export function bondYield(instrument: Instrument, price: number | null, at: number): number | null {
  const terms = bondTerms(instrument);
  return terms === null || price === null ? null : yieldAtPrice(terms, price, at);
}

/** Bars of prices as bars of yields, which fall when prices rise; null for what is no bond. */
export function yieldBars(instrument: Instrument, bars: readonly Bar[]): Bar[] | null {
  const terms = bondTerms(instrument);
  if (terms === null) return null;
  return bars.flatMap(({ at, open, high, low, close }) => {
    const [first, least, most, last] = [open, high, low, close].map((price) =>
      yieldAtPrice(terms, price, at),
    );
    if (first == null || least == null || most == null || last == null) return [];
    return [{ at, open: first, high: most, low: least, close: last, volume: -1, wap: -1, count: -1 }];
  });
}
