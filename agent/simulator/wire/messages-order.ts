import { bondTerms, bondYield } from "../market/bonds.ts";
import type { Instrument } from "../model/instruments.ts";
import type { Execution, MarginPreview, Order, OrderRequest } from "../model/ledger.ts";
import { type Field, type Message, unsetDouble, unsetInt } from "./wire.ts";
import { stamp } from "../time/zone-time.ts";

/** The status block of openOrder: a working order has no margins, a what-if order has nothing else. */
export interface OrderState {
  readonly status: string;
  readonly commission: number | null;
  readonly commissionCurrency: string;
  readonly warningText: string;
  readonly preview: MarginPreview | null;
}

function contractFields(instrument: Instrument, exchange: string): Message {
  return [
    instrument.conId,
    instrument.symbol,
    instrument.secType,
    instrument.expiration,
    instrument.strike ?? 0,
    // a gateway really writes a question mark for what is no option.
    instrument.right ?? "?",
    instrument.multiplier,
    exchange,
    instrument.currency,
    instrument.localSymbol,
    instrument.tradingClass,
  ];
}

/** Reads what the client sent under a name, or what TWS shows when it sent nothing. */
function echoOf(request: OrderRequest): (name: string, whenAbsent: string) => string {
  return (name, whenAbsent) => {
    const text = request.echo[name];
    return text === undefined || text === "" ? whenAbsent : text;
  };
}

type Echo = ReturnType<typeof echoOf>;

function pairs(text: string): Message {
  if (text === "") return [0];
  const list: unknown = JSON.parse(text);
  const flat = Array.isArray(list) ? list.flat().map(String) : [];
  return [flat.length / 2, ...flat];
}

function isPositive(text: string): boolean {
  const value = Number(text);
  return value > 0 && value < Number.MAX_VALUE;
}

function mainFields(request: OrderRequest, echo: Echo): Message {
  return [
    request.action,
    request.quantity,
    request.orderType,
    request.limitPrice ?? "0.0",
    request.auxPrice ?? "0.0",
    request.tif,
    request.ocaGroup,
    request.account,
    echo("openClose", ""),
    echo("origin", "0"),
    request.orderRef,
  ];
}

function advisorFields(serverVersion: number, echo: Echo): Message {
  const fields: Field[] = [echo("faGroup", ""), echo("faMethod", ""), echo("faPercentage", "")];
  if (serverVersion < 177) fields.push(echo("faProfile", ""));
  fields.push(echo("modelCode", ""), echo("goodTillDate", ""), echo("rule80A", "0"));
  fields.push(echo("percentOffset", ""), echo("settlingFirm", ""));
  fields.push(echo("shortSaleSlot", "0"), echo("designatedLocation", ""), echo("exemptCode", "-1"));
  return fields;
}

function boxFields(echo: Echo): Message {
  return [
    echo("startingPrice", ""),
    echo("stockRefPrice", ""),
    echo("delta", ""),
    echo("stockRangeLower", ""),
    echo("stockRangeUpper", ""),
    echo("displaySize", unsetInt),
  ];
}

/** Volatility, delta neutral and trailing fields; the completed order leaves four of them out. */
function volatilityFields(echo: Echo, isOpen: boolean): Message {
  const fields: Field[] = [echo("volatility", ""), echo("volatilityType", "0")];
  fields.push(echo("deltaNeutralOrderType", "None"), echo("deltaNeutralAuxPrice", ""));
  fields.push(echo("deltaNeutralConId", "0"));
  if (isOpen) {
    fields.push(echo("deltaNeutralSettlingFirm", ""), echo("deltaNeutralClearingAccount", ""));
    fields.push(echo("deltaNeutralClearingIntent", ""), echo("deltaNeutralOpenClose", "?"));
  }
  fields.push(echo("deltaNeutralShortSale", "0"), echo("deltaNeutralShortSaleSlot", "0"));
  fields.push(echo("deltaNeutralDesignatedLocation", ""));
  fields.push(echo("continuousUpdate", "0"), echo("referencePriceType", "0"));
  fields.push(echo("trailStopPrice", ""), echo("trailingPercent", ""));
  return fields;
}

/** Combination counts (there are none here), scale and hedge. */
function comboScaleHedgeFields(echo: Echo): Message {
  const fields: Field[] = ["", 0, 0, 0];
  const increment = echo("scalePriceIncrement", "");
  fields.push(echo("scaleInitLevelSize", unsetInt), echo("scaleSubsLevelSize", unsetInt), increment);
  if (isPositive(increment)) {
    fields.push(echo("scalePriceAdjustValue", ""), echo("scalePriceAdjustInterval", unsetInt));
    fields.push(echo("scaleProfitOffset", ""), echo("scaleAutoReset", "0"));
    fields.push(echo("scaleInitPosition", unsetInt), echo("scaleInitFillQty", unsetInt));
    fields.push(echo("scaleRandomPercent", "0"));
  }
  const hedge = echo("hedgeType", "");
  fields.push(hedge);
  if (hedge !== "") fields.push(echo("hedgeParam", ""));
  return fields;
}

