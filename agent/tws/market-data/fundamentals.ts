import { EventName } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { contractToTws } from "../contracts/translate.ts";
import { readXml } from "../scanner/xml.ts";
import type { XmlElement } from "../scanner/xml.ts";

/** A report on a company, as the elements of its XML. Throws no_market_data, unknown_contract, tws_error or timeout. */
export async function fundamentalReport(
  session: TwsSession,
  contract: Contract,
  reportType: string,
  context: RequestContext,
): Promise<XmlElement[]> {
  const what = `the report ${reportType} on ${contract.symbol}`;
  const xml = await session.request<string>(
    {
      lane: "data",
      what,
      start: (ib, reqId) => ib.reqFundamentalData(reqId, contractToTws(contract), reportType),
      cancel: (ib, reqId) => ib.cancelFundamentalData(reqId),
      on: { [EventName.fundamentalData]: (control, _id, data) => control.resolve(data) },
    },
    context,
  );
  const elements = readXml(xml);
  if (elements === null)
    throw new TwsError("tws_error", `TWS sent ${what} in a form that cannot be read.`, {
      nextStep: "Ask for another reportType.",
    });
  return elements;
}
