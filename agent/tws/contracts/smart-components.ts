import { EventName } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { contractTools } from "../../../shared/tools/contracts.ts";
import type { OutputOf } from "../../../shared/tools/define.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { contractToTws } from "./translate.ts";

type Component = OutputOf<(typeof contractTools)["ibkr_get_smart_components"]>["components"][number];

/**
 * The code of the group of venues among which SMART routes an instrument. TWS names it ahead of the first tick, so this
 * takes a market-data line for a moment. Throws no_data for an instrument that SMART does not route.
 */
export function bboExchangeOf(
  session: TwsSession,
  contract: Contract,
  context: RequestContext,
): Promise<string> {
  return session.request<string>(
    {
      lane: "data",
      what: `the venues of ${contract.symbol}`,
      start: (ib, reqId) => ib.reqMktData(reqId, contractToTws(contract), "", false, false),
      cancel: (ib, reqId) => ib.cancelMktData(reqId),
      cancelAfter: true,
      on: {
        [EventName.tickReqParams]: (control, _id, _minTick, bboExchange) => {
          if (bboExchange !== undefined && bboExchange !== "") return control.resolve(bboExchange);
          control.reject(
            new TwsError("no_data", `TWS names no group of SMART venues for ${contract.symbol}.`, {
              nextStep: "Only what SMART routes has one: US stocks and options. Others trade at one venue.",
            }),
          );
        },
      },
    },
    context,
  );
}

/** The venues of a group. Empty when TWS names none, as it does when they are closed. */
export function smartComponents(
  session: TwsSession,
  bboExchange: string,
  context: RequestContext,
): Promise<Component[]> {
  return session.request<Component[]>(
    {
      lane: "data",
      what: `the SMART components of ${JSON.stringify(bboExchange)}`,
      start: (ib, reqId) => ib.reqSmartComponents(reqId, bboExchange),
      on: {
        [EventName.smartComponents]: (control, _id, components) =>
          control.resolve([...components].map(([bit, [exchange, letter]]) => ({ bit, exchange, letter }))),
      },
    },
    context,
  );
}
