/** What is listed besides futures and options. Contract ids are Interactive Brokers' where those are known. */

const primaries = ["NASDAQ", "NYSE", "ARCA", "TSE", "LSE", "SEHK", "TSEJ"] as const;

export interface StockRow {
  readonly conId: number;
  readonly symbol: string;
  readonly primary: (typeof primaries)[number];
  readonly name: string;
  readonly price: number;
  /** Per year. */
  readonly volatility: number;
  readonly beta: number;
  /** Shares a day. */
  readonly volume: number;
  readonly type: "COMMON" | "ETF";
  /** Industry, category, subcategory. */
  readonly sector: readonly string[];
  readonly isin: string;
  /** First year with data. */
  readonly since: number;
  /** The walk it shares with another listing, such as an index or the same company elsewhere. */
  readonly follows: string;
}

export interface IndexRow {
  readonly conId: number;
  readonly symbol: string;
  readonly exchange: string;
  readonly name: string;
  readonly price: number;
  readonly beta: number;
  readonly ownVolatility: number;
  readonly category: string;
}

export interface PairRow {
  readonly conId: number;
  readonly pair: string;
  readonly name: string;
  readonly price: number;
}

/** conId | symbol | primary exchange | name | price | volatility | beta | millions a day | first year | isin | industry / category / subcategory */
const shares = `
265598 | AAPL | NASDAQ | APPLE INC | 268.5 | 0.25 | 1.1 | 52 | 1980 | US0378331005 | Technology / Computers / Computers
272093 | MSFT | NASDAQ | MICROSOFT CORP | 482.3 | 0.23 | 1.05 | 21 | 1986 | US5949181045 | Technology / Software / Applications Software
4815747 | NVDA | NASDAQ | NVIDIA CORP | 184.6 | 0.42 | 1.7 | 190 | 1999 | US67066G1040 | Technology / Semiconductors / Electronic Compo-Semicon
3691937 | AMZN | NASDAQ | AMAZON.COM INC | 226.4 | 0.3 | 1.25 | 42 | 1997 | US0231351067 | Communications / Internet / E-Commerce/Products
208813719 | GOOGL | NASDAQ | ALPHABET INC-CL A | 291.7 | 0.28 | 1.1 | 33 | 2004 | US02079K3059 | Communications / Internet / Web Portals/ISP
107113386 | META | NASDAQ | META PLATFORMS INC-CLASS A | 612.9 | 0.34 | 1.25 | 14 | 2012 | US30303M1027 | Communications / Internet / Internet Content-Entmnt
76792991 | TSLA | NASDAQ | TESLA INC | 402.8 | 0.55 | 1.9 | 88 | 2010 | US88160R1014 | Consumer, Cyclical / Auto Manufacturers / Auto-Cars/Light Trucks
4391 | AMD | NASDAQ | ADVANCED MICRO DEVICES | 214.2 | 0.48 | 1.7 | 46 | 1983 | US0079031078 | Technology / Semiconductors / Electronic Compo-Semicon
270639 | INTC | NASDAQ | INTEL CORP | 36.4 | 0.42 | 1.2 | 78 | 1980 | US4581401001 | Technology / Semiconductors / Electronic Compo-Semicon
15124833 | NFLX | NASDAQ | NETFLIX INC | 108.7 | 0.33 | 1.1 | 31 | 2002 | US64110L1061 | Communications / Internet / Internet Content-Entmnt
268084 | CSCO | NASDAQ | CISCO SYSTEMS INC | 77.3 | 0.22 | 0.9 | 20 | 1990 | US17275R1023 | Communications / Telecommunications / Networking Products
8314 | IBM | NYSE | INTL BUSINESS MACHINES CORP | 301.2 | 0.24 | 0.75 | 4.2 | 1980 | US4592001014 | Technology / Computers / Computer Services
1520593 | JPM | NYSE | JPMORGAN CHASE & CO | 308.6 | 0.23 | 1.05 | 8.9 | 1980 | US46625H1005 | Financial / Banks / Diversified Banking Inst
72063691 | BRK B | NYSE | BERKSHIRE HATHAWAY INC-CL B | 503.4 | 0.16 | 0.75 | 4.4 | 1996 | US0846707026 | Financial / Insurance / Reinsurance
13977 | XOM | NYSE | EXXON MOBIL CORP | 117.1 | 0.24 | 0.6 | 15 | 1980 | US30231G1022 | Energy / Oil&Gas / Oil Comp-Integrated
8719 | JNJ | NYSE | JOHNSON & JOHNSON | 203.9 | 0.17 | 0.4 | 8.1 | 1980 | US4781601046 | Consumer, Non-cyclical / Pharmaceuticals / Medical-Drugs
8894 | KO | NYSE | COCA-COLA CO/THE | 71.2 | 0.15 | 0.4 | 16 | 1980 | US1912161007 | Consumer, Non-cyclical / Beverages / Beverages-Non-alcoholic
13824 | WMT | NYSE | WALMART INC | 105.4 | 0.2 | 0.55 | 17 | 1980 | US9311421039 | Consumer, Cyclical / Retail / Retail-Discount
6459 | DIS | NYSE | WALT DISNEY CO/THE | 104.8 | 0.27 | 1.05 | 10 | 1980 | US2546871060 | Communications / Media / Multimedia
4762 | BA | NYSE | BOEING CO/THE | 188.5 | 0.34 | 1.2 | 8.4 | 1980 | US0970231058 | Industrial / Aerospace/Defense / Aerospace/Defense
7516 | GE | NYSE | GENERAL ELECTRIC | 296.1 | 0.29 | 1.15 | 5.1 | 1980 | US3696043013 | Industrial / Aerospace/Defense / Aerospace/Defense
49462172 | V | NYSE | VISA INC-CLASS A SHARES | 331.0 | 0.2 | 0.85 | 6.2 | 2008 | US92826C8394 | Financial / Diversified Finan Serv / Finance-Credit Card
195014116 | SHOP | NASDAQ | SHOPIFY INC - CLASS A | 152.7 | 0.5 | 1.7 | 9.6 | 2015 | CA82509L1076 | Communications / Internet / E-Commerce/Services
4458964 | RY | NYSE | ROYAL BANK OF CANADA | 158.2 | 0.17 | 0.8 | 1.3 | 1995 | CA7800871021 | Financial / Banks / Commer Banks Non-US
195014117 | SHOP | TSE | SHOPIFY INC - CLASS A | 214.9 | 0.5 | 1.7 | 2.1 | 2015 | CA82509L1076 | Communications / Internet / E-Commerce/Services
4458965 | RY | TSE | ROYAL BANK OF CANADA | 222.6 | 0.17 | 0.8 | 3.7 | 1995 | CA7800871021 | Financial / Banks / Commer Banks Non-US
`;

