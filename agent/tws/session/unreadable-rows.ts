import { EventName } from "@stoqey/ib";
import type { TwsNotice } from "./api.ts";
import type { TwsEventName } from "./event-types.ts";

/** The library's names of messages that answer requests, with the events that each would have been. */
const eventsByMessage: Readonly<Record<string, readonly TwsEventName[]>> = {
  OPEN_ORDER: [EventName.openOrder],
  OPEN_ORDER_END: [EventName.openOrderEnd],
  ACCT_VALUE: [EventName.updateAccountValue],
  PORTFOLIO_VALUE: [EventName.updatePortfolio],
  ACCT_DOWNLOAD_END: [EventName.accountDownloadEnd],
  CONTRACT_DATA: [EventName.contractDetails],
  BOND_CONTRACT_DATA: [EventName.bondContractDetails],
  CONTRACT_DATA_END: [EventName.contractDetailsEnd],
  EXECUTION_DATA: [EventName.execDetails],
  EXECUTION_DATA_END: [EventName.execDetailsEnd],
  MARKET_DEPTH: [EventName.updateMktDepth],
  MARKET_DEPTH_L2: [EventName.updateMktDepthL2],
  HISTORICAL_DATA: [EventName.historicalData],
  HISTORICAL_SCHEDULE: [EventName.historicalSchedule],
  HISTORICAL_TICKS: [EventName.historicalTicks],
  HISTORICAL_TICKS_BID_ASK: [EventName.historicalTicksBidAsk],
  HISTORICAL_TICKS_LAST: [EventName.historicalTicksLast],
  HEAD_TIMESTAMP: [EventName.headTimestamp],
  HISTOGRAM_DATA: [EventName.histogramData],
  FUNDAMENTAL_DATA: [EventName.fundamentalData],
  SCANNER_DATA: [EventName.scannerData, EventName.scannerDataEnd],
  SCANNER_PARAMETERS: [EventName.scannerParameters],
  POSITION: [EventName.position],
  POSITION_END: [EventName.positionEnd],
  ACCOUNT_SUMMARY: [EventName.accountSummary],
  ACCOUNT_SUMMARY_END: [EventName.accountSummaryEnd],
  SECURITY_DEFINITION_OPTION_PARAMETER: [EventName.securityDefinitionOptionParameter],
  SECURITY_DEFINITION_OPTION_PARAMETER_END: [EventName.securityDefinitionOptionParameterEnd],
  SYMBOL_SAMPLES: [EventName.symbolSamples],
  SMART_COMPONENTS: [EventName.smartComponents],
  NEWS_ARTICLE: [EventName.newsArticle],
  NEWS_PROVIDERS: [EventName.newsProviders],
  HISTORICAL_NEWS: [EventName.historicalNews],
  HISTORICAL_NEWS_END: [EventName.historicalNewsEnd],
  MARKET_RULE: [EventName.marketRule],
  PNL: [EventName.pnl],
  PNL_SINGLE: [EventName.pnlSingle],
  COMPLETED_ORDER: [EventName.completedOrder],
  COMPLETED_ORDERS_END: [EventName.completedOrdersEnd],
  WSH_META_DATA: [EventName.wshMetaData],
  WSH_EVENT_DATA: [EventName.wshEventData],
};

/**
 * The events that a message would have been which ended too early for the library to read; none for any other notice.
 * A message with more fields than the library knows is read all the same.
 */
export function eventsLostWith({ code, text }: TwsNotice): readonly TwsEventName[] {
  const name = code === 505 ? /^Underrun error on ([A-Z\d_]+):/.exec(text)?.[1] : undefined;
  return name !== undefined && Object.hasOwn(eventsByMessage, name) ? (eventsByMessage[name] ?? []) : [];
}
