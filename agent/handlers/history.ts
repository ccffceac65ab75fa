import { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { historyTools } from "../../shared/tools/history.ts";
import { resolveContract } from "../tws/contracts.ts";
import { historicalBars } from "../tws/history.ts";
import { requestOf } from "./deps.ts";
import type { HandlerDeps } from "./deps.ts";
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

export function createHistoryHandlers({ session, now }: Pick<HandlerDeps, "session" | "now">) {
  return {
    async ibkr_get_historical_data(input, context) {
      const { duration, barSize, whatToShow, useRTH, endDateTime } = input;
      requireBearable(input);
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
        bars,
        count: bars.length,
        asOf: new Date(now()).toISOString(),
      };
    },
  } satisfies HandlersFor<typeof historyTools>;
}
