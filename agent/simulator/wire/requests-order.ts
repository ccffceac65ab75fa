import type { ContractQuery } from "../model/instruments.ts";
import { integerOr, readContract } from "./requests-contract.ts";
import type { FieldReader } from "./wire.ts";

/** placeOrder, with the fields the simulator acts on by name and every other one in `echo`. */
export interface PlaceOrder {
  readonly type: "placeOrder";
  readonly orderId: number;
  readonly contract: ContractQuery;
  readonly action: string;
  readonly quantity: number;
  readonly orderType: string;
  readonly limitPrice: number | null;
  readonly auxPrice: number | null;
  readonly tif: string;
  readonly ocaGroup: string;
  readonly ocaType: number;
  readonly account: string;
  readonly orderRef: string;
  readonly transmit: boolean;
  readonly parentId: number;
  readonly outsideRth: boolean;
  readonly whatIf: boolean;
  readonly comboLegs: number;
  readonly conditions: number;
  readonly echo: Readonly<Record<string, string>>;
}

export type CancelOrder = { readonly type: "cancelOrder"; readonly orderId: number };

interface Echo {
  readonly texts: Record<string, string>;
  /** Keeps the next fields under these names. */
  keep(...names: readonly string[]): void;
}

function echoOf(fields: FieldReader): Echo {
  const texts: Record<string, string> = {};
  return {
    texts,
    keep(...names) {
      for (const name of names) texts[name] = fields.text();
    },
  };
}

/** Legs, their prices and their routing; only combinations carry them. */
function readCombo(fields: FieldReader, contract: ContractQuery): number {
  if (contract.secType !== "BAG") return 0;
  const legs = fields.count(8);
  fields.skip(legs * 8);
  fields.skip(fields.count(1));
  fields.skip(fields.count(2) * 2);
  return legs;
}

function readPairs(fields: FieldReader): string {
  const pairs: [string, string][] = [];
  for (let left = fields.count(2); left > 0; left--) pairs.push([fields.text(), fields.text()]);
  return JSON.stringify(pairs);
}

/** Numbered as TWS numbers condition types; the fields behind the type and the conjunction. */
const conditionFields: ReadonlyMap<number, number> = new Map([
  [1, 5], // price
  [3, 2], // time
  [4, 2], // margin
  [5, 3], // execution
  [6, 4], // volume
  [7, 4], // percent change
]);

function readConditions(fields: FieldReader, echo: Echo): number {
  const conditions = fields.count(3);
  for (let i = 0; i < conditions; i++) {
    const kind = integerOr(0, fields.int());
    fields.skip(1 + (conditionFields.get(kind) ?? 0));
  }
  if (conditions > 0) echo.keep("conditionsIgnoreRth", "conditionsCancelOrder");
  return conditions;
}

function readVolatility(echo: Echo): void {
  echo.keep("volatility", "volatilityType", "deltaNeutralOrderType", "deltaNeutralAuxPrice");
  if (echo.texts["deltaNeutralOrderType"] !== "") {
    echo.keep(
      "deltaNeutralConId",
      "deltaNeutralSettlingFirm",
      "deltaNeutralClearingAccount",
      "deltaNeutralClearingIntent",
      "deltaNeutralOpenClose",
      "deltaNeutralShortSale",
      "deltaNeutralShortSaleSlot",
      "deltaNeutralDesignatedLocation",
    );
  }
  echo.keep("continuousUpdate", "referencePriceType", "trailStopPrice", "trailingPercent");
}

function isPositive(text: string | undefined): boolean {
  const value = Number(text ?? "");
  return value > 0 && value < Number.MAX_VALUE;
}

function readScaleAndHedge(echo: Echo): void {
  echo.keep("scaleInitLevelSize", "scaleSubsLevelSize", "scalePriceIncrement");
  if (isPositive(echo.texts["scalePriceIncrement"])) {
    echo.keep(
      "scalePriceAdjustValue",
      "scalePriceAdjustInterval",
      "scaleProfitOffset",
      "scaleAutoReset",
      "scaleInitPosition",
      "scaleInitFillQty",
      "scaleRandomPercent",
    );
  }
  echo.keep("scaleTable", "activeStartTime", "activeStopTime", "hedgeType");
  if (echo.texts["hedgeType"] !== "") echo.keep("hedgeParam");
}

function readAlgo(fields: FieldReader, echo: Echo): void {
  echo.keep("optOutSmartRouting", "clearingAccount", "clearingIntent", "notHeld");
  if (fields.flag()) fields.skip(3);
  echo.keep("algoStrategy");
  if (echo.texts["algoStrategy"] !== "") echo.texts["algoParams"] = readPairs(fields);
  echo.keep("algoId");
}

function readPegged(fields: FieldReader, echo: Echo, orderType: string): number {
  if (orderType === "PEG BENCH" || orderType === "PEGBENCH") {
    echo.keep(
      "referenceContractId",
      "isPeggedChangeAmountDecrease",
      "peggedChangeAmount",
      "referenceChangeAmount",
      "referenceExchangeId",
    );
  }
  const conditions = readConditions(fields, echo);
  echo.keep(
    "adjustedOrderType",
    "triggerPrice",
    "lmtPriceOffset",
    "adjustedStopPrice",
    "adjustedStopLimitPrice",
    "adjustedTrailingAmount",
    "adjustableTrailingUnit",
  );
  return conditions;
}

