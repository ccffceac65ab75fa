import type { Contract } from "../../shared/contract.ts";
import type { RequestContext, TwsSession } from "../tws/session/api.ts";
import { historicalBars } from "../tws/market-data/history.ts";
import type { BarsRequest } from "../tws/market-data/history.ts";
import type { Closes } from "./risk.ts";

/** Prices that make returns: dividends are part of a stock's; currencies and CFDs have no trades, bonds seldom. */
function showOf(secType: string): BarsRequest["whatToShow"] {
  if (secType === "STK") return "ADJUSTED_LAST";
  if (["CASH", "CFD", "CMDTY", "BOND"].includes(secType)) return "MIDPOINT";
  return "TRADES";
}

/** TWS counts days up to 365, and years beyond. */
const durationOf = (days: number): string => (days <= 360 ? `${days} D` : `${Math.ceil(days / 250)} Y`);

/** Daily closes of finished days, oldest first, at least `days` of them where TWS has as many. Throws what historicalBars does. */
export async function dailyCloses(
  session: TwsSession,
  contract: Contract,
  days: number,
  nowMs: number,
  request: RequestContext,
): Promise<Closes> {
  const bars = await historicalBars(
    session,
    {
      contract,
      // one for today, and one since a return needs two
      duration: durationOf(days + 2),
      barSize: "1 day",
      whatToShow: showOf(contract.secType),
      useRTH: true,
    },
    request,
  );
  const today = new Date(nowMs).toISOString().slice(0, 10);
  const finished = bars.flatMap(({ time, close }) =>
    time < today && close !== null && close > 0 ? [{ time, close }] : [],
  );
  return { days: finished.map(({ time }) => time), prices: finished.map(({ close }) => close) };
}