/** As above, and last the walk it follows. */
const funds = `
756733 | SPY | ARCA | SS SPDR S&P 500 ETF TRUST-US | 671.2 | 0.1501 | 1 | 78 | 1993 | US78462F1030 | Funds / Equity Fund / ETF | SPY
320227571 | QQQ | NASDAQ | INVESCO QQQ TRUST SERIES 1 | 602.4 | 0.2012 | 1.2 | 56 | 1999 | US46090E1038 | Funds / Equity Fund / ETF | NDX
9579970 | IWM | ARCA | ISHARES RUSSELL 2000 ETF | 237.8 | 0.21 | 1.15 | 38 | 2000 | US4642876555 | Funds / Equity Fund / ETF | IWM
73128548 | DIA | ARCA | SPDR DJIA TRUST | 465.9 | 0.15 | 0.9 | 4.3 | 1998 | US78467X1090 | Funds / Equity Fund / ETF | DIA
51529211 | GLD | ARCA | SPDR GOLD SHARES | 374.5 | 0.17 | 0.05 | 12 | 2004 | US78463V1070 | Funds / Equity Fund / ETF | GLD
15547841 | TLT | NASDAQ | ISHARES 20+ YEAR TREASURY BD | 89.6 | 0.14 | -0.1 | 36 | 2002 | US4642874329 | Funds / Equity Fund / ETF | TLT
`;

