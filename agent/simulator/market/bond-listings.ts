import type { Issuer } from "../model/instruments.ts";
import type { CashFlows } from "./bond-yield.ts";

/** What is known of a bond besides what every instrument has. */
export interface BondTerms extends CashFlows {
  readonly cusip: string;
  readonly isin: string;
  /** yyyymmdd */
  readonly issued: string;
  /** "IBM 3 1/2 05/15/29", the one description that TWS never leaves out. */
  readonly description: string;
  readonly issuer: Issuer;
  /** Moody's and S&P's. */
  readonly ratings: string;
  readonly bondType: "CORP" | "GOVT";
  /** When it may be called, and for what; null if never. */
  readonly call: { readonly date: string; readonly note: string } | null;
  /** In units of 1,000 of face value. */
  readonly minSize: number;
  /**
   * A gateway whose login has no licence for the reference data of a bond sends neither its symbol, currency, coupon,
   * dates nor ratings, and IBCID with the contract id for its CUSIP.
   */
  readonly isLicensed: boolean;
}

export interface BondRow {
  readonly conId: number;
  readonly terms: BondTerms;
  /** To maturity, in percent, on the reference day. */
  readonly yieldPercent: number;
  /** Ask minus bid, in percent of par. */
  readonly spread: number;
  /** A normal day's, in units. */
  readonly volume: number;
}

const ibm: Issuer = { id: "e1400789", name: "International Business Machines Corp", symbol: "IBM" };
const apple: Issuer = { id: "e1432232", name: "Apple Inc", symbol: "AAPL" };
const usTreasury: Issuer = { id: "e1359061", name: "United States Treasury", symbol: "US-T" };

const corporate = { bondType: "CORP", call: null, minSize: 1, isLicensed: true } as const;
const treasury = {
  issuer: usTreasury,
  ratings: "Aa1/AA+",
  bondType: "GOVT",
  call: null,
  minSize: 1,
  isLicensed: true,
} as const;

/** The securities are real, and so are the ids where they are known. */
export const bonds: readonly BondRow[] = [
  {
    conId: 366_014_801,
    yieldPercent: 4.05,
    spread: 0.12,
    volume: 6_000,
    terms: {
      ...corporate,
      issuer: ibm,
      cusip: "459200KA8",
      isin: "US459200KA85",
      coupon: 3.5,
      maturity: "20290515",
      issued: "20190515",
      description: "IBM 3 1/2 05/15/29",
      ratings: "A3/A-",
    },
  },
  {
    conId: 366_014_804,
    yieldPercent: 5.1,
    spread: 0.35,
    volume: 4_000,
    terms: {
      ...corporate,
      issuer: ibm,
      cusip: "459200KB6",
      isin: "US459200KB68",
      coupon: 4.15,
      maturity: "20390515",
      issued: "20190515",
      description: "IBM 4.15 05/15/39",
      ratings: "A3/A-",
      call: { date: "20381115", note: "MAKE WHOLE" },
    },
  },
  {
    conId: 127_128_131,
    yieldPercent: 5.05,
    spread: 0.3,
    volume: 5_000,
    terms: {
      ...corporate,
      issuer: apple,
      cusip: "037833AL4",
      isin: "US037833AL42",
      coupon: 3.85,
      maturity: "20430504",
      issued: "20130503",
      description: "AAPL 3.85 05/04/43",
      ratings: "Aaa/AA+",
      minSize: 2,
      isLicensed: false,
    },
  },
  {
    conId: 740_325_117,
    yieldPercent: 3.7,
    spread: 0.0156,
    volume: 2_400_000,
    terms: {
      ...treasury,
      cusip: "91282CLX7",
      isin: "US91282CLX73",
      coupon: 4.125,
      maturity: "20271115",
      issued: "20241115",
      description: "T 4 1/8 11/15/27",
    },
  },
  {
    conId: 740_325_119,
    yieldPercent: 4.1,
    spread: 0.0312,
    volume: 3_100_000,
    terms: {
      ...treasury,
      cusip: "91282CLW9",
      isin: "US91282CLW90",
      coupon: 4.25,
      maturity: "20341115",
      issued: "20241115",
      description: "T 4 1/4 11/15/34",
    },
  },
  {
    conId: 757_402_268,
    yieldPercent: 4.7,
    spread: 0.0624,
    volume: 1_200_000,
    terms: {
      ...treasury,
      cusip: "912810UG1",
      isin: "US912810UG12",
      coupon: 4.625,
      maturity: "20550215",
      issued: "20250215",
      description: "T 4 5/8 02/15/55",
    },
  },
];
