/** What the simulated TWS says can be scanned, in the layout and about the length of the real document. */

const instrumentRows = [
  ["STK", "US Stocks"],
  ["ETF.EQ.US", "US Equity ETFs"],
  ["ETF.FI.US", "US Fixed Income ETFs"],
  ["FUT.US", "US Futures"],
  ["IND.US", "US Indexes"],
  ["BOND", "Corporate Bonds"],
  ["BOND.GOVT", "US Treasuries"],
  ["STOCK.NA", "America Non-US Stocks"],
  ["FUT.NA", "America Non-US Futures"],
  ["STOCK.EU", "Europe Stocks"],
  ["FUT.EU", "Europe Futures"],
  ["IND.EU", "Europe Indexes"],
  ["STOCK.HK", "Asia Stocks"],
  ["FUT.HK", "Asia Futures"],
  ["IND.HK", "Asia Indexes"],
  ["SLB.US", "SLB US"],
  ["NATCOMB", "Native Combos"],
] as const;

const stocks = ["STK", "ETF.EQ.US", "ETF.FI.US", "STOCK.NA", "STOCK.EU", "STOCK.HK"];
const priced = [...stocks, "FUT.US", "IND.US", "FUT.NA", "FUT.EU", "IND.EU", "FUT.HK", "IND.HK"];
const optionable = ["STK", "ETF.EQ.US", "IND.US", "STOCK.EU", "IND.EU", "STOCK.HK", "IND.HK"];

interface Place {
  readonly code: string;
  readonly name: string;
  readonly instrument: string;
  readonly inside?: readonly Place[];
}

const locations: readonly Place[] = [
  {
    code: "STK.US",
    name: "US Stocks",
    instrument: "STK",
    inside: [
      {
        code: "STK.US.MAJOR",
        name: "Listed/NASDAQ",
        instrument: "STK",
        inside: [
          { code: "STK.NYSE", name: "NYSE", instrument: "STK" },
          { code: "STK.AMEX", name: "AMEX", instrument: "STK" },
          { code: "STK.ARCA", name: "ARCA", instrument: "STK" },
          { code: "STK.NASDAQ", name: "NASDAQ", instrument: "STK" },
        ],
      },
      { code: "STK.US.MINOR", name: "OTC Markets", instrument: "STK" },
    ],
  },
  { code: "ETF.EQ.US.MAJOR", name: "US Equity ETFs", instrument: "ETF.EQ.US" },
  {
    code: "FUT.US",
    name: "US Futures",
    instrument: "FUT.US",
    inside: ["CME", "CBOT", "NYMEX", "COMEX"].map((venue) => ({
      code: `FUT.${venue}`,
      name: venue,
      instrument: "FUT.US",
    })),
  },
  { code: "IND.US", name: "US Indexes", instrument: "IND.US" },
  { code: "BOND.US", name: "US Corporate Bonds", instrument: "BOND" },
  {
    code: "STK.NA",
    name: "America Non-US Stocks",
    instrument: "STOCK.NA",
    inside: [
      { code: "STK.NA.CANADA", name: "Canada", instrument: "STOCK.NA" },
      { code: "STK.NA.TSE", name: "TSE", instrument: "STOCK.NA" },
    ],
  },
  {
    code: "STK.EU",
    name: "Europe Stocks",
    instrument: "STOCK.EU",
    inside: ["AEB", "BM", "BVME", "EBS", "IBIS", "LSE", "SBF", "SFB", "VSE"].map((venue) => ({
      code: `STK.EU.${venue}`,
      name: venue,
      instrument: "STOCK.EU",
    })),
  },
  {
    code: "STK.HK",
    name: "Asia Stocks",
    instrument: "STOCK.HK",
    inside: ["ASX", "NSE", "SEHK", "SGX", "TSE_JPN"].map((venue) => ({
      code: `STK.HK.${venue}`,
      name: venue,
      instrument: "STOCK.HK",
    })),
  },
];

