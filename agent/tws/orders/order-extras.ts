import type { Order as IbOrder } from "@stoqey/ib";
import { figureOf } from "../session/figures.ts";

/** The terms of an order at TWS that we do not model. */
export interface OrderExtras {
  /** Sent back as they are with each change, since TWS takes a change as the whole order anew. */
  readonly carried: Partial<IbOrder>;
  /** The names of those that cannot be sent back whole: an order with any is not changed here. */
  readonly fixed: readonly string[];
}

export const noExtras: OrderExtras = { carried: {}, fixed: [] };

type Treatment =
  /** A term of our own model, an id, or how a message is meant. */
  | "modelled"
  | "carried"
  | "fixed"
  /** Said by TWS, or what it fills in by itself: no term of the order. */
  | "told";

/** Every field that an order can have, so that a new one is neither lost nor sent unseen. */
const treatments: Readonly<Record<keyof IbOrder, Treatment>> = {
  orderId: "modelled",
  clientId: "modelled",
  permId: "modelled",
  action: "modelled",
  totalQuantity: "modelled",
  orderType: "modelled",
  lmtPrice: "modelled",
  auxPrice: "modelled",
  trailStopPrice: "modelled",
  lmtPriceOffset: "modelled",
  tif: "modelled",
  goodTillDate: "modelled",
  outsideRth: "modelled",
  ocaGroup: "modelled",
  orderRef: "modelled",
  parentId: "modelled",
  account: "modelled",
  transmit: "modelled",
  whatIf: "modelled",

  ocaType: "carried",
  blockOrder: "carried",
  sweepToFill: "carried",
  displaySize: "carried",
  triggerMethod: "carried",
  hidden: "carried",
  goodAfterTime: "carried",
  allOrNone: "carried",
  minQty: "carried",
  percentOffset: "carried",
  trailingPercent: "carried",
  discretionaryAmt: "carried",
  discretionaryUpToLimitPrice: "carried",
  nbboPriceCap: "carried",
  optOutSmartRouting: "carried",
  cashQty: "carried",
  randomizeSize: "carried",
  randomizePrice: "carried",
  duration: "carried",
  postToAts: "carried",
  autoCancelParent: "carried",
  autoCancelDate: "carried",
  includeOvernight: "carried",
  imbalanceOnly: "carried",
  routeMarketableToBbo: "carried",
  notHeld: "carried",
  usePriceMgmtAlgo: "carried",
  modelCode: "carried",
  rule80A: "carried",
  shortSaleSlot: "carried",
  designatedLocation: "carried",
  settlingFirm: "carried",
  clearingAccount: "carried",
  customerAccount: "carried",
  professionalCustomer: "carried",
  solicited: "carried",
  extOperator: "carried",
  manualOrderIndicator: "carried",
  mifid2DecisionMaker: "carried",
  mifid2DecisionAlgo: "carried",
  mifid2ExecutionTrader: "carried",
  mifid2ExecutionAlgo: "carried",
  minTradeQty: "carried",
  minCompeteSize: "carried",
  competeAgainstBestOffset: "carried",
  midOffsetAtWhole: "carried",
  midOffsetAtHalf: "carried",

  faGroup: "fixed",
  faProfile: "fixed",
  faMethod: "fixed",
  faPercentage: "fixed",
  conditions: "fixed",
  algoStrategy: "fixed",
  algoParams: "fixed",
  algoId: "fixed",
  hedgeType: "fixed",
  hedgeParam: "fixed",
  scalePriceIncrement: "fixed",
  scaleTable: "fixed",
  scaleInitLevelSize: "fixed",
  scaleSubsLevelSize: "fixed",
  scalePriceAdjustValue: "fixed",
  scalePriceAdjustInterval: "fixed",
  scaleProfitOffset: "fixed",
  scaleAutoReset: "fixed",
  scaleInitPosition: "fixed",
  scaleInitFillQty: "fixed",
  scaleRandomPercent: "fixed",
  activeStartTime: "fixed",
  activeStopTime: "fixed",
  volatility: "fixed",
  continuousUpdate: "fixed",
  deltaNeutralOrderType: "fixed",
  deltaNeutralAuxPrice: "fixed",
  deltaNeutralConId: "fixed",
  startingPrice: "fixed",
  stockRefPrice: "fixed",
  delta: "fixed",
  stockRangeLower: "fixed",
  stockRangeUpper: "fixed",
  auctionStrategy: "fixed",
  adjustedOrderType: "fixed",
  triggerPrice: "fixed",
  adjustedStopPrice: "fixed",
  adjustedStopLimitPrice: "fixed",
  adjustedTrailingAmount: "fixed",
  referenceContractId: "fixed",
  peggedChangeAmount: "fixed",
  referenceChangeAmount: "fixed",
  isPeggedChangeAmountDecrease: "fixed",
  referenceExchangeId: "fixed",
  orderComboLegs: "fixed",
  smartComboRoutingParams: "fixed",
  isOmsContainer: "fixed",

  // these mean something beside others alone, which are above
  volatilityType: "told",
  referencePriceType: "told",
  adjustableTrailingUnit: "told",
  conditionsIgnoreRth: "told",
  conditionsCancelOrder: "told",
  deltaNeutralSettlingFirm: "told",
  deltaNeutralClearingAccount: "told",
  deltaNeutralClearingIntent: "told",
  deltaNeutralOpenClose: "told",
  deltaNeutralShortSale: "told",
  deltaNeutralShortSaleSlot: "told",
  deltaNeutralDesignatedLocation: "told",
  basisPoints: "told",
  basisPointsType: "told",
  openClose: "told",
  origin: "told",
  exemptCode: "told",
  eTradeOnly: "told",
  firmQuoteOnly: "told",
  clearingIntent: "told",
  dontUseAutoPriceForHedge: "told",
  orderMiscOptions: "told",
  overridePercentageConstraints: "told",
  advancedErrorOverride: "told",
  manualOrderTime: "told",
  softDollarTier: "told",
  tier: "told",
  filledQuantity: "told",
  refFuturesConId: "told",
  shareholder: "told",
  parentPermId: "told",
  bondAccruedInterest: "told",
};

/** How TWS and the library write "not given", or what an order has that nobody gave anything. */
const blanks: ReadonlySet<unknown> = new Set([undefined, null, "", "0", "None", "?", 0, -1, false]);

const isGiven = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "number" && figureOf(value) === null) return false;
  return !blanks.has(value);
};

/** What TWS shows of an order beside the terms that we model. */
export function extrasOf(order: IbOrder): OrderExtras {
  const given = Object.entries(order).filter(([, value]) => isGiven(value));
  const treated = (treatment: Treatment) => given.filter(([name]) => treatmentOf(name) === treatment);
  // TWS shows a type also for an order without a group
  const carried = treated("carried").filter(([name]) => name !== "ocaType" || isGiven(order.ocaGroup));
  return { carried: Object.fromEntries(carried), fixed: treated("fixed").map(([name]) => name) };
}

const treatmentByName: ReadonlyMap<string, Treatment> = new Map(Object.entries(treatments));

/** A field that the library has and its types have not is not known to be harmless. */
const treatmentOf = (name: string): Treatment => treatmentByName.get(name) ?? "fixed";
