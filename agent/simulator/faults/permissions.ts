/** What the simulated account is allowed to see; the faults switch it while the simulator runs. */
export interface Permissions {
  /**
   * Quotes. `live`: all. `delayed`: not subscribed, 354, or 10167 and delayed data for those who asked for it.
   * `delayed-off` 10168 and `none` 10186: nothing in either case. `api` 10089: seen in TWS, but by the API only delayed.
   * `part` 10090: the day's prices only. `competing` 10197: another session of the login has them.
   */
  readonly quotes: "live" | "delayed" | "delayed-off" | "none" | "api" | "part" | "competing";
  /** Books: 10092 when false. */
  readonly depth: boolean;
  /** Bars and past ticks. `pacing`: every request is one too many. */
  readonly history: "allowed" | "none" | "pacing";
  /** Live ticks one by one: 10189 when false. */
  readonly ticks: boolean;
  /** Companies: 10358 when false. */
  readonly fundamentals: boolean;
  /** Headlines, articles and feeds: 10276 when false. */
  readonly news: boolean;
  /** The calendar of events: 10276 when false. */
  readonly calendar: boolean;
}

export const everything: Permissions = {
  quotes: "live",
  depth: true,
  history: "allowed",
  ticks: true,
  fundamentals: true,
  news: true,
  calendar: true,
};

const quoteModes: readonly Permissions["quotes"][] = [
  "live",
  "delayed",
  "delayed-off",
  "none",
  "api",
  "part",
  "competing",
];
const historyModes: readonly Permissions["history"][] = ["allowed", "none", "pacing"];

/** "quotes=delayed,depth=no"; throws an Error that names what it cannot read. */
export function parsePermissions(text: string): Partial<Permissions> {
  const found: { -readonly [Key in keyof Permissions]?: Permissions[Key] } = {};
  for (const word of text.split(",").filter((part) => part !== "")) {
    const [name = "", value = ""] = word.split("=");
    const quotes = quoteModes.find((one) => one === value);
    const history = historyModes.find((one) => one === value);
    const isYesOrNo = value === "yes" || value === "no";
    if (name === "quotes" && quotes !== undefined) found.quotes = quotes;
    else if (name === "history" && history !== undefined) found.history = history;
    else if (isSwitch(name) && isYesOrNo) found[name] = value === "yes";
    else throw new Error(`permissions does not know '${word}'.`);
  }
  return found;
}

const isSwitch = (name: string): name is "depth" | "ticks" | "fundamentals" | "news" | "calendar" =>
  typeof Object.entries(everything).find(([key]) => key === name)?.[1] === "boolean";

/** A request that is refused for good, as TWS says it. */
export interface Refusal {
  readonly code: number;
  readonly text: string;
}

/** How a line is served: from which kind of data, after which remark. */
export type Service =
  | { readonly type: "refused"; readonly refusal: Refusal }
  | { readonly type: "served"; readonly from: "live" | "delayed" | "day"; readonly remark: Refusal | null }
  /** Nothing comes, and nothing more is said. */
  | { readonly type: "silent"; readonly remark: Refusal };

const notSubscribed = "Requested market data is not subscribed.";
const needsApi =
  "Requested market data requires additional subscription for API. See link in 'Market Data Connections' dialog for more details.";
const partly =
  "Part of requested market data is not subscribed. Subscription-independent ticks are still active.";

const competing: Refusal = { code: 10197, text: "No market data during competing live session" };

/** What ends the lines that are open, if anything does. */
export const takenAway = ({ quotes }: Permissions): Refusal | null =>
  quotes === "competing" ? competing : null;

const refused = (code: number, text: string): Service => ({ type: "refused", refusal: { code, text } });

/** `asked` is the market data type: 1 live, 2 frozen, 3 delayed, 4 delayed frozen. */
export function quoteService({ quotes }: Permissions, asked: number, name: string): Service {
  const takesDelayed = asked >= 3;
  const plain = `${notSubscribed} Check API status by selecting the Account menu then under Management choose Market Data Subscription Manager and/or availability of delayed data.${name}`;
  switch (quotes) {
    case "live":
      return { type: "served", from: "live", remark: null };
    case "part":
      return { type: "served", from: "day", remark: { code: 10090, text: `${partly}${name}` } };
    case "competing":
      return { type: "refused", refusal: competing };
    case "api": {
      const text = `${needsApi}Delayed market data is available.${name}`;
      const remark = { code: 10089, text };
      return takesDelayed ? { type: "served", from: "delayed", remark } : { type: "silent", remark };
    }
    case "delayed":
      if (!takesDelayed) return refused(354, plain);
      return {
        type: "served",
        from: "delayed",
        remark: { code: 10167, text: `${notSubscribed} Displaying delayed market data.` },
      };
    case "delayed-off":
      return takesDelayed
        ? refused(10168, `${notSubscribed} Delayed market data is not enabled.`)
        : refused(354, plain);
    case "none":
      return takesDelayed
        ? refused(10186, `${notSubscribed} Delayed market data is not available.`)
        : refused(354, plain);
    default:
      return quotes satisfies never;
  }
}

/** Null when history may be had. `venue` is such as "NASDAQ STK". */
export function historyRefusal({ history }: Permissions, venue: string): Refusal | null {
  const said = (rest: string): Refusal => ({
    code: 162,
    text: `Historical Market Data Service error message:${rest}`,
  });
  switch (history) {
    case "allowed":
      return null;
    case "none":
      return said(`No market data permissions for ${venue}`);
    case "pacing":
      return said("Historical data request pacing violation");
    default:
      return history satisfies never;
  }
}