/** Offsets of pegged orders, present only for the order types and the venue that use them. */
function readPegOffsets(echo: Echo, orderType: string, exchange: string | null): void {
  if (exchange === "IBKRATS") echo.keep("minTradeQty");
  const pegBest = orderType === "PEG BEST" || orderType === "PEGBEST";
  if (pegBest) echo.keep("minCompeteSize", "competeAgainstBestOffset");
  const upToMid = pegBest && echo.texts["competeAgainstBestOffset"] === "Infinity";
  if (upToMid || orderType === "PEG MID" || orderType === "PEGMID") {
    echo.keep("midOffsetAtWhole", "midOffsetAtHalf");
  }
}

function readTail(echo: Echo, serverVersion: number, orderType: string, exchange: string | null): void {
  echo.keep("extOperator", "softDollarTierName", "softDollarTierValue", "cashQty");
  echo.keep("mifid2DecisionMaker", "mifid2DecisionAlgo", "mifid2ExecutionTrader", "mifid2ExecutionAlgo");
  echo.keep("dontUseAutoPriceForHedge", "isOmsContainer", "discretionaryUpToLimitPrice", "usePriceMgmtAlgo");
  if (serverVersion >= 158) echo.keep("duration");
  if (serverVersion >= 160) echo.keep("postToAts");
  if (serverVersion >= 162) echo.keep("autoCancelParent");
  if (serverVersion >= 166) echo.keep("advancedErrorOverride");
  if (serverVersion >= 169) echo.keep("manualOrderTime");
  if (serverVersion >= 170) readPegOffsets(echo, orderType, exchange);
  if (serverVersion >= 183) echo.keep("customerAccount");
  if (serverVersion >= 184) echo.keep("professionalCustomer");
  if (serverVersion >= 187 && serverVersion < 190) echo.keep("externalUserId", "rfqIndicator");
  if (serverVersion >= 189) echo.keep("includeOvernight");
  if (serverVersion >= 192) echo.keep("manualOrderIndicator");
}

/** placeOrder (3) in the layouts of server versions 151 to 193. */
export function readPlaceOrder(fields: FieldReader, serverVersion: number): PlaceOrder {
  const orderId = fields.id();
  const contract = readContract(fields, { primaryExchange: true, includeExpired: false });
  const echo = echoOf(fields);
  echo.keep("secIdType", "secId");
  const action = fields.text().toUpperCase();
  const quantity = fields.number() ?? 0;
  const orderType = fields.text().toUpperCase();
  const limitPrice = fields.number();
  const auxPrice = fields.number();
  const tif = fields.text();
  const ocaGroup = fields.text();
  const account = fields.text();
  echo.keep("openClose", "origin");
  const orderRef = fields.text();
  const transmit = fields.flag();
  const parentId = integerOr(0, fields.int());
  echo.keep("blockOrder", "sweepToFill", "displaySize", "triggerMethod");
  const outsideRth = fields.flag();
  echo.keep("hidden");
  const comboLegs = readCombo(fields, contract);
  fields.skip(1); // the shares allocation of long ago
  echo.keep("discretionaryAmt", "goodAfterTime", "goodTillDate", "faGroup", "faMethod", "faPercentage");
  if (serverVersion < 177) echo.keep("faProfile");
  echo.keep("modelCode", "shortSaleSlot", "designatedLocation", "exemptCode");
  const ocaType = integerOr(0, fields.int());
  echo.keep("rule80A", "settlingFirm", "allOrNone", "minQty", "percentOffset", "eTradeOnly", "firmQuoteOnly");
  echo.keep("nbboPriceCap", "auctionStrategy", "startingPrice", "stockRefPrice", "delta");
  echo.keep("stockRangeLower", "stockRangeUpper", "overridePercentageConstraints");
  readVolatility(echo);
  readScaleAndHedge(echo);
  readAlgo(fields, echo);
  const whatIf = fields.flag();
  echo.keep("orderMiscOptions", "solicited", "randomizeSize", "randomizePrice");
  const conditions = readPegged(fields, echo, orderType);
  readTail(echo, serverVersion, orderType, contract.exchange);
  return {
    type: "placeOrder",
    orderId,
    contract,
    action,
    quantity,
    orderType,
    limitPrice,
    auxPrice,
    tif,
    ocaGroup,
    ocaType,
    account,
    orderRef,
    transmit,
    parentId,
    outsideRth,
    whatIf,
    comboLegs,
    conditions,
    echo: echo.texts,
  };
}

/** cancelOrder (4): an order id, and behind it who cancels when; only the id matters here. */
export function readCancelOrder(fields: FieldReader, serverVersion: number): CancelOrder {
  if (serverVersion < 192) fields.text();
  return { type: "cancelOrder", orderId: fields.id() };
}

export function readGlobalCancel(): { readonly type: "globalCancel" } {
  return { type: "globalCancel" };
}
