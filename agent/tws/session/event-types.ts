import { EventName } from "@stoqey/ib";
import type {
  CommissionReport,
  Contract,
  ContractDescription,
  ContractDetails,
  Execution,
  HistoricalTick,
  HistoricalTickBidAsk,
  HistoricalTickLast,
  NewsProvider,
  Order,
  OrderState,
} from "@stoqey/ib";

type Maybe<T> = T | undefined;

/**
 * The events of the library that we use, with what each really carries: its own declarations promise values where
 * its decoder leaves out TWS's "unset".
 */
export interface TwsEvents {
  readonly [EventName.connected]: readonly [];
  readonly [EventName.disconnected]: readonly [];
  readonly [EventName.error]: readonly [error: Error, code: number, id: number, advanced?: unknown];
  readonly [EventName.info]: readonly [text: string, code: number];
  readonly [EventName.received]: readonly [tokens: readonly string[], data: string];
  readonly [EventName.server]: readonly [version: number, connectedAt: string];

  readonly [EventName.currentTime]: readonly [seconds: number];
  readonly [EventName.managedAccounts]: readonly [accounts: string];
  readonly [EventName.nextValidId]: readonly [orderId: number];

  readonly [EventName.accountDownloadEnd]: readonly [account: string];
  readonly [EventName.accountSummary]: readonly [
    reqId: number,
    account: string,
    tag: string,
    value: string,
    currency: string,
  ];
  readonly [EventName.accountSummaryEnd]: readonly [reqId: number];
  readonly [EventName.pnl]: readonly [
    reqId: number,
    daily: Maybe<number>,
    unrealized: Maybe<number>,
    realized: Maybe<number>,
  ];
  readonly [EventName.pnlSingle]: readonly [
    reqId: number,
    position: Maybe<number>,
    daily: Maybe<number>,
    unrealized: Maybe<number>,
    realized: Maybe<number>,
    value: Maybe<number>,
  ];
  readonly [EventName.position]: readonly [
    account: string,
    contract: Contract,
    position: Maybe<number>,
    avgCost: Maybe<number>,
  ];
  readonly [EventName.positionEnd]: readonly [];
  readonly [EventName.updateAccountValue]: readonly [
    key: string,
    value: string,
    currency: string,
    account: string,
  ];
  readonly [EventName.updatePortfolio]: readonly [
    contract: Contract,
    position: Maybe<number>,
    marketPrice: Maybe<number>,
    marketValue: Maybe<number>,
    avgCost: Maybe<number>,
    unrealizedPnL: Maybe<number>,
    realizedPnL: Maybe<number>,
    account: Maybe<string>,
  ];

  readonly [EventName.bondContractDetails]: readonly [reqId: number, details: ContractDetails];
  readonly [EventName.contractDetails]: readonly [reqId: number, details: ContractDetails];
  readonly [EventName.contractDetailsEnd]: readonly [reqId: number];
  readonly [EventName.marketRule]: readonly [
    marketRuleId: number,
    priceIncrements: readonly { readonly lowEdge?: Maybe<number>; readonly increment?: Maybe<number> }[],
  ];
  readonly [EventName.securityDefinitionOptionParameter]: readonly [
    reqId: number,
    exchange: string,
    underlyingConId: number,
    tradingClass: string,
    multiplier: Maybe<number>,
    expirations: readonly string[],
    strikes: readonly number[],
  ];
  readonly [EventName.securityDefinitionOptionParameterEnd]: readonly [reqId: number];
  readonly [EventName.smartComponents]: readonly [
    reqId: number,
    components: ReadonlyMap<number, readonly [exchange: string, letter: string]>,
  ];
  readonly [EventName.symbolSamples]: readonly [reqId: number, matches: readonly ContractDescription[]];

  readonly [EventName.historicalData]: readonly [
    reqId: number,
    time: string,
    open: Maybe<number>,
    high: Maybe<number>,
    low: Maybe<number>,
    close: Maybe<number>,
    volume: Maybe<number>,
    count: Maybe<number>,
    wap: Maybe<number>,
  ];

