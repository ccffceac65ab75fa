import { integerOr, readContract, skipComboLegs, skipDeltaNeutral } from "./requests-contract.ts";
import { readCalculation } from "./requests-option.ts";
import { dataDecoders } from "./requests-data.ts";
import { informationDecoders } from "./requests-information.ts";
import { readCancelOrder, readGlobalCancel, readPlaceOrder } from "./requests-order.ts";
import type { Request } from "./requests.ts";
import { type FieldReader, fieldReader } from "./wire.ts";

type Decoder = (fields: FieldReader, serverVersion: number) => Request;

const full = { primaryExchange: true, includeExpired: false } as const;
const expiredToo = { primaryExchange: true, includeExpired: true } as const;

function given(text: string): string | null {
  return text === "" ? null : text;
}

function ignored(): Request {
  return { type: "ignored" };
}

/** Old messages carry a version number of their own ahead of everything else. */
function versioned(decode: Decoder): Decoder {
  return (fields, serverVersion) => {
    fields.text();
    return decode(fields, serverVersion);
  };
}

function byId(
  type:
    | "cancelMarketData"
    | "cancelHistoricalData"
    | "cancelAccountSummary"
    | "cancelPnl"
    | "cancelPnlSingle"
    | "cancelPositionsMulti"
    | "cancelAccountUpdatesMulti"
    | "userInfo"
    | "softDollarTiers",
): Decoder {
  return (fields) => ({ type, reqId: fields.id() });
}

function unsupported(code: number, text: string): Decoder {
  return (fields) => ({ type: "unsupported", reqId: fields.id(), code, text });
}

function unsupportedSystem(text: string): Decoder {
  return () => ({ type: "unsupported", reqId: -1, code: 321, text });
}

const notHere = "Error validating request.-'bW' : cause - This simulator does not answer";

const contractDetails: Decoder = (fields, serverVersion) => {
  const reqId = fields.id();
  const contract = readContract(fields, expiredToo);
  const [, secId] = fields.left() >= 2 ? [fields.text(), given(fields.text().trim())] : [null, null];
  const issuerId = serverVersion >= 176 && fields.left() > 0 ? given(fields.text().trim()) : null;
  const named = secId === null ? contract : { ...contract, secId };
  return { type: "contractDetails", reqId, contract: named, issuerId };
};

const marketData: Decoder = (fields) => {
  const reqId = fields.id();
  const contract = readContract(fields, full);
  skipComboLegs(fields, contract);
  skipDeltaNeutral(fields);
  const genericTicks = fields.text();
  const snapshot = fields.flag();
  const regulatory = fields.flag();
  return { type: "marketData", reqId, contract, genericTicks, snapshot: snapshot || regulatory };
};

const historicalData: Decoder = (fields) => {
  const reqId = fields.id();
  const contract = readContract(fields, expiredToo);
  const endDateTime = fields.text();
  const barSize = fields.text();
  const duration = fields.text();
  const useRth = fields.flag();
  const whatToShow = fields.text().toUpperCase();
  const formatDate = integerOr(1, fields.int());
  skipComboLegs(fields, contract);
  const keepUpToDate = fields.flag();
  return {
    type: "historicalData",
    reqId,
    contract,
    endDateTime,
    barSize,
    duration,
    useRth,
    whatToShow,
    formatDate,
    keepUpToDate,
  };
};

const headTimestamp: Decoder = (fields) => {
  const reqId = fields.id();
  const contract = readContract(fields, expiredToo);
  fields.flag();
  const whatToShow = fields.text().toUpperCase();
  return { type: "headTimestamp", reqId, contract, whatToShow, formatDate: integerOr(1, fields.int()) };
};

const executions: Decoder = (fields) => {
  const reqId = fields.id();
  const clientId = fields.int();
  return {
    type: "executions",
    reqId,
    clientId: clientId === 0 ? null : clientId,
    account: given(fields.text()),
    since: given(fields.text()),
    symbol: given(fields.text()),
    secType: given(fields.text()),
    exchange: given(fields.text()),
    side: given(fields.text()),
  };
};

