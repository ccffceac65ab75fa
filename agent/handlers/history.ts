import { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Contract } from "../../shared/contract.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { historyTools } from "../../shared/tools/history.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import {
  headTimestamp,
  histogram,
  isHistogramUnit,
  tradingSchedule,
} from "../tws/market-data/history-parameters.ts";
import { endsNow, requireKind } from "../tws/market-data/bar-kinds.ts";
import { datedBars, endOfBars } from "../tws/market-data/history.ts";
import { pastTicks } from "../tws/market-data/past-ticks.ts";
import { keepShown, restOf, shownBefore } from "./bar-pages.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

/** TWS sends all bars in one message, and the library ends the session, orders and all, at one of 16 MB. */
const mostBars = 100_000;
const secondsOf = { S: 1, D: 86_400, W: 7 * 86_400, M: 31 * 86_400, Y: 366 * 86_400 } as const;
const barSecondsOf = { sec: 1, min: 60, hour: 3_600 } as const;

type HistoryInput = InputOf<(typeof historyTools)["ibkr_get_historical_data"]>;

/** As if the market never closed; days and longer are never too many. */
function requireBearable({ duration, barSize }: HistoryInput): void {
  const [, count, unit] = /^(\d+) ([SDWMY])$/.exec(duration) ?? [];
  const [, size, name] = /^(\d+) (sec|min|hour)s?$/.exec(barSize) ?? [];
  if (!isKeyOf(secondsOf, unit) || !isKeyOf(barSecondsOf, name)) return;
  const bars = (Number(count) * secondsOf[unit]) / (Number(size) * barSecondsOf[name]);
  if (bars <= mostBars) return;
  throw new TwsError(
    "invalid_input",
    `duration: ${duration} of ${barSize} is up to ${Math.ceil(bars)} bars; at most ${mostBars} at once. Use larger bars, or shorter periods with endDateTime.`,
  );
}

const isKeyOf = <T extends object>(table: T, key: string | undefined): key is keyof T & string =>
  key !== undefined && Object.hasOwn(table, key);

export function createHistoryHandlers({ session }: Pick<HandlerDeps, "session">) {
  const resolve = (input: ContractSelector, context: CallContext): Promise<Contract> =>
    resolveContract(session, ContractSelector.parse(input), requestOf(context));

  return {
    async ibkr_get_historical_data(input, context) {
      const { duration, barSize, whatToShow, useRTH, endDateTime } = input;
      requireBearable(input);
      const contract = await resolve(input, context);
      requireKind(contract, whatToShow, "MIDPOINT");
      const ask = (endAt: string | undefined) =>
        datedBars(session, { contract, duration, barSize, whatToShow, useRTH, endAt }, requestOf(context));
      // TWS gives no past window of it: the pages of one answer are kept
      if (endsNow(contract, whatToShow)) {
        const { value, asOf } = await ask(endDateTime);
        const bars = [...value];
        return {
          symbol: contract.symbol,
          contract,
          bars,
          last: bars.at(-1) ?? null,
          count: bars.length,
          asOf,
        };
      }
      const shown = shownBefore(context.page);
      // a later page ends where the first one did
      const { value, asOf } = await ask(
        endDateTime ?? (shown === null ? undefined : endOfBars(shown.last, barSize)),
      );
      const last = value.findLast(({ time }) => shown === null || time <= shown.last) ?? null;
      const bars = restOf(value, shown);
      keepShown(context.page, bars, last);
      const count = context.page.start + bars.length;
      return { symbol: contract.symbol, contract, bars: [...bars], last, count, asOf };
    },

    async ibkr_get_head_timestamp(input, context) {
      const { whatToShow, useRTH } = input;
      const contract = await resolve(input, context);
      requireKind(contract, whatToShow, "MIDPOINT");
      const head = await headTimestamp(session, { contract, whatToShow, useRTH }, requestOf(context));
      return {
        symbol: contract.symbol,
        contract,
        headTimestamp: head.value.at,
        headTimestampText: head.value.text,
        asOf: head.asOf,
      };
    },

    async ibkr_get_histogram_data(input, context) {
      const contract = await resolve(input, context);
      const [count, unit = ""] = input.duration.replace(/s$/, "").split(" ");
      if (!isHistogramUnit(unit)) throw new TwsError("invalid_input", "duration: use days, weeks or months.");
      const found = await histogram(
        session,
        { contract, count: Number(count), unit, useRTH: input.useRTH },
        requestOf(context),
      );
      const rows = found.value;
      return { symbol: contract.symbol, contract, histogram: rows, count: rows.length, asOf: found.asOf };
    },

    async ibkr_get_historical_ticks(input, context) {
      const { whatToShow, startDateTime, endDateTime, numberOfTicks, useRTH } = input;
      if (startDateTime !== undefined && endDateTime !== undefined) {
        throw new TwsError(
          "invalid_input",
          "startDateTime: TWS takes a start or an end, not both; page on from the last tick.",
        );
      }
      const contract = await resolve(input, context);
      requireKind(contract, whatToShow, "BID_ASK");
      const found = await pastTicks(
        session,
        { contract, whatToShow, count: numberOfTicks, useRTH, startAt: startDateTime, endAt: endDateTime },
        requestOf(context),
      );
      const ticks = found.value.map(({ tick }) => tick);
      const last = ticks.at(-1) ?? null;
      return { symbol: contract.symbol, contract, ticks, last, count: ticks.length, asOf: found.asOf };
    },

    async ibkr_get_tick_by_tick_data(input, context) {
      const { tickType, numberOfTicks } = input;
      const contract = await resolve(input, context);
      const whatToShow = kindOf[tickType];
      if (contract.secType === "CASH" && whatToShow === "TRADES") {
        throw new TwsError("invalid_input", "tickType: currencies are not traded in ticks; use BidAsk.");
      }
      const found = await pastTicks(
        session,
        { contract, whatToShow, count: numberOfTicks, useRTH: false },
        requestOf(context),
      );
      const ticks = found.value
        .filter(({ isUnreported }) => tickType !== "Last" || !isUnreported)
        .map(({ tick }) => tick)
        // TWS gives the whole of the first second
        .slice(-numberOfTicks);
      const last = ticks.at(-1) ?? null;
      const count = ticks.length;
      return { symbol: contract.symbol, contract, tickType, ticks, last, count, asOf: found.asOf };
    },

    async ibkr_get_trading_schedule(input, context) {
      const { duration, useRTH, endDateTime } = input;
      const contract = await resolve(input, context);
      const { value, asOf } = await tradingSchedule(
        session,
        { contract, duration, useRTH, endAt: endDateTime },
        requestOf(context),
      );
      const { timeZone, sessions } = value;
      return { symbol: contract.symbol, contract, timeZone, sessions, count: sessions.length, asOf };
    },
  } satisfies HandlersFor<typeof historyTools>;
}

const kindOf = { Last: "TRADES", AllLast: "TRADES", BidAsk: "BID_ASK", MidPoint: "MIDPOINT" } as const;