const scans: readonly (readonly [code: string, name: string, instruments: readonly string[]])[] = [
  ["TOP_PERC_GAIN", "Top % Gainers", priced],
  ["TOP_PERC_LOSE", "Top % Losers", priced],
  ["MOST_ACTIVE", "Most Active", priced],
  ["MOST_ACTIVE_USD", "Most Active ($)", stocks],
  ["HOT_BY_VOLUME", "Hot Contracts by Volume", priced],
  ["HOT_BY_PRICE", "Hot Contracts by Price", priced],
  ["HIGH_OPT_IMP_VOLAT", "Highest Option Imp Vol", optionable],
  ["LOW_OPT_IMP_VOLAT", "Lowest Option Imp Vol", optionable],
  ["TOP_OPEN_PERC_GAIN", "Top % Gainers Since Open", priced],
  ["TOP_OPEN_PERC_LOSE", "Top % Losers Since Open", priced],
  ["HIGH_OPEN_GAP", "Top Close-to-Open % Gainers", priced],
  ["LOW_OPEN_GAP", "Top Close-to-Open % Losers", priced],
  ["TOP_PRICE_RANGE", "Top Price Range", priced],
  ["TOP_TRADE_COUNT", "Top Trade Count", priced],
  ["TOP_TRADE_RATE", "Top Trade Rate", priced],
  ["TOP_VOLUME_RATE", "Top Volume Rate", priced],
  ["HIGH_VS_13W_HL", "13-Week High", stocks],
  ["LOW_VS_13W_HL", "13-Week Low", stocks],
  ["HIGH_VS_52W_HL", "52-Week High", stocks],
  ["LOW_VS_52W_HL", "52-Week Low", stocks],
  ["HIGH_DIVIDEND_YIELD_IB", "High Dividend Yield", stocks],
  ["HIGH_OPT_VOLUME_PUT_CALL_RATIO", "High Option Volume P/C Ratio", optionable],
  ["OPT_VOLUME_MOST_ACTIVE", "Most Active by Opt Volume", optionable],
  ["OPT_OPEN_INTEREST_MOST_ACTIVE", "Most Active by Opt Open Interest", optionable],
  ["TOP_OPT_IMP_VOLAT_GAIN", "Top Option Imp Vol % Gainers", optionable],
  ["TOP_OPT_IMP_VOLAT_LOSE", "Top Option Imp Vol % Losers", optionable],
  ["HALTED", "Halted", stocks],
  ["BOND_CUSIP_AZ", "Bond CUSIP A-Z", ["BOND", "BOND.GOVT"]],
];

/** Each may be the highest or the lowest, and each is a filter too. */
const measures = [
  "price",
  "volume",
  "marketCap",
  "avgVolume",
  "avgOptVolume",
  "changePerc",
  "changeOpenPerc",
  "afterHoursChangePerc",
  "dividendYield",
  "peRatio",
  "priceToBook",
  "priceToCash",
  "quickRatio",
  "returnOnEquity",
  "operatingMargin",
  "netProfitMargin",
  "growthRate",
  "shortInterest",
  "utilization",
  "feeRate",
  "impVol",
  "impVolChange",
  "impVolOverHist",
  "putCallRatio",
  "optOpenInterest",
  "ema20",
  "ema50",
  "ema200",
  "macdHistogram",
  "ppo",
  "rating",
  "analystTarget",
  "institutionalHolding",
  "insiderHolding",
  "esgScore",
  "beta",
  "lastPrice",
  "openPrice",
  "closePrice",
  "highPrice13Weeks",
  "lowPrice13Weeks",
  "highPrice26Weeks",
  "lowPrice26Weeks",
  "highPrice52Weeks",
  "lowPrice52Weeks",
  "changeSinceOpen",
  "gapPerc",
  "averageTrueRange",
  "relativeStrength",
  "tradeCount",
  "tradeRate",
  "volumeRate",
  "shortTermVolume3Minutes",
  "shortTermVolume5Minutes",
  "shortTermVolume10Minutes",
  "shareholders",
  "sharesOutstanding",
  "floatPerc",
  "epsGrowth",
  "salesGrowth",
  "payoutRatio",
  "dividendFrequency",
  "priceToSales",
  "priceToTangibleBook",
  "returnOnInvestment",
  "debtToEquity",
  "currentRatio",
  "histVol30Days",
  "impVolRank",
  "optVolume",
  "callOpenInterest",
  "putOpenInterest",
  "analystCount",
  "sentimentScore",
  "firstTradeDate",
  "nextEarningsDate",
] as const;

const words = (measure: string): string =>
  measure.replaceAll(/([A-Z]|\d+)/g, " $1").replace(/^./, (first) => first.toUpperCase());

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const element = (name: string, ...inner: readonly string[]): string =>
  `<${name}>${inner.join("")}</${name}>\n`;