const decoders: ReadonlyMap<number, Decoder> = new Map<number, Decoder>([
  ...dataDecoders,
  ...informationDecoders,
  [1, versioned(marketData)],
  [2, versioned(byId("cancelMarketData"))],
  [3, readPlaceOrder],
  [4, readCancelOrder],
  [5, () => ({ type: "openOrders" })],
  [6, versioned((fields) => ({ type: "accountUpdates", on: fields.flag(), account: fields.text() }))],
  [7, versioned(executions)],
  [8, () => ({ type: "nextValidId" })],
  [9, versioned(contractDetails)],
  [14, ignored],
  [15, versioned((fields) => ({ type: "autoOpenOrders", on: fields.flag() }))],
  [16, () => ({ type: "allOpenOrders" })],
  [17, () => ({ type: "managedAccounts" })],
  [18, versioned((fields) => ({ type: "advisorData", dataType: integerOr(0, fields.int()) }))],
  [
    19,
    unsupportedSystem(
      "Error validating request.-'bS' : cause - FA data operations ignored for non FA customers.",
    ),
  ],
  [20, historicalData],
  [21, versioned(unsupported(321, `${notHere} exercise requests`))],
  [25, versioned(byId("cancelHistoricalData"))],
  [49, () => ({ type: "currentTime" })],
  [53, ignored],
  [54, versioned(readCalculation("impliedVolatility"))],
  [55, versioned(readCalculation("optionPrice"))],
  [56, ignored],
  [57, ignored],
  [58, readGlobalCancel],
  [59, versioned((fields) => ({ type: "marketDataType", value: integerOr(1, fields.int()) }))],
  [61, () => ({ type: "positions" })],
  [
    62,
    versioned((fields) => ({
      type: "accountSummary",
      reqId: fields.id(),
      group: fields.text(),
      tags: fields
        .text()
        .split(",")
        .map((tag) => tag.trim()),
    })),
  ],
  [63, versioned(byId("cancelAccountSummary"))],
  [64, () => ({ type: "cancelPositions" })],
  [65, unsupportedSystem(`${notHere} verification requests`)],
  [66, unsupportedSystem(`${notHere} verification requests`)],
  [67, versioned(unsupported(321, `${notHere} display group requests`))],
  [68, versioned(unsupported(321, `${notHere} display group requests`))],
  [69, versioned(unsupported(321, `${notHere} display group requests`))],
  [70, ignored],
  [71, versioned((fields) => ({ type: "startApi", clientId: fields.id() }))],
  [72, unsupportedSystem(`${notHere} verification requests`)],
  [73, unsupportedSystem(`${notHere} verification requests`)],
  [
    74,
    versioned((fields) => ({
      type: "positionsMulti",
      reqId: fields.id(),
      account: fields.text(),
      model: fields.text(),
    })),
  ],
  [75, versioned(byId("cancelPositionsMulti"))],
  [
    76,
    versioned((fields) => ({
      type: "accountUpdatesMulti",
      reqId: fields.id(),
      account: fields.text(),
      model: fields.text(),
      ledgerAndNlv: fields.flag(),
    })),
  ],
  [77, versioned(byId("cancelAccountUpdatesMulti"))],
  [
    78,
    (fields) => {
      const reqId = fields.id();
      fields.text();
      const exchange = fields.text();
      fields.text();
      return { type: "optionChains", reqId, exchange, underlyingConId: integerOr(0, fields.int()) };
    },
  ],
  [79, byId("softDollarTiers")],
  [80, () => ({ type: "familyCodes" })],
  [81, (fields) => ({ type: "matchingSymbols", reqId: fields.id(), pattern: fields.text() })],
  [82, () => ({ type: "depthExchanges" })],
  [83, (fields) => ({ type: "smartComponents", reqId: fields.id(), bboExchange: fields.text() })],
  [87, headTimestamp],
  [89, ignored],
  [90, ignored],
  [91, (fields) => ({ type: "marketRule", ruleId: integerOr(0, fields.int()) })],
  [
    92,
    (fields) => {
      const reqId = fields.id();
      const account = fields.text();
      return { type: "pnl", reqId, account };
    },
  ],
  [93, byId("cancelPnl")],
  [
    94,
    (fields) => {
      const reqId = fields.id();
      const account = fields.text();
      fields.text();
      return { type: "pnlSingle", reqId, account, conId: integerOr(0, fields.int()) };
    },
  ],
  [95, byId("cancelPnlSingle")],
  [99, () => ({ type: "completedOrders" })],
  [104, byId("userInfo")],
]);

/**
 * What the fields of one message ask, in the layout of the negotiated version. Fields beyond the known ones are
 * passed over. Throws MalformedRequest when a field is missing or not of its kind.
 */
export function decodeRequest(fields: readonly string[], serverVersion: number): Request {
  const messageId = fields[0] ?? "";
  const decode = /^\d{1,4}$/.test(messageId) ? decoders.get(Number(messageId)) : undefined;
  if (decode === undefined) return { type: "unknown", messageId: messageId.slice(0, 20) };
  return decode(fieldReader(fields), serverVersion);
}
