/** What people call instruments by, where TWS has another word or none: venues' currencies, pairs, ids, class shares. */

/** ISO codes of what IBKR exchanges; CNH is the yuan outside China. */
const currencies: ReadonlySet<string> = new Set(
  "AED AUD BRL CAD CHF CNH CNY CZK DKK EUR GBP HKD HUF ILS INR JPY KRW MXN MYR NOK NZD PLN QAR RUB SAR SEK SGD THB TRY TWD USD ZAR".split(
    " ",
  ),
);
const cryptos: ReadonlySet<string> = new Set(
  "AAVE ADA AVAX BCH BTC DOGE DOT ETH LINK LTC MATIC SOL SUI UNI XRP".split(" "),
);
/** Gold and silver go by a symbol of six letters, as commodities. */
const metals: ReadonlySet<string> = new Set(["XAU", "XAG"]);

/** Where crypto trades at IBKR; an account has one of them, and the first is the older. */
export const cryptoVenues = ["PAXOS", "ZEROHASH"] as const;

export interface Pair {
  readonly kind: "CASH" | "CRYPTO" | "CMDTY";
  readonly base: string;
  readonly quote: string;
}

/** A pair as people write it: `EUR.USD`, `EUR/USD`, `EUR-USD`, `EURUSD`, `BTC-USD`, `XAUUSD`; null for what is none. */
export function pairIn(symbol: string): Pair | null {
  const text = symbol.trim().toUpperCase();
  const [, base = "", quote = ""] = /^([A-Z]{3,5})[./-]?([A-Z]{3})$/.exec(text) ?? [];
  if (!currencies.has(quote)) return null;
  if (currencies.has(base)) return { kind: "CASH", base, quote };
  if (cryptos.has(base)) return { kind: "CRYPTO", base, quote };
  return metals.has(base) ? { kind: "CMDTY", base, quote } : null;
}

const venuesByCurrency = {
  USD: "AMEX ARCA BATS BEX BYX CBOE CBOT CFE CHX CME COMEX DRCTEDGE EDGEA EDGX IEX ICEUS IDEALPRO ISE ISLAND LTSE MEMX NASDAQ NYBOT NYMEX NYSE NYSENAT OVERNIGHT PEARL PHLX PINK PSX TPLUS1",
  CAD: "AEQLIT ALPHA CDE CHIX_CA OMEGA PURE TSE VENTURE",
  GBP: "LSE LSEETF",
  EUR: "AEB AQEUEN BM BVL BVME BVME.ETF CHIXDE ENEXT.BE FTA FWB FWB2 GETTEX GETTEX2 HEX IBIS IBIS2 IDEM MEFFRV MONEP SBF SWB SWB2 TGATE VSE XETRA",
  CHF: "EBS",
  SEK: "OMS SFB",
  DKK: "CPH",
  NOK: "OSE",
  PLN: "WSE",
  CZK: "PRA",
  HUF: "BUX",
  HKD: "SEHK",
  CNH: "SEHKNTL SEHKSZSE",
  JPY: "CHIXJ JPNNEXT OSE.JPN TSEJ",
  AUD: "ASX ASXCEN CHIXAU",
  INR: "NSE",
  KRW: "KSE",
  TWD: "TAI TWSE",
  MXN: "MEXDER MEXI",
  ILS: "TASE",
  ZAR: "JSE",
} as const;

const currencyByVenue: ReadonlyMap<string, string> = new Map(
  Object.entries(venuesByCurrency).flatMap(([currency, venues]) =>
    venues.split(" ").map((venue): [string, string] => [venue, currency]),
  ),
);

/** The currency in which a venue trades; null for a venue that is not known, or trades in several. */
export const currencyOfVenue = (venue: string): string | null =>
  currencyByVenue.get(venue.toUpperCase()) ?? null;

export interface SecurityId {
  readonly type: "ISIN" | "CUSIP";
  readonly id: string;
  /** By the numbering of the United States and Canada, where the issue of a share is told from that of a bond. */
  readonly looksLike: "share" | "bond" | "either";
}

/** An ISIN or a CUSIP whose check digit is right; null for anything else. */
export function securityIdIn(text: string): SecurityId | null {
  const id = text.trim().toUpperCase();
  if (/^[A-Z]{2}[0-9A-Z]{9}\d$/.test(id) && isIsin(id)) {
    const isNumberedAsCusip = id.startsWith("US") || id.startsWith("CA");
    return { type: "ISIN", id, looksLike: isNumberedAsCusip ? issueOf(id.slice(8, 10)) : "either" };
  }
  return /^[0-9A-Z]{8}\d$/.test(id) && /\d/.test(id.slice(0, 8)) && isCusip(id)
    ? { type: "CUSIP", id, looksLike: issueOf(id.slice(6, 8)) }
    : null;
}

const issueOf = (issue: string): "share" | "bond" => (/^\d\d$/.test(issue) ? "share" : "bond");

const valueOf = (character: string): number => Number.parseInt(character, 36);
const digitsOf = (value: number): number => Math.floor(value / 10) + (value % 10);

/** By Luhn over the digits, letters written as 10 to 35. */
function isIsin(id: string): boolean {
  const digits = Array.from(id)
    .map((character) => String(valueOf(character)))
    .join("");
  const sum = Array.from(digits)
    .toReversed()
    .reduce((all, digit, at) => all + digitsOf(Number(digit) * (at % 2 === 0 ? 1 : 2)), 0);
  return sum % 10 === 0;
}

function isCusip(id: string): boolean {
  const sum = Array.from(id.slice(0, 8)).reduce(
    (all, character, at) => all + digitsOf(valueOf(character) * (at % 2 === 0 ? 1 : 2)),
    0,
  );
  return (10 - (sum % 10)) % 10 === Number(id.at(-1));
}

/**
 * Other ways in which TWS may write a symbol: class, preferred and other shares of a company have a space before what
 * tells them apart, as in `BRK B` and `BAC PRL`. Empty for a symbol that has no such part.
 */
export function otherSpellings(symbol: string): string[] {
  const text = symbol.trim().toUpperCase();
  const [, root, part] = /^([A-Z]{1,5})[./ -]([A-Z]{1,4}|PR\.[A-Z])$/.exec(text) ?? [];
  if (root === undefined || part === undefined) {
    const [, whole, letter] = /^([A-Z]{2,4})([ABC])$/.exec(text) ?? [];
    return whole === undefined || letter === undefined ? [] : [`${whole} ${letter}`];
  }
  const series = /^P(?:R\.?)?([A-Z])$/.exec(part)?.[1];
  const spellings = [`${root} ${part}`, ...(series === undefined ? [] : [`${root} PR${series}`])];
  return [...new Set([...spellings, `${root}.${part}`])].filter(
    (spelling) => spelling !== text && !spelling.includes("PR."),
  );
}