function algoFields(echo: Echo): Message {
  const strategy = echo("algoStrategy", "");
  const fields: Field[] = [echo("notHeld", "0"), 0, strategy];
  if (strategy !== "") fields.push(...pairs(echo("algoParams", "")));
  fields.push(echo("solicited", "0"));
  return fields;
}

function benchmarkFields(request: OrderRequest, echo: Echo): Message {
  if (request.orderType !== "PEG BENCH" && request.orderType !== "PEGBENCH") return [];
  return [
    echo("referenceContractId", "0"),
    echo("isPeggedChangeAmountDecrease", "0"),
    echo("peggedChangeAmount", "0"),
    echo("referenceChangeAmount", "0"),
    echo("referenceExchangeId", ""),
  ];
}

function pegOffsetFields(serverVersion: number, echo: Echo): Message {
  if (serverVersion < 170) return [];
  return [
    echo("minTradeQty", ""),
    echo("minCompeteSize", ""),
    echo("competeAgainstBestOffset", ""),
    echo("midOffsetAtWhole", ""),
    echo("midOffsetAtHalf", ""),
  ];
}

function stateFields(request: OrderRequest, state: OrderState): Message {
  const { preview } = state;
  const change = (after: number, before: number): number => after - before;
  const margins: Message =
    preview === null
      ? Array.from({ length: 9 }, () => unsetDouble)
      : [
          preview.initBefore,
          preview.maintBefore,
          preview.equityBefore,
          change(preview.initAfter, preview.initBefore),
          change(preview.maintAfter, preview.maintBefore),
          change(preview.equityAfter, preview.equityBefore),
          preview.initAfter,
          preview.maintAfter,
          preview.equityAfter,
        ];
  return [
    request.whatIf,
    state.status,
    ...margins,
    state.commission ?? unsetDouble,
    unsetDouble,
    unsetDouble,
    state.commissionCurrency,
    state.warningText,
  ];
}

function tailFields(serverVersion: number, echo: Echo): Message {
  const fields: Field[] = [echo("usePriceMgmtAlgo", "0")];
  if (serverVersion >= 158) fields.push(echo("duration", unsetInt));
  if (serverVersion >= 160) fields.push(echo("postToAts", unsetInt));
  if (serverVersion >= 162) fields.push(echo("autoCancelParent", "0"));
  fields.push(...pegOffsetFields(serverVersion, echo));
  if (serverVersion >= 183) fields.push(echo("customerAccount", ""));
  if (serverVersion >= 184) fields.push(echo("professionalCustomer", "0"));
  if (serverVersion >= 185) fields.push("");
  if (serverVersion >= 189) fields.push(echo("includeOvernight", "0"));
  if (serverVersion >= 193) fields.push(echo("extOperator", ""), echo("manualOrderIndicator", unsetInt));
  return fields;
}

function adjustedFields(echo: Echo): Message {
  return [
    echo("adjustedOrderType", "None"),
    echo("triggerPrice", unsetDouble),
    echo("trailStopPrice", unsetDouble),
    echo("lmtPriceOffset", unsetDouble),
    echo("adjustedStopPrice", unsetDouble),
    echo("adjustedStopLimitPrice", unsetDouble),
    echo("adjustedTrailingAmount", unsetDouble),
    echo("adjustableTrailingUnit", "0"),
    echo("softDollarTierName", ""),
    echo("softDollarTierValue", ""),
    "",
  ];
}

/** openOrder (5) for server versions 151 to 193. */
export function openOrder(
  serverVersion: number,
  request: OrderRequest,
  permId: number,
  state: OrderState,
): Message {
  const echo = echoOf(request);
  return [
    5,
    request.orderId,
    ...contractFields(request.instrument, request.routing),
    ...mainFields(request, echo),
    request.clientId,
    permId,
    request.outsideRth,
    echo("hidden", "0"),
    echo("discretionaryAmt", "0"),
    echo("goodAfterTime", ""),
    "",
    ...advisorFields(serverVersion, echo),
    echo("auctionStrategy", "0"),
    ...boxFields(echo),
    echo("blockOrder", "0"),
    echo("sweepToFill", "0"),
    echo("allOrNone", "0"),
    echo("minQty", ""),
    request.ocaType === 0 ? 3 : request.ocaType,
    echo("eTradeOnly", "0"),
    echo("firmQuoteOnly", "0"),
    echo("nbboPriceCap", ""),
    request.parentId,
    echo("triggerMethod", "0"),
    ...volatilityFields(echo, true),
    "",
    "",
    ...comboScaleHedgeFields(echo),
    echo("optOutSmartRouting", "0"),
    echo("clearingAccount", ""),
    echo("clearingIntent", "IB"),
    ...algoFields(echo),
    ...stateFields(request, state),
    echo("randomizeSize", "0"),
    echo("randomizePrice", "0"),
    ...benchmarkFields(request, echo),
    0,
    ...adjustedFields(echo),
    echo("cashQty", "0"),
    echo("dontUseAutoPriceForHedge", "1"),
    echo("isOmsContainer", "0"),
    echo("discretionaryUpToLimitPrice", "0"),
    ...tailFields(serverVersion, echo),
  ];
}

