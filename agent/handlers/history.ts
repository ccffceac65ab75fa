import { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Bar, historyTools } from "../../shared/tools/history.ts";
import { resolveContract } from "../tws/contracts.ts";
import { historicalBars } from "../tws/history.ts";
import { requestOf } from "./deps.ts";
import type { HandlerDeps } from "./deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

export function createHistoryHandlers({ session, now }: Pick<HandlerDeps, "session" | "now">) {
  return {
    async ibkr_get_historical_data(input, context) {
      const { duration, barSize, whatToShow, useRTH, endDateTime, format } = input;
      const contract = await resolveContract(session, ContractSelector.parse(input), requestOf(context));
      if (contract.secType === "CASH" && whatToShow === "TRADES") {
        throw new TwsError("invalid_input", "whatToShow: currencies have no TRADES; use MIDPOINT.");
      }
      const bars = await historicalBars(
        session,
        { contract, duration, barSize, whatToShow, useRTH, endAt: endDateTime },
        requestOf(context),
      );
      return {
        symbol: contract.symbol,
        contract,
        bars: format === "columns" ? columnsOf(bars) : bars,
        count: bars.length,
        asOf: new Date(now()).toISOString(),
      };
    },
  } satisfies HandlersFor<typeof historyTools>;
}

function columnsOf(bars: readonly Bar[]) {
  return {
    time: bars.map(({ time }) => time),
    open: bars.map(({ open }) => open),
    high: bars.map(({ high }) => high),
    low: bars.map(({ low }) => low),
    close: bars.map(({ close }) => close),
    volume: bars.map(({ volume }) => volume),
    wap: bars.map(({ wap }) => wap),
    count: bars.map(({ count }) => count),
  };
}