  readonly [EventName.headTimestamp]: readonly [reqId: number, time: string];
  readonly [EventName.histogramData]: readonly [
    reqId: number,
    entries: readonly { readonly price?: Maybe<number>; readonly size?: Maybe<number> }[],
  ];
  readonly [EventName.fundamentalData]: readonly [reqId: number, xml: string];
  readonly [EventName.historicalSchedule]: readonly [
    reqId: number,
    start: string,
    end: string,
    timeZone: string,
    sessions: readonly {
      readonly startDateTime: string;
      readonly endDateTime: string;
      readonly refDate: string;
    }[],
  ];
  readonly [EventName.historicalTicks]: readonly [
    reqId: number,
    ticks: readonly HistoricalTick[],
    done: boolean,
  ];
  readonly [EventName.historicalTicksBidAsk]: readonly [
    reqId: number,
    ticks: readonly HistoricalTickBidAsk[],
    done: boolean,
  ];
  readonly [EventName.historicalTicksLast]: readonly [
    reqId: number,
    ticks: readonly HistoricalTickLast[],
    done: boolean,
  ];
  readonly [EventName.updateMktDepth]: readonly [
    reqId: number,
    position: number,
    operation: number,
    side: number,
    price: Maybe<number>,
    size: Maybe<number>,
  ];
  readonly [EventName.updateMktDepthL2]: readonly [
    reqId: number,
    position: number,
    maker: string,
    operation: number,
    side: number,
    price: Maybe<number>,
    size: Maybe<number>,
    isSmart: Maybe<boolean>,
  ];
  readonly [EventName.marketDataType]: readonly [reqId: number, type: number];
  readonly [EventName.tickGeneric]: readonly [reqId: number, field: number, value: Maybe<number>];
  readonly [EventName.tickString]: readonly [reqId: number, field: number, value: Maybe<string>];
  readonly [EventName.tickOptionComputation]: readonly [
    reqId: number,
    field: number,
    basis: Maybe<number>,
    impliedVolatility: Maybe<number>,
    delta: Maybe<number>,
    optionPrice?: Maybe<number>,
    pvDividend?: Maybe<number>,
    gamma?: Maybe<number>,
    vega?: Maybe<number>,
    theta?: Maybe<number>,
    underlyingPrice?: Maybe<number>,
  ];
  readonly [EventName.tickPrice]: readonly [reqId: number, field: number, value: Maybe<number>];
  readonly [EventName.tickReqParams]: readonly [
    reqId: number,
    minTick: Maybe<number>,
    bboExchange: Maybe<string>,
    snapshotPermissions: Maybe<number>,
  ];
  readonly [EventName.tickSize]: readonly [reqId: number, field: number, value: Maybe<number>];

  readonly [EventName.historicalNews]: readonly [
    reqId: number,
    time: string,
    providerCode: string,
    articleId: string,
    headline: string,
  ];
  readonly [EventName.historicalNewsEnd]: readonly [reqId: number, hasMore: boolean];
  readonly [EventName.newsArticle]: readonly [reqId: number, type: number, text: string];
  readonly [EventName.newsProviders]: readonly [providers: readonly NewsProvider[]];
  readonly [EventName.tickNews]: readonly [
    reqId: number,
    at: Maybe<number>,
    providerCode: string,
    articleId: string,
    headline: Maybe<string>,
    extraData: Maybe<string>,
  ];
  readonly [EventName.updateNewsBulletin]: readonly [
    msgId: number,
    msgType: number,
    message: string,
    origin: string,
  ];
  readonly [EventName.scannerData]: readonly [
    reqId: number,
    rank: number,
    details: ContractDetails,
    distance: Maybe<string>,
    benchmark: Maybe<string>,
    projection: Maybe<string>,
    legs: Maybe<string>,
  ];
  readonly [EventName.scannerDataEnd]: readonly [reqId: number];
  readonly [EventName.scannerParameters]: readonly [xml: string];
  readonly [EventName.wshEventData]: readonly [reqId: number, json: string];
  readonly [EventName.wshMetaData]: readonly [reqId: number, json: string];

  readonly [EventName.commissionReport]: readonly [report: CommissionReport];
  readonly [EventName.completedOrder]: readonly [contract: Contract, order: Order, state: OrderState];
  readonly [EventName.completedOrdersEnd]: readonly [];
  readonly [EventName.execDetails]: readonly [reqId: number, contract: Contract, execution: Execution];
  readonly [EventName.execDetailsEnd]: readonly [reqId: number];
  readonly [EventName.openOrder]: readonly [
    orderId: number,
    contract: Contract,
    order: Order,
    state: OrderState,
  ];
  readonly [EventName.openOrderEnd]: readonly [];
  readonly [EventName.orderBound]: readonly [permId: number, clientId: number, orderId: number];
  readonly [EventName.orderStatus]: readonly [
    orderId: number,
    status: string,
    filled: Maybe<number>,
    remaining: Maybe<number>,
    avgFillPrice: Maybe<number>,
    permId: Maybe<number>,
    parentId: Maybe<number>,
    lastFillPrice: Maybe<number>,
    clientId: Maybe<number>,
    whyHeld: Maybe<string>,
  ];
}

export type TwsEventName = keyof TwsEvents;

/** Events whose first argument is the id of the request they answer; the others answer whoever asked. */
export const answersById: ReadonlySet<TwsEventName> = new Set<TwsEventName>([
  EventName.accountSummary,
  EventName.accountSummaryEnd,
  EventName.pnl,
  EventName.pnlSingle,
  EventName.bondContractDetails,
  EventName.contractDetails,
  EventName.contractDetailsEnd,
  EventName.securityDefinitionOptionParameter,
  EventName.securityDefinitionOptionParameterEnd,
  EventName.smartComponents,
  EventName.symbolSamples,
  EventName.historicalData,
  EventName.historicalNews,
  EventName.historicalNewsEnd,
  EventName.newsArticle,
  EventName.scannerData,
  EventName.scannerDataEnd,
  EventName.wshEventData,
  EventName.wshMetaData,
  EventName.headTimestamp,
  EventName.histogramData,
  EventName.fundamentalData,
  EventName.historicalSchedule,
  EventName.historicalTicks,
  EventName.historicalTicksBidAsk,
  EventName.historicalTicksLast,
  EventName.updateMktDepth,
  EventName.updateMktDepthL2,
  EventName.marketDataType,
  EventName.tickGeneric,
  EventName.tickString,
  EventName.tickOptionComputation,
  EventName.tickPrice,
  EventName.tickReqParams,
  EventName.tickSize,
  // execDetails is absent: live fills come with id -1 and belong to everyone, so its readers look at the id
  EventName.execDetailsEnd,
]);