/** completedOrder (101): no order id, no client id, and the completion at its end. */
export function completedOrder(serverVersion: number, order: Order, parentPermId: number): Message {
  const { request } = order;
  const echo = echoOf(request);
  const fields: Field[] = [101, ...contractFields(request.instrument, request.routing)];
  fields.push(...mainFields(request, echo), order.permId, request.outsideRth);
  fields.push(echo("hidden", "0"), echo("discretionaryAmt", "0"), echo("goodAfterTime", ""));
  fields.push(...advisorFields(serverVersion, echo), ...boxFields(echo));
  fields.push(echo("sweepToFill", "0"), echo("allOrNone", "0"), echo("minQty", ""));
  fields.push(request.ocaType === 0 ? 3 : request.ocaType, echo("triggerMethod", "0"));
  fields.push(...volatilityFields(echo, false), ...comboScaleHedgeFields(echo));
  fields.push(echo("clearingAccount", ""), echo("clearingIntent", "IB"));
  fields.push(...algoFields(echo), order.status, echo("randomizeSize", "0"), echo("randomizePrice", "0"));
  fields.push(...benchmarkFields(request, echo), 0);
  fields.push(echo("trailStopPrice", unsetDouble), echo("lmtPriceOffset", unsetDouble), echo("cashQty", "0"));
  fields.push(echo("dontUseAutoPriceForHedge", "1"), echo("isOmsContainer", "0"), "", order.filled);
  fields.push(unsetInt, echo("autoCancelParent", "0"), "Not an insider or substantial shareholder", 0, 0);
  fields.push(parentPermId === 0 ? unsetInt : parentPermId);
  // always with its zone, in every version.
  fields.push(order.completedAt === null ? "" : stamp(order.completedAt, request.instrument.timeZoneId, 174));
  fields.push(order.completedStatus, ...pegOffsetFields(serverVersion, echo));
  if (serverVersion >= 183) fields.push(echo("customerAccount", ""));
  if (serverVersion >= 184) fields.push(echo("professionalCustomer", "0"));
  return fields;
}

/** `clientId` is that of the reader who cancelled a foreign order, else the owner's. */
export function orderStatus(order: Order, clientId: number): Message {
  return [
    3,
    order.request.orderId,
    order.status,
    order.filled,
    order.remaining,
    order.avgFillPrice,
    order.permId,
    order.request.parentId,
    order.lastFillPrice,
    clientId,
    order.whyHeld,
    0,
  ];
}

/** execDetails (11); `reqId` is -1 for what nobody asked for. */
export function execDetails(serverVersion: number, reqId: number, execution: Execution): Message {
  const { request, permId } = execution.order;
  const { instrument } = request;
  const fields: Field[] = [
    11,
    reqId,
    request.orderId,
    instrument.conId,
    instrument.symbol,
    instrument.secType,
  ];
  fields.push(instrument.expiration, instrument.strike ?? 0, instrument.right, instrument.multiplier);
  fields.push(execution.exchange, instrument.currency, instrument.localSymbol, instrument.tradingClass);
  fields.push(execution.execId, stamp(execution.at, instrument.timeZoneId, serverVersion), request.account);
  fields.push(execution.exchange, execution.side, execution.shares, execution.price, permId);
  fields.push(request.clientId, 0, execution.cumQty, execution.avgPrice, request.orderRef, "", "", "", 1);
  if (serverVersion >= 178) fields.push(0);
  return fields;
}

/** The last two fields are a bond's yield at its price, and when it is paid back. */
export function commissionReport(execution: Execution): Message {
  const { instrument } = execution.order.request;
  return [
    59,
    1,
    execution.execId,
    execution.commission,
    execution.commissionCurrency,
    execution.realizedPnl ?? unsetDouble,
    bondYield(instrument, execution.price, execution.at) ?? unsetDouble,
    bondTerms(instrument)?.maturity ?? "",
  ];
}

/** An order made by hand is an order of this client from now on, under this id. */
export const orderBound = (permId: number, clientId: number, orderId: number): Message => [
  100,
  permId,
  clientId,
  orderId,
];

export const openOrderEnd = (): Message => [53, 1];
export const executionsEnd = (reqId: number): Message => [55, 1, reqId];
export const completedOrdersEnd = (): Message => [102];