function column(index: number): string {
  return element(
    "Column",
    element("colId", String(index)),
    element("name", index < measures.length ? words(measures[index] ?? "") : `Reserved Column ${index}`),
    element("display", index < 4 ? "true" : "false"),
    element("section", index % 3 === 0 ? "Fundamentals" : "Technical"),
    element("displayType", "DATA"),
  );
}

function scanType(code: string, name: string, instruments: readonly string[], columns: number): string {
  return element(
    "ScanType",
    element("vendor", "ALL"),
    element("displayName", escape(name)),
    element("scanCode", code),
    element("instruments", instruments.join(",")),
    element("absoluteColumns", "false"),
    `<Columns varName="columns">\n${Array.from({ length: columns }, (_, index) => column(index)).join("")}</Columns>\n`,
    element("supportsSorting", "true"),
    element("respSizeLimit", "2147483647"),
    element("searchDefault", "false"),
    element("access", "unrestricted"),
  );
}

function location({ code, name, instrument, inside = [] }: Place): string {
  const tree =
    inside.length === 0
      ? ""
      : `<LocationTree varName="locationTree">\n${inside.map(location).join("")}</LocationTree>\n`;
  return element(
    "Location",
    element("displayName", name),
    element("locationCode", code),
    element("instruments", instrument),
    element("routeExchange", code.split(".").at(-1) ?? ""),
    element("delayedOnly", "false"),
    element("access", "unrestricted"),
    tree,
  );
}

function rangeFilter(measure: string): string {
  const field = (side: "Above" | "Below"): string =>
    `<AbstractField type="scanner.filter.DoubleField" varName="${side.toLowerCase()}Field">\n${[
      element("code", `${measure}${side}`),
      element("displayName", `${words(measure)} ${side}`),
      element("dontAllowClearAll", "false"),
      element("abbrev", measure.slice(0, 6)),
      element("acceptNegatives", "false"),
      element("fraction", "true"),
    ].join("")}</AbstractField>\n`;
  return element(
    "RangeFilter",
    element("id", measure.toUpperCase()),
    element("category", measure.startsWith("opt") || measure.startsWith("imp") ? "Options" : "General"),
    element("histogram", "false"),
    element("access", "unrestricted"),
    field("Above"),
    field("Below"),
  );
}

const filters = ["STKTYPE", ...measures.map((measure) => measure.toUpperCase())].join(",");

export const scanCodes: ReadonlySet<string> = new Set([
  ...scans.map(([code]) => code),
  ...measures.flatMap((measure) => [`SCAN_${measure}_DESC`, `SCAN_${measure}_ASC`]),
]);

function documentWith(columns: number): string {
  const instruments = instrumentRows.map(([type, name]) =>
    element(
      "Instrument",
      element("name", name),
      element("type", type),
      element("filters", filters),
      element("group", `${type.split(".")[0] ?? ""}.GLOBAL`),
      element("shortName", type),
      element("cloudScanNotSupported", "false"),
    ),
  );
  const generated = measures.flatMap((measure) => [
    scanType(`SCAN_${measure}_DESC`, `${words(measure)}: highest`, stocks, columns),
    scanType(`SCAN_${measure}_ASC`, `${words(measure)}: lowest`, stocks, columns),
  ]);
  const listed = scans.map(([code, name, where]) => scanType(code, name, where, columns));
  return [
    `<?xml version="1.0" encoding="UTF-8"?>\n<ScanParameterResponse>\n`,
    `<InstrumentList varName="fullInstrumentList">\n${instruments.join("")}</InstrumentList>\n`,
    `<InstrumentList varName="instrumentList">\n${instruments.slice(0, 6).join("")}</InstrumentList>\n`,
    `<LocationTree varName="locationTree">\n${locations.map(location).join("")}</LocationTree>\n`,
    `<ScanTypeList varName="scanTypeList">\n${[...listed, ...generated].join("")}</ScanTypeList>\n`,
    `<FilterList varName="filterList">\n${measures.map(rangeFilter).join("")}</FilterList>\n`,
    `</ScanParameterResponse>\n`,
  ].join("");
}

/** At least `bytes` long, as far as columns can make it so. */
export function scannerXml(bytes: number): string {
  const bare = documentWith(0);
  const perColumn = documentWith(1).length - bare.length;
  return documentWith(Math.max(1, Math.ceil((bytes - bare.length) / perColumn)));
}
