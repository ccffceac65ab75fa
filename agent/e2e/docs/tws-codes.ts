import type { ErrorCode } from "../../../shared/errors.ts";
import type { ToolName } from "../../../shared/tools/index.ts";
import type { RequestKind } from "../../simulator/faults/scripted-replies.ts";

/** What a call comes to when TWS sends a code for it. */
export type Outcome =
  /** It fails, and the same again would too. */
  | { readonly ends: ErrorCode }
  /** It fails and says when the same can work. */
  | { readonly again: ErrorCode; readonly afterMs: number }
  /** It is answered as if TWS had said nothing. */
  | "answered";

/** A call of a tool, which sends TWS a request of the kind. */
export const calls = {
  accountSummary: ["ibkr_get_account_summary", {}],
  contractDetails: ["ibkr_get_contract_details", { symbol: "IBM" }],
  events: ["ibkr_get_wsh_event_data", { conId: 265_598 }],
  eventTypes: ["ibkr_get_wsh_meta_data", {}],
  fundamentals: ["ibkr_get_fundamental_data", { symbol: "AAPL" }],
  historicalData: ["ibkr_get_historical_data", { symbol: "AAPL" }],
  historicalNews: ["ibkr_get_historical_news", { symbol: "AAPL", providerCodes: "BRFUPDN" }],
  historicalTicks: ["ibkr_get_historical_ticks", { symbol: "AAPL" }],
  marketData: ["ibkr_get_smart_components", { symbol: "AAPL" }],
  marketDepth: ["ibkr_get_market_depth", { symbol: "AAPL" }],
  newsArticle: ["ibkr_get_news_article", { providerCode: "BRFUPDN", articleId: "BRFUPDN$1" }],
  pnl: ["ibkr_get_pnl", {}],
  scan: ["ibkr_run_market_scanner", { scanCode: "TOP_PERC_GAIN" }],
} as const satisfies Partial<Record<RequestKind, readonly [ToolName, Readonly<Record<string, unknown>>]>>;

type Row<Situation, Expected> = readonly [
  code: number,
  situation: Situation,
  outcome: Expected,
  text?: string,
];

const history = (rest: string): string => `Historical Market Data Service error message:${rest}`;
const noData: Outcome = { ends: "no_market_data" };
const refused: Outcome = { ends: "tws_error" };
const soon: Outcome = { again: "tws_error", afterMs: 1_000 };

/** Codes under the id of a request for data or figures. */
export const dataRows: readonly Row<keyof typeof calls, Outcome>[] = [
  [100, "marketData", { again: "pacing", afterMs: 5_000 }],
  [101, "marketData", { ends: "pacing" }],
  [102, "marketDepth", soon],
  [102, "accountSummary", { again: "pacing", afterMs: 5_000 }, "Too many requests"],
  [162, "historicalData", { ends: "no_data" }],
  [162, "historicalData", { ends: "invalid_input" }, history("Time length exceed max.")],
  [
    162,
    "historicalData",
    { again: "pacing", afterMs: 15_000 },
    history("Historical data request pacing violation"),
  ],
  [162, "historicalData", "answered", history("API historical data query cancelled: 5")],
  [162, "historicalData", noData, history("No market data permissions for NASDAQ STK")],
  [
    162,
    "historicalData",
    { again: "no_market_data", afterMs: 60_000 },
    history("Trading TWS session is connected from a different IP address"),
  ],
  [162, "historicalData", refused, history("Something new")],
  [165, "historicalTicks", { ends: "no_data" }],
  [200, "contractDetails", { ends: "unknown_contract" }],
  [
    200,
    "contractDetails",
    { ends: "ambiguous_contract" },
    "The contract description specified for IBM is ambiguous; you must specify the multiplier.",
  ],
  [300, "marketData", "answered"],
  [309, "marketDepth", { again: "pacing", afterMs: 5_000 }],
  [310, "marketDepth", "answered"],
  [316, "marketDepth", { again: "tws_error", afterMs: 5_000 }],
  [317, "marketDepth", "answered"],
  [320, "historicalData", refused],
  [321, "historicalData", refused],
  [
    321,
    "historicalData",
    { ends: "read_only_api" },
    "Error validating request.-'bb' : cause - The API interface is currently in Read-Only mode.",
  ],
  [322, "marketDepth", soon],
  [
    322,
    "accountSummary",
    { again: "pacing", afterMs: 5_000 },
    "Error processing request.-'bP' : cause - Maximum number of account summary requests exceeded",
  ],
  [354, "marketData", noData],
  [365, "scan", "answered"],
  [366, "historicalData", "answered"],
  [385, "scan", soon],
  [386, "historicalData", soon],
  [430, "fundamentals", noData],
  [492, "scan", "answered"],
  [503, "eventTypes", refused],
  [10_089, "marketData", "answered"],
  [10_090, "marketData", "answered"],
  [10_091, "marketData", "answered"],
  [10_092, "marketDepth", noData],
  [10_167, "marketData", "answered"],
  [10_168, "marketData", noData],
  [10_172, "newsArticle", { ends: "no_data" }],
  [10_185, "pnl", "answered"],
  [10_186, "marketData", noData],
  [10_187, "historicalTicks", noData],
  [10_189, "historicalTicks", noData],
  [10_190, "historicalTicks", { again: "pacing", afterMs: 15_000 }],
  [10_197, "marketData", { again: "no_market_data", afterMs: 60_000 }],
  [10_225, "historicalData", soon],
  [10_276, "historicalNews", noData],
  [10_277, "events", noData],
  [10_278, "eventTypes", { again: "pacing", afterMs: 1_000 }],
  [10_279, "eventTypes", refused],
  [10_280, "eventTypes", "answered"],
  [10_281, "events", { again: "pacing", afterMs: 1_000 }],
  [10_282, "events", soon],
  [10_283, "events", refused],
  [10_284, "events", "answered"],
  [10_314, "historicalData", { ends: "invalid_input" }],
  [10_358, "fundamentals", noData],
];

