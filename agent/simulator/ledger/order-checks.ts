import { isAdvisor } from "./advisor.ts";
import { conforms } from "../market/market-rules.ts";
import type { Instrument } from "../model/instruments.ts";
import type { OrderRequest } from "../model/ledger.ts";
import { parseStamp } from "../time/zone-time.ts";

export interface Refusal {
  readonly code: number;
  readonly text: string;
}

/** Everything TWS would understand; what the simulator does not trade among these is error 387. */
const knownTypes = new Set(
  "MKT,LMT,STP,STP LMT,TRAIL,TRAIL LIMIT,MIT,LIT,MOC,LOC,MTL,MKT PRT,STP PRT,REL,MIDPRICE,PEG MID,PEG MKT,PEG BEST,PASSV REL,BOX TOP,VOL,SNAP MKT,SNAP MID,SNAP PRIM,BENCH,MKT PROT".split(
    ",",
  ),
);
const limitTypes = new Set(["LMT", "STP LMT", "LIT", "LOC"]);
const trailingTypes = new Set(["TRAIL", "TRAIL LIMIT"]);
const triggerTypes = new Set(["STP", "STP LMT", "MIT", "LIT"]);
const tifs = new Set(["", "DAY", "GTC", "IOC", "FOK", "GTD", "OPG"]);
/** TWS lists order types under names of their own. */
const listedName = (orderType: string) =>
  orderType === "TRAIL LIMIT" ? "TRAILLMT" : orderType.replaceAll(" ", "");

const invalid = (cause: string): Refusal => ({
  code: 321,
  text: `Error validating request.-'bF' : cause - ${cause}`,
});

/** Why TWS would refuse an order whatever the market and the account look like; null when it would not. */
export function refusalOf(request: OrderRequest, accounts: readonly string[], at: number): Refusal | null {
  const { instrument, orderType, quantity, account } = request;
  if (request.orderId === 0) return { code: 10149, text: `Invalid order id: ${request.orderId}` };
  if (isAdvisor(accounts[0] ?? "") && (request.echo["faGroup"] ?? "") !== "") {
    return { code: 201, text: "Order rejected - reason:This simulator allocates orders to no groups." };
  }
  if (account === "" && accounts.length > 1) return { code: 435, text: "You must specify an account." };
  if (account !== "" && !accounts.includes(account)) return invalid(`Invalid account code '${account}'`);
  if (!knownTypes.has(orderType)) return invalid("Invalid order type was entered");
  if (!tifs.has(request.tif)) return invalid("Invalid time in force was entered");
  if (!instrument.orderTypes.includes(listedName(orderType))) {
    return { code: 387, text: "Unsupported order type for this exchange and security type." };
  }
  if (quantity <= 0) return { code: 434, text: "The order size cannot be zero." };
  if (instrument.secType === "BOND" && quantity < instrument.minSize) {
    const text = `Order rejected - reason:The minimum order size of this bond is ${instrument.minSize}.`;
    return { code: 201, text };
  }
  if (
    instrument.secType === "STK" &&
    instrument.minSize > 1 &&
    !Number.isInteger(quantity / instrument.minSize)
  ) {
    return { code: 355, text: "Order size does not conform to market rule." };
  }
  // the least of a bond is not its step
  if (!isWhole(instrument.secType === "BOND" ? quantity : quantity / instrument.minSize)) {
    return {
      code: 10243,
      text: "Fractional-sized order cannot be placed via API. Please use desktop version of TWS.",
    };
  }
  return timeRefusal(request, at) ?? priceRefusal(request);
}

/** A part of a coin has eight decimals, which a division does not hit exactly. */
const isWhole = (steps: number): boolean => Math.abs(steps - Math.round(steps)) < 1e-6;

function timeRefusal({ instrument, orderType, tif, echo }: OrderRequest, at: number): Refusal | null {
  if (tif === "GTD") {
    const until = parseStamp(echo["goodTillDate"] ?? "", instrument.timeZoneId);
    if (until === null) {
      const text = "The date, time, or time-zone entered is invalid.";
      return {
        code: 343,
        text: `${text} The correct format is yyyymmdd hh:mm:ss xx/xxxx where yyyymmdd and xx/xxxx are optional.`,
      };
    }
    if (until <= at) return { code: 201, text: "Order rejected - reason:The good till date has passed." };
  }
  const isAuction = instrument.orderTypes.includes("OPG") && (orderType === "MKT" || orderType === "LMT");
  if (tif !== "OPG" || isAuction) return null;
  return { code: 201, text: "Order rejected - reason:Invalid time-in-force for this order." };
}

function priceRefusal({ instrument, orderType, limitPrice, auxPrice, echo }: OrderRequest): Refusal | null {
  if (limitTypes.has(orderType) && limitPrice === null) return invalid("The limit price is missing");
  if (triggerTypes.has(orderType) && auxPrice === null) return invalid("The stop price is missing");
  if (trailingTypes.has(orderType) && auxPrice === null && trailingPercent(echo) === null) {
    return invalid("The trailing amount is missing");
  }
  if (orderType === "TRAIL LIMIT" && !isGiven(echo["trailStopPrice"])) {
    return invalid("The initial stop price is missing");
  }
  if (orderType === "TRAIL LIMIT" && limitPrice === null && !isGiven(echo["lmtPriceOffset"])) {
    return invalid("The limit price offset is missing");
  }
  const prices = [
    limitTypes.has(orderType) ? limitPrice : null,
    triggerTypes.has(orderType) ? auxPrice : null,
  ];
  const rule = ruleOf(instrument);
  if (prices.every((price) => price === null || (price > 0 && conforms(rule, price)))) return null;
  return { code: 110, text: "The price does not conform to the minimum price variation for this contract." };
}

/** TWS writes "not given" as nothing or as the largest double. */
function isGiven(text: string | undefined): boolean {
  const value = Number.parseFloat(text ?? "");
  return Number.isFinite(value) && value < 1e300;
}

export function ruleOf(instrument: Instrument): number {
  return instrument.marketRuleIds[0] ?? 0;
}

export function trailingPercent(echo: OrderRequest["echo"]): number | null {
  const percent = Number.parseFloat(echo["trailingPercent"] ?? "");
  // TWS writes "not given" as the largest double
  return Number.isFinite(percent) && percent > 0 && percent < 100 ? percent : null;
}

/** Error 105 when a modification is not of the same contract and side; null when it is. */
export function mismatchOf(before: OrderRequest, after: OrderRequest): Refusal | null {
  const same = before.instrument.conId === after.instrument.conId && before.action === after.action;
  return same ? null : { code: 105, text: "Order being modified does not match original order" };
}
