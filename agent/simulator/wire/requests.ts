import type { ContractQuery } from "../model/instruments.ts";
import type { DataRequest } from "./requests-data.ts";
import type { InformationRequest } from "./requests-information.ts";
import type { PlaceOrder } from "./requests-order.ts";

/** Everything a client can ask, freed of versions and sentinels. */
export type Request =
  | { readonly type: "startApi"; readonly clientId: number }
  | { readonly type: "nextValidId" }
  | { readonly type: "managedAccounts" }
  | { readonly type: "currentTime" }
  | { readonly type: "familyCodes" }
  | { readonly type: "userInfo"; readonly reqId: number }
  | { readonly type: "softDollarTiers"; readonly reqId: number }
  | { readonly type: "matchingSymbols"; readonly reqId: number; readonly pattern: string }
  | {
      readonly type: "contractDetails";
      readonly reqId: number;
      readonly contract: ContractQuery;
      /** All that counts when it is given: the bonds of this issuer are meant. */
      readonly issuerId: string | null;
    }
  | { readonly type: "marketRule"; readonly ruleId: number }
  | {
      readonly type: "optionChains";
      readonly reqId: number;
      readonly exchange: string;
      readonly underlyingConId: number;
    }
  | { readonly type: "smartComponents"; readonly reqId: number; readonly bboExchange: string }
  | { readonly type: "depthExchanges" }
  | { readonly type: "advisorData"; readonly dataType: number }
  | OptionCalculation
  | HistoricalDataRequest
  | { readonly type: "cancelHistoricalData"; readonly reqId: number }
  | HeadTimestampRequest
  | MarketDataRequest
  | { readonly type: "cancelMarketData"; readonly reqId: number }
  | { readonly type: "marketDataType"; readonly value: number }
  | { readonly type: "accountUpdates"; readonly on: boolean; readonly account: string }
  | AccountUpdatesMultiRequest
  | { readonly type: "cancelAccountUpdatesMulti"; readonly reqId: number }
  | AccountSummaryRequest
  | { readonly type: "cancelAccountSummary"; readonly reqId: number }
  | { readonly type: "positions" }
  | { readonly type: "cancelPositions" }
  | {
      readonly type: "positionsMulti";
      readonly reqId: number;
      readonly account: string;
      readonly model: string;
    }
  | { readonly type: "cancelPositionsMulti"; readonly reqId: number }
  | { readonly type: "pnl"; readonly reqId: number; readonly account: string }
  | { readonly type: "cancelPnl"; readonly reqId: number }
  | { readonly type: "pnlSingle"; readonly reqId: number; readonly account: string; readonly conId: number }
  | { readonly type: "cancelPnlSingle"; readonly reqId: number }
  | DataRequest
  | InformationRequest
  | PlaceOrder
  | { readonly type: "cancelOrder"; readonly orderId: number }
  | { readonly type: "globalCancel" }
  | { readonly type: "openOrders" }
  | { readonly type: "allOpenOrders" }
  | { readonly type: "autoOpenOrders"; readonly on: boolean }
  | ExecutionsRequest
  | { readonly type: "completedOrders" }
  /** Understood, but answered with an error because nothing stands behind it. */
  | { readonly type: "unsupported"; readonly reqId: number; readonly code: number; readonly text: string }
  /** Needs no answer. */
  | { readonly type: "ignored" }
  | { readonly type: "unknown"; readonly messageId: string };

export interface OptionCalculation {
  readonly type: "optionPrice" | "impliedVolatility";
  readonly reqId: number;
  readonly contract: ContractQuery;
  /** The volatility or the option's price; null when left out. */
  readonly given: number | null;
  /** Price of the underlying. */
  readonly spot: number | null;
}

export interface HistoricalDataRequest {
  readonly type: "historicalData";
  readonly reqId: number;
  readonly contract: ContractQuery;
  readonly endDateTime: string;
  readonly barSize: string;
  readonly duration: string;
  readonly useRth: boolean;
  readonly whatToShow: string;
  readonly formatDate: number;
  readonly keepUpToDate: boolean;
}

export interface HeadTimestampRequest {
  readonly type: "headTimestamp";
  readonly reqId: number;
  readonly contract: ContractQuery;
  readonly whatToShow: string;
  readonly formatDate: number;
}

export interface MarketDataRequest {
  readonly type: "marketData";
  readonly reqId: number;
  readonly contract: ContractQuery;
  readonly genericTicks: string;
  readonly snapshot: boolean;
}

export interface AccountUpdatesMultiRequest {
  readonly type: "accountUpdatesMulti";
  readonly reqId: number;
  readonly account: string;
  readonly model: string;
  readonly ledgerAndNlv: boolean;
}

export interface AccountSummaryRequest {
  readonly type: "accountSummary";
  readonly reqId: number;
  readonly group: string;
  readonly tags: readonly string[];
}

export interface ExecutionsRequest {
  readonly type: "executions";
  readonly reqId: number;
  /** Null is "not given" and matches everything. */
  readonly clientId: number | null;
  readonly account: string | null;
  readonly since: string | null;
  readonly symbol: string | null;
  readonly secType: string | null;
  readonly exchange: string | null;
  readonly side: string | null;
}
