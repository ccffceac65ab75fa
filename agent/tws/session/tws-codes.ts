import { done, ends, goesOn, later } from "./notice-table.ts";
import type { NoticeRow, Entry, ReadTheText, Says } from "./notice-table.ts";

const nothingToDo = "Nothing is to be done.";
const readTheText = "Read the text TWS gave and change what was asked.";
const subscribe =
  "Ask the owner for the subscription, or call ibkr_set_market_data_type with 4 for delayed data and try again.";
const reconnects = "The agent reconnects by itself: call ibkr_get_status, then try again.";

/** What any code that is not listed says, by IBKR's numbering and by TWS's words. */
export const remark: NoticeRow = goesOn(
  "tws_error",
  (what) => `TWS has a remark on ${what}.`,
  "Read the text TWS gave; the request goes on.",
);
export const unlisted: NoticeRow = ends(
  "tws_error",
  (what) => `TWS refused the request for ${what}.`,
  readTheText,
);

const orders: readonly Entry[] = [
  [[202], done("tws_error", (what) => `${what} is cancelled.`, nothingToDo, "cancelled")],
  [[399, 404, 481, 2109, 10_233, 10_349], remark],
  [
    [103],
    { ...ends("order_rejected", (w) => `TWS knows the order id of ${w} already.`), order: "duplicate_id" },
  ],
  [[104], ends("order_not_changeable", (what) => `TWS cannot change ${what}: it has been filled.`)],
  [
    [2102],
    later(
      "pacing",
      1_000,
      (what) => `TWS is still at work on ${what} and has not changed it.`,
      "Call ibkr_modify_order again.",
    ),
  ],
  [
    [161, 10_148],
    {
      ...ends("order_not_changeable", (what) => `${what} has ended and cannot be cancelled.`),
      order: "not_cancellable",
    },
  ],
  [
    [135, 10_147],
    { ...ends("order_not_found", (what) => `TWS has no open order for ${what}.`), order: "not_found" },
  ],
  [
    [105, 107, 109, 110, 201, 203, 387, 388, 434, 435, 460, 10_006, 10_149],
    ends("order_rejected", (what) => `TWS rejected ${what}.`),
  ],
];

const instruments: readonly Entry[] = [
  [
    [200],
    {
      read: [
        [
          /ambiguous/i,
          ends(
            "ambiguous_contract",
            (what) => `TWS knows several instruments for ${what}.`,
            "Add what tells it apart (expiration, strike, right, multiplier, tradingClass), or name it by conId.",
          ),
        ],
      ],
      otherwise: ends("unknown_contract", (what) => `TWS knows no single instrument for ${what}.`),
    },
  ],
];

const linesInUse: Says = (what) =>
  `All market-data lines of this TWS are in use, so none is free for ${what}.`;

const marketData: readonly Entry[] = [
  // these come with delayed data, or with the parts that need no subscription; if nothing follows, this was why
  [
    [10_089, 10_090, 10_091, 10_167],
    goesOn("no_market_data", (what) => `The account has no live data for ${what}.`, subscribe),
  ],
  [[354], ends("no_market_data", (what) => `The account has no market data for ${what}.`, subscribe)],
  [
    [10_168, 10_186],
    ends(
      "no_market_data",
      (what) => `The account has neither live nor delayed market data for ${what}.`,
      "Ask the owner for the subscription; daily bars of ibkr_get_historical_data may be available.",
    ),
  ],
  [
    [10_197],
    later(
      "no_market_data",
      60_000,
      (what) => `Another session of the same login has the market data, so TWS sends none for ${what} here.`,
      "Log out elsewhere (phone, web, another TWS); data comes back by itself within a minute after that.",
    ),
  ],
  [
    [101],
    ends(
      "pacing",
      linesInUse,
      "Stop a stream that is no longer needed with ibkr_stop_market_data_resource, then call again.",
    ),
  ],
  [
    [309],
    later("pacing", 5_000, (what) => `TWS shows only a few books at once, and none is free for ${what}.`),
  ],
  [
    [10_190],
    later("pacing", 15_000, (what) => `TWS sends few tick streams at once, and none is free for ${what}.`),
  ],
  [
    [10_092],
    ends(
      "no_market_data",
      (what) => `TWS does not have ${what}.`,
      "Name one venue by exchange, or call ibkr_get_quotes for the best bid and ask.",
    ),
  ],
  [
    [10_187, 10_189],
    ends(
      "no_market_data",
      (what) => `TWS does not have ${what}.`,
      "Ask for BID_ASK or MIDPOINT where nothing is traded, or for bars with ibkr_get_historical_data.",
    ),
  ],
  [
    [317],
    goesOn("tws_error", (what) => `TWS begins ${what} anew.`, "Nothing is to be done: the new book follows."),
  ],
  [[316], later("tws_error", 5_000, (what) => `TWS has stopped ${what}.`, "Call the same tool again.")],
  [
    [10_225],
    later(
      "tws_error",
      1_000,
      (what) => `TWS has ended ${what} after a correction.`,
      "Call the same tool again.",
    ),
  ],
  // the end of what had ended
  [
    [300, 310, 365, 366, 10_185, 10_280, 10_284],
    done("tws_error", (what) => `${what} had ended already.`, nothingToDo),
  ],
];