/** Of London in pence, and of Hong Kong and Tokyo, which trade in lots. */
const abroad = `
172208 | VOD | LSE | VODAFONE GROUP PLC | 89.4 | 0.26 | 0.6 | 40 | 1988 | GB00BH4HKS39 | Communications / Telecommunications / Cellular Telecom
4120 | AZN | LSE | ASTRAZENECA PLC | 12806 | 0.22 | 0.4 | 2.1 | 1993 | GB0009895292 | Consumer, Non-cyclical / Pharmaceuticals / Medical-Drugs
152791428 | 700 | SEHK | TENCENT HOLDINGS LTD | 641.5 | 0.34 | 0.8 | 18 | 2004 | KYG875721634 | Communications / Internet / Internet Application Sftwr
13905388 | 7203 | TSEJ | TOYOTA MOTOR CORP | 3116 | 0.27 | 0.7 | 22 | 1990 | JP3633400001 | Consumer, Cyclical / Auto Manufacturers / Auto-Cars/Light Trucks
`;

function readRows(text: string, type: StockRow["type"]): StockRow[] {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const cells = line.split(" | ");
      const [
        conId,
        symbol = "",
        primary,
        name = "",
        price,
        volatility,
        beta,
        millions,
        since,
        isin = "",
        sector = "",
        follows = symbol,
      ] = cells;
      return {
        conId: Number(conId),
        symbol,
        primary: readPrimary(primary),
        name,
        price: Number(price),
        volatility: Number(volatility),
        beta: Number(beta),
        volume: Number(millions) * 1_000_000,
        type,
        sector: sector.split(" / "),
        isin,
        since: Number(since),
        follows,
      };
    });
}

function readPrimary(text: string | undefined): StockRow["primary"] {
  const found = primaries.find((primary) => primary === text);
  if (found === undefined) throw new Error(`No listing is at ${text}.`);
  return found;
}

export const stocks: readonly StockRow[] = [
  ...readRows(shares, "COMMON"),
  ...readRows(funds, "ETF"),
  ...readRows(abroad, "COMMON"),
];

export const indices: readonly IndexRow[] = [
  {
    conId: 416904,
    symbol: "SPX",
    exchange: "CBOE",
    name: "S&P 500 Stock Index",
    price: 6712,
    beta: 1,
    ownVolatility: 0,
    category: "Broad Range Equity Index",
  },
  {
    conId: 416843,
    symbol: "NDX",
    exchange: "NASDAQ",
    name: "NASDAQ 100 Stock Index",
    price: 24_760,
    beta: 1.2,
    ownVolatility: 0.09,
    category: "Broad Range Equity Index",
  },
];

export const coins: readonly PairRow[] = [
  { conId: 479624278, pair: "BTC.USD", name: "Bitcoin cryptocurrency", price: 91_250 },
  { conId: 495759171, pair: "ETH.USD", name: "Ethereum cryptocurrency", price: 3_012.5 },
];

export const pairs: readonly PairRow[] = [
  { conId: 12087792, pair: "EUR.USD", name: "European Monetary Union Euro", price: 1.1586 },
  { conId: 12087797, pair: "GBP.USD", name: "British pound", price: 1.3142 },
  { conId: 15016059, pair: "USD.JPY", name: "United States dollar", price: 154.82 },
  { conId: 14433401, pair: "AUD.USD", name: "Australian dollar", price: 0.6524 },
  { conId: 15016062, pair: "USD.CAD", name: "United States dollar", price: 1.4071 },
  { conId: 12345777, pair: "USD.HKD", name: "United States dollar", price: 7.7815 },
  { conId: 12087820, pair: "USD.CHF", name: "United States dollar", price: 0.8014 },
  { conId: 12087807, pair: "EUR.GBP", name: "European Monetary Union Euro", price: 1.1586 / 1.3142 },
  { conId: 14321016, pair: "EUR.JPY", name: "European Monetary Union Euro", price: 1.1586 * 154.82 },
];
