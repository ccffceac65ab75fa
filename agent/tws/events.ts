import { EventName } from "@stoqey/ib";
import type {
  CommissionReport,
  Contract,
  ContractDescription,
  ContractDetails,
  Execution,
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

  readonly [EventName.marketDataType]: readonly [reqId: number, type: number];
  readonly [EventName.tickGeneric]: readonly [reqId: number, field: number, value: Maybe<number>];
  readonly [EventName.tickOptionComputation]: readonly [
    reqId: number,
    field: number,
    basis: Maybe<number>,
    impliedVolatility: Maybe<number>,
    delta: Maybe<number>,
  ];
  readonly [EventName.tickPrice]: readonly [reqId: number, field: number, value: Maybe<number>];
  readonly [EventName.tickSize]: readonly [reqId: number, field: number, value: Maybe<number>];

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
  EventName.bondContractDetails,
  EventName.contractDetails,
  EventName.contractDetailsEnd,
  EventName.symbolSamples,
  EventName.historicalData,
  EventName.marketDataType,
  EventName.tickGeneric,
  EventName.tickOptionComputation,
  EventName.tickPrice,
  EventName.tickSize,
  // execDetails is absent: live fills come with id -1 and belong to everyone, so its readers look at the id
  EventName.execDetailsEnd,
]);