const history: readonly Entry[] = [
  [
    [162],
    {
      read: [
        [
          /pacing violation/i,
          later(
            "pacing",
            15_000,
            (what) => `TWS limits how much history may be asked for, so it did not give ${what}.`,
          ),
        ],
        [
          /time length exceed/i,
          ends(
            "invalid_input",
            (what) => `TWS does not give ${what} with such short bars over so long a time.`,
            "Ask for larger bars or a shorter duration.",
          ),
        ],
        [/no data|no items/i, ends("no_data", (what) => `TWS does not have ${what} as asked.`)],
        [/cancel/i, done("cancelled", (what) => `${what} was cancelled.`, nothingToDo)],
        [
          /permission/i,
          ends("no_market_data", (what) => `The account has no data subscription for ${what}.`),
        ],
        [
          /different IP/i,
          later(
            "no_market_data",
            60_000,
            (what) => `The same login is in use elsewhere, so TWS does not give ${what} here.`,
            "Log out elsewhere (phone, web, another TWS), then call again.",
          ),
        ],
      ],
      otherwise: ends("tws_error", (what) => `TWS could not give ${what}.`, readTheText),
    },
  ],
  [[165], ends("no_data", (what) => `TWS has nothing for ${what}.`)],
  [
    [430, 10_358],
    ends(
      "no_market_data",
      (what) => `The account has no fundamental data for ${what}.`,
      "Ask for another reportType; funds, indices and currencies have none, and the account may lack the subscription.",
    ),
  ],
  [
    [10_172],
    ends(
      "no_data",
      (what) => `TWS does not have ${what}.`,
      "Check the providerCode and the articleId that belong together.",
    ),
  ],
  [
    [10_276, 10_277],
    ends(
      "no_market_data",
      (what) => `The account may not see ${what}.`,
      "Ask the owner for the subscription in the Client Portal.",
    ),
  ],
  [
    [10_278, 10_281],
    later("pacing", 1_000, (what) => `TWS is still at work on another request for ${what}.`),
  ],
  [[10_279, 10_283], ends("tws_error", (what) => `TWS could not give ${what}.`, readTheText)],
  [
    [10_282],
    later(
      "tws_error",
      1_000,
      (what) => `TWS wants to be asked what kinds of events there are before it gives ${what}.`,
      "Call again: the agent asks for both then.",
    ),
  ],
  [[492], goesOn("tws_error", (what) => `TWS gives ${what} with little precision.`, nothingToDo)],
];

const idTaken = later(
  "tws_error",
  1_000,
  (what) => `TWS could not start ${what}.`,
  "Call again: each call has an id of its own.",
);

/** How TWS says that its API is read-only. */
const readOnlyWords = /read-?only/i;

const requests: readonly Entry[] = [
  [
    [10_314],
    ends(
      "invalid_input",
      (what) => `TWS cannot read the date given for ${what}.`,
      "Give dates as ISO 8601 with a zone: 2026-11-20T16:00:00Z.",
    ),
  ],
  [[320], unlisted],
  [
    [321],
    {
      read: [
        [
          readOnlyWords,
          ends("read_only_api", (what) => `The API of this TWS is read-only, so it refuses ${what}.`),
        ],
      ],
      otherwise: unlisted,
    },
  ],
  [
    [102, 322],
    {
      read: [
        [
          /max\w*\b.*(number|summar|exceed)|pacing|too many/i,
          later("pacing", 5_000, (what) => `TWS has too many requests like ${what} open.`),
        ],
      ],
      otherwise: idTaken,
    },
  ],
  [[385, 386], idTaken],
  [[503], ends("tws_error", (what) => `This TWS is too old for ${what}.`, "Update TWS or IB Gateway.")],
  [[100], later("pacing", 5_000, () => "TWS says that it was asked too often.")],
];

/** Codes that come without an id, about TWS itself; the session acts on them. */
const system: readonly Entry[] = [
  [
    [1100, 2110],
    goesOn(
      "tws_upstream_down",
      () => "TWS has lost its connection to IBKR.",
      "It comes back by itself, nightly within minutes: try again shortly.",
    ),
  ],
  [
    [1101],
    goesOn(
      "tws_upstream_down",
      () => "TWS is connected to IBKR again and has forgotten every data subscription.",
      "Streams are opened again by themselves; changes in between were missed.",
    ),
  ],
  [[1102], goesOn("tws_upstream_down", () => "TWS is connected to IBKR again.", nothingToDo)],
  [
    [2100],
    goesOn(
      "tws_error",
      () => "Another client has taken over the account updates.",
      "Call again for fresh values.",
    ),
  ],
  [
    [2103, 2105, 2157],
    goesOn(
      "tws_upstream_down",
      () => "TWS has lost its connection to one of IBKR's data farms.",
      "Data of that kind is stale until it is back: call ibkr_get_status for which farm it is.",
    ),
  ],
  [
    [2104, 2106, 2107, 2108, 2119, 2158],
    goesOn("tws_error", () => "One of IBKR's data farms has changed its state.", nothingToDo),
  ],
  [
    [326],
    later(
      "tws_offline",
      10_000,
      () => "Another program uses the same client id at this TWS.",
      "Give the agent another TWS_CLIENT_ID, or end the other program.",
    ),
  ],
  [
    [1300],
    later(
      "tws_offline",
      10_000,
      () => "The API port of TWS was changed.",
      "Set TWS_PORT to the port that TWS shows in its API settings.",
    ),
  ],
  [[502, 504, 507], later("tws_offline", 5_000, () => "There is no connection to TWS.", reconnects)],
  [
    [506],
    ends(
      "tws_offline",
      () => "This TWS speaks a version that the agent cannot.",
      "Update TWS or IB Gateway.",
    ),
  ],
];

/** The one table of TWS's codes: what each means, and what a caller is told. */
export const twsCodes: ReadonlyMap<number, NoticeRow | ReadTheText> = new Map(
  [...orders, ...instruments, ...marketData, ...history, ...requests, ...system].flatMap(([codes, row]) =>
    codes.map((code) => [code, row] as const),
  ),
);