/** What an order comes to; "warned" is an order that lives and tells TWS's words. */
export type OrderOutcome = Exclude<Outcome, "answered"> | "warned" | "Cancelled" | "Submitted";

const rejected: OrderOutcome = { ends: "order_rejected" };

/** Codes under the id of an order that is placed, modified or cancelled. */
export const orderRows: readonly Row<"place" | "modify" | "cancel", OrderOutcome>[] = [
  [103, "place", rejected],
  [104, "modify", { ends: "order_not_changeable" }],
  [105, "modify", rejected],
  [107, "place", rejected],
  [109, "place", rejected],
  [110, "modify", rejected],
  [135, "cancel", { ends: "order_not_changeable" }],
  [161, "cancel", "Submitted"],
  [201, "place", rejected],
  [202, "cancel", "Cancelled"],
  [203, "place", rejected],
  [387, "place", rejected],
  [388, "place", rejected],
  [399, "place", "warned"],
  [404, "place", "warned"],
  [434, "place", rejected],
  [435, "place", rejected],
  [460, "place", rejected],
  [481, "place", "warned"],
  [2102, "modify", { again: "pacing", afterMs: 1_000 }],
  [2109, "place", "warned"],
  [10_006, "place", rejected],
  [10_147, "cancel", { ends: "order_not_changeable" }],
  [10_148, "cancel", "Submitted"],
  [10_149, "place", rejected],
  [10_233, "place", "warned"],
  [10_349, "place", "warned"],
];

/** What the session comes to: TWS's state, or a farm's, or the reason why it begins anew. */
export type SystemOutcome =
  | "connected"
  | "upstream_down"
  | { readonly farm: string }
  | { readonly anew: RegExp };

/** Codes about TWS itself, which come without an id, while it is connected to IBKR or not. */
export const systemRows: readonly Row<"up" | "down", SystemOutcome>[] = [
  [326, "up", { anew: /client id 1 is in use/ }],
  [502, "up", { anew: /failed/ }],
  [506, "up", { anew: /no API version/ }],
  [507, "up", { anew: /in the middle of a message/ }],
  [1100, "up", "upstream_down"],
  [1101, "down", "connected"],
  [1102, "down", "connected"],
  [1300, "up", { anew: /port 4009/ }],
  [2100, "up", "connected"],
  [2103, "up", { farm: "usfarm market data broken" }],
  [2104, "up", { farm: "usfarm market data ok" }],
  [2105, "up", { farm: "ushmds historical data broken" }],
  [2106, "up", { farm: "ushmds historical data ok" }],
  [2107, "up", { farm: "ushmds historical data inactive" }],
  [2108, "up", { farm: "usfarm market data inactive" }],
  [2110, "up", "upstream_down"],
  [2119, "up", { farm: "usfarm market data connecting" }],
  [2157, "up", { farm: "secdefnj security definitions broken" }],
  [2158, "up", { farm: "secdefnj security definitions ok" }],
];

/** The client library's own, when it is asked to send on a socket that has closed. */
export const notConnected = 504;
