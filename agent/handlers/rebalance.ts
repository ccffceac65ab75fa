import { worstPrice } from "../limits/worst-price.ts";
import { ContractSelector } from "../../shared/contract.ts";
import type { Contract } from "../../shared/contract.ts";
import { plural } from "../../shared/plural.ts";
import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import { modeOf } from "../../shared/status.ts";
import type { analysisTools } from "../../shared/tools/analysis.ts";
import type { InputOf, OutputOf } from "../../shared/tools/define.ts";
import { accountState } from "../analysis/account-state.ts";
import type { AccountState } from "../analysis/account-state.ts";
import { mapConcurrently } from "../call/concurrent-map.ts";
import { commissionAtMost } from "../analysis/commissions.ts";
import { percentOf, planRebalance } from "../analysis/rebalance.ts";
import type { Line, Plan, Trade } from "../analysis/rebalance.ts";
import { claimsOf } from "../analysis/working-orders.ts";
import type { Claims } from "../analysis/working-orders.ts";
import { resolveAccount } from "../limits/limits.ts";
import { priceOfValue, valueOfTrade } from "../tws/contracts/contract-value.ts";
import { resolveDetails } from "../tws/contracts/contracts.ts";
import type { ContractDetails } from "../tws/contracts/translate.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";

type Tool = (typeof analysisTools)["ibkr_plan_rebalance"];
type Input = InputOf<Tool>;

/** A line with what it takes to write an order for it. */
interface Row extends Line {
  readonly contract: Partial<Contract>;
  readonly priceMagnifier: number;
  readonly dataType: string;
  /** As quotes and orders say it, which may be in parts of the currency. */
  readonly buyLimit: number;
  readonly sellLimit: number;
}

interface Price {
  readonly bid: number;
  readonly ask: number;
  readonly mark: number;
  readonly dataType: string;
}

const atOnce = 10;
const quoteMs = 9_000;
const mostRows = 60;
/** Of what working orders take. */
const mostClaims = 20;
/** Of all orders as JSON: what is left alone and the method come beside them. */
const orderCharacters = 10_000;

const method = {
  targets: "percent of (net liquidation − cash buffer); current percent = quantity × mid price ÷ the same",
  quantity:
    "whole lots (of lotSize, and of the venue's own step) of the difference ÷ mid price, rounded down; a sale is never more than the whole lots held that no working order offers",
  price: "limitPrice is the ask for purchases and the bid for sales, on the tick that favours a fill",
  cash: "cash after = cash + sales − purchases − commissions, in whole cents; purchases rounded up, sales down. Purchases shrink by one factor when cash less the buffer and working.cashSetAside, plus sales, does not pay for all",
  working:
    "cashSetAside: for each working purchase what is left of it × its limit, or its stop, or the ask of now where it has neither, × multiplier × exchange rate, rounded up, without commission. Each order counts whole, also where one cancels another; exchanging currency counts nothing, since cash is that of all currencies",
  commission: "an upper estimate from IBKR's fixed schedule of each currency, duties included",
} as const;

type Deps = Pick<HandlerDeps, "session" | "orderBook" | "quotes" | "limits" | "now">;

/** ibkr_plan_rebalance: reads the account, the working orders and the prices, and leaves the sums to analysis. */
export const createRebalancePlanner = ({ session, orderBook, quotes, limits, now }: Deps) => {
  /** Null when there is neither a quote nor a valuation of TWS. */
  async function priceOf(details: ContractDetails, unitValue: number | null, context: CallContext) {
    const { contract } = details;
    const request = { ...requestOf(context), timeoutMs: Math.min(quoteMs, context.twsTimeoutMs) };
    try {
      const { quote } = await quotes.snapshot(contract, request);
      const traded = quote.last ?? quote.close;
      const bid = quote.bid ?? traded ?? quote.ask;
      const ask = quote.ask ?? traded ?? quote.bid;
      if (bid !== null && ask !== null && bid > 0 && ask > 0)
        return { bid, ask, mark: (bid + ask) / 2, dataType: quote.dataType } satisfies Price;
    } catch (error) {
      if (!(error instanceof TwsError) || context.signal.aborted) throw error;
    }
    const known = unitValue === null ? null : priceOfValue(details, unitValue);
    if (known === null || known <= 0) return null;
    return { bid: known, ask: known, mark: known, dataType: "portfolio" } satisfies Price;
  }

  /** Null when its price does not follow from what it says, and there is no quote. */
  async function worstOf(order: Order, context: CallContext): Promise<number | null> {
    const stated = worstPrice(order, null);
    if (stated.kind === "price") return stated.price;
    if (stated.kind === "unknown") return null;
    try {
      const { conId } = order.contract;
      const { contract } = await resolveDetails(session, { conId }, requestOf(context));
      const request = { ...requestOf(context), timeoutMs: Math.min(quoteMs, context.twsTimeoutMs) };
      const found = worstPrice(order, (await quotes.snapshot(contract, request)).quote);
      return found.kind === "price" ? found.price : null;
    } catch (error) {
      if (!(error instanceof TwsError) || context.signal.aborted) throw error;
      return null;
    }
  }

  /** Null when TWS does not know it any more. */
  async function instrumentOf({ contract: { conId } }: Order, context: CallContext) {
    try {
      return await resolveDetails(session, { conId }, requestOf(context));
    } catch (error) {
      if (!(error instanceof TwsError) || context.signal.aborted) throw error;
      return null;
    }
  }

  async function rowFor(target: TargetPosition, state: AccountState, claims: Claims, context: CallContext) {
    const { contract: partial, targetPercent, held, unitValue } = target;
    const isStock = partial.secType === "STK";
    const rate = state.rateOf(partial.currency ?? "");
    const valued = (unitValue ?? 0) * (rate ?? 0);
    const offered = claims.offered.get(partial.conId ?? 0)?.quantity ?? 0;
    const still = (blocked: string): Row => ({
      contract: partial,
      priceMagnifier: 1,
      held,
      offered,
      targetPercent,
      blocked,
      mark: valued,
      bid: valued,
      ask: valued,
      dataType: "portfolio",
      buyLimit: 0,
      sellLimit: 0,
      commission: () => 0,
    });
    if (!isStock) return still(`it is ${partial.secType ?? "unknown"}: only stocks and funds are rebalanced`);
    if (targetPercent === null) return still("no target is given for it");
    if (rate === null) return still(`TWS gives no rate from ${partial.currency ?? ""} to ${state.currency}`);
    const conId = partial.conId;
    if (conId !== undefined && claims.ordered.has(conId))
      return still("it has working orders; cancel them or wait until they are done");
    const details = await resolveDetails(session, { conId }, requestOf(context));
    const { contract, minTick, minSize, sizeIncrement } = details;
    const price = await priceOf(details, unitValue, context);
    if (price === null) return still("TWS gives no price for it");
    const worthOf = (one: number, of = rate): number | null => {
      const value = valueOfTrade(details, { quantity: 1, price: one, rate: of });
      return value.kind === "value" ? value.amount : null;
    };
    const [low, high] = [worthOf(price.bid, 1), worthOf(price.ask, 1)];
    if (low === null || high === null) return still("its value does not follow from its price");
    if (unitValue !== null && !agrees(unitValue, low, high))
      return still(
        `TWS says that one is worth ${figure(unitValue)} ${contract.currency}, and by its quote it is ${figure(low)} to ${figure(high)}`,
      );
    const buyLimit = onTick(price.ask, minTick, Math.ceil);
    const sellLimit = onTick(price.bid, minTick, Math.floor);
    if (sellLimit <= 0) return still("its price is below one tick");
    const row: Row = {
      contract,
      priceMagnifier: details.priceMagnifier,
      held,
      offered,
      targetPercent,
      minSize,
      sizeIncrement,
      blocked: null,
      dataType: price.dataType,
      buyLimit,
      sellLimit,
      mark: worthOf(price.mark) ?? 0,
      ask: worthOf(buyLimit) ?? 0,
      bid: worthOf(sellLimit) ?? 0,
      commission: (quantity, value) => commissionAtMost(contract.currency, quantity, value / rate) * rate,
    };
    return row;
  }

  return async (input: Input, context: CallContext): Promise<OutputOf<Tool>> => {
    requireSum(input);
    const account = resolveAccount(input.account, context.caller, session.accounts(), limits.onlyAccount);
    const request = requestOf(context);
    // first: what fills meanwhile is then counted twice, and never missed
    const listed = await orderBook.openOrders(request).catch((error: unknown) => {
      if (error instanceof TwsError && error.code === "read_only_api") return null;
      throw error;
    });
    const orders = (listed ?? []).filter((order) => order.account === account);
    const state = await accountState(session, account, request);
    if (state.netLiquidation < 1)
      throw new TwsError("invalid_input", `account: ${account} is worth nothing that could be divided.`);
    const targets = await mapConcurrently(input.targets, atOnce, async ({ percent, ...selector }) => ({
      percent,
      contract: (await resolveDetails(session, ContractSelector.parse(selector), request)).contract,
    }));
    requireDistinct(targets);
    const claims = await claimsOf(orders, {
      rateOf: (currency) => state.rateOf(currency),
      instrumentOf: (order) => instrumentOf(order, context),
      worstOf: (order) => worstOf(order, context),
    });
    const targetPositions = targetPositionsOf(targets, state, input.others);
    const rows = await mapConcurrently(targetPositions, atOnce, (target) =>
      rowFor(target, state, claims, context),
    );
    const plan = planRebalance(rows, {
      netCents: Math.round(state.netLiquidation * 100),
      cashCents: Math.round(state.cash * 100),
      setAsideCents: claims.cashCents,
      cashBufferPercent: input.cashBufferPercent,
      driftBandPercent: input.driftBandPercent,
      minTradeCents: Math.round(input.minTradeValue * 100),
      lot: input.lotSize,
    });
    return {
      account,
      mode: modeOf(account),
      currency: state.currency,
      netLiquidation: state.netLiquidation,
      ...written(plan),
      cashBefore: state.cash,
      asOf: new Date(now()).toISOString(),
      method: { ...method },
      working: workingOf(claims),
      assumptions: [...(listed === null ? [unlistedOrders] : []), ...assumptionsOf(plan, state, claims)],
    };
  };
};

interface TargetPosition {
  readonly contract: Partial<Contract>;
  readonly targetPercent: number | null;
  readonly held: number;
  /** Of one of quantity, in its own currency: a contract's multiplier is in it, and that prices of bonds are percents. */
  readonly unitValue: number | null;
}

type Holding = AccountState["holdings"][number];

interface Target {
  readonly contract: Contract;
  readonly percent: number;
}

function requireSum({ targets }: Input): void {
  const total = targets.reduce((all, { percent }) => all + percent, 0);
  if (total > 100 + 1e-9)
    throw new TwsError(
      "invalid_input",
      `targets: their percents add up to ${Number(total.toFixed(6))}; at most 100.`,
    );
}

function requireDistinct(targets: readonly Target[]): void {
  const seen = new Set<number>();
  for (const { contract } of targets) {
    if (seen.has(contract.conId))
      throw new TwsError("invalid_input", `targets: ${contract.symbol} is named twice.`);
    seen.add(contract.conId);
  }
}

/** Targets in the order given, then what else is held. */
function targetPositionsOf(
  targets: readonly Target[],
  { holdings }: AccountState,
  others: Input["others"],
): TargetPosition[] {
  const named = new Set(targets.map(({ contract }) => contract.conId));
  const heldOf = new Map(holdings.map((holding) => [holding.contract.conId, holding]));
  const unitValueOf = ({ marketValue, position }: Holding) =>
    marketValue === null ? null : marketValue / position;
  return [
    ...targets.map(({ contract, percent }) => {
      const holding = heldOf.get(contract.conId);
      return {
        contract,
        targetPercent: percent,
        held: holding?.position ?? 0,
        unitValue: holding === undefined ? null : unitValueOf(holding),
      };
    }),
    ...holdings
      .filter(({ contract }) => contract.conId === undefined || !named.has(contract.conId))
      .map((holding) => ({
        contract: holding.contract,
        targetPercent: others === "sell" && holding.contract.secType === "STK" ? 0 : null,
        held: holding.position,
        unitValue: unitValueOf(holding),
      })),
  ];
}

/** How far TWS's own valuation may lie from the quote: it is up to some minutes old, and delayed quotes are older. */
const valueSlack = 0.1;

const agrees = (unitValue: number, low: number, high: number): boolean =>
  unitValue >= low * (1 - valueSlack) && unitValue <= high * (1 + valueSlack);

const figure = (amount: number): string => String(Number(amount.toPrecision(6)));

function onTick(price: number, minTick: number | null, round: (value: number) => number): number {
  const tick = minTick ?? 0.01;
  return Number((round(Number((price / tick).toFixed(6))) * tick).toFixed(8));
}

const rounded = (value: number): number => Number(value.toFixed(2)) + 0;

const named = ({ symbol = "", conId = 0, secType = "" }: Partial<Contract>) => ({
  symbol,
  conId: conId === 0 ? null : conId,
  secType,
});

/** Throws too_large: half of a plan must not be taken for the whole. */
function ordersOf(plan: Plan<Row>) {
  const orders = plan.trades.map((trade) => orderOf(trade, plan));
  if (JSON.stringify(orders).length <= orderCharacters) return orders;
  throw new TwsError("too_large", `The plan has ${orders.length} orders, more than one answer holds.`, {
    nextStep:
      "Raise driftBandPercent or minTradeValue, or name fewer targets, so that fewer orders are left.",
  });
}

function written(plan: Plan<Row>) {
  return {
    orders: ordersOf(plan),
    leftAlone: plan.leftAlone.slice(0, mostRows).map(({ line, reason }) => ({
      ...named(line.contract),
      reason,
      currentPercent:
        line.mark === 0 && line.held !== 0 ? null : rounded(percentOf(line, plan.investableCents)),
      targetPercent: line.targetPercent,
    })),
    cashAfter: plan.cashAfterCents / 100,
    cashBuffer: plan.bufferCents / 100,
  };
}

function orderOf(trade: Trade<Row>, { investableCents }: Plan<Row>) {
  const { line, action, quantity, valueCents, commissionCents } = trade;
  const after = line.held + (action === "BUY" ? quantity : -quantity);
  return {
    ...named(line.contract),
    exchange: line.contract.exchange ?? "",
    currency: line.contract.currency ?? "",
    action,
    quantity,
    orderType: "LMT" as const,
    limitPrice: action === "BUY" ? line.buyLimit : line.sellLimit,
    dataType: line.dataType,
    value: valueCents / 100,
    commission: commissionCents / 100,
    currentPercent: rounded(percentOf(line, investableCents)),
    targetPercent: line.targetPercent ?? 0,
    percentAfter: rounded(percentOf({ held: after, mark: line.mark }, investableCents)),
  };
}

const unlistedOrders =
  "The API of TWS is read-only, so working orders are not known: what they may buy or sell is counted nowhere.";

const workingOf = ({ orders, cashCents, offered, unknown }: Claims) => ({
  orders,
  cashSetAside: cashCents / 100,
  offered: [...offered].slice(0, mostClaims).map(([conId, sale]) => ({ ...sale, conId })),
  unknown: unknown.slice(0, mostClaims).map(({ order: { orderId, contract }, reason }) => ({
    orderId,
    symbol: contract.symbol ?? "",
    reason,
  })),
});

/** What working orders have to do with the plan; nothing where there are none. */
function claimsInWords({ orders, cashCents, offered, unknown }: Claims, currency: string): string[] {
  if (orders === 0) return [];
  const untold = Math.max(0, offered.size - mostClaims) + Math.max(0, unknown.length - mostClaims);
  return [
    `${plural(orders, "order is", "orders are")} working in the account: ${(cashCents / 100).toFixed(2)} ${currency} for purchases are not spent again, nor is sold again what sales offer.`,
    ...(unknown.length > 0
      ? [
          `What ${plural(unknown.length, "working purchase")} may cost is not known (working.unknown), so nothing is set aside for that, and the plan may spend more than is left.`,
        ]
      : []),
    ...(untold > 0 ? [`${untold} more rows of working are counted and not listed.`] : []),
  ];
}

function assumptionsOf(plan: Plan<Row>, { currency }: AccountState, claims: Claims): string[] {
  const foreign = new Set(
    plan.trades.flatMap(({ line }) =>
      line.contract.currency === currency ? [] : (line.contract.currency ?? []),
    ),
  );
  const untimely = plan.trades.some(({ line }) => line.dataType !== "live");
  const untold = plan.leftAlone.length - mostRows;
  const inParts = plan.trades.flatMap(({ line: { contract, priceMagnifier } }) =>
    priceMagnifier === 1
      ? []
      : `${contract.symbol ?? ""} is quoted in 1/${priceMagnifier} ${contract.currency ?? ""}`,
  );
  return [
    "Every order fills whole at its limit, sales before purchases; taxes and margin are not looked at.",
    ...(foreign.size > 0
      ? [
          `Orders in ${[...foreign].join(", ")} use TWS's exchange rate; no currency is converted by this plan.`,
        ]
      : []),
    ...(inParts.length > 0 ? [`${inParts.join(", ")}; limitPrice is so too, and value is not.`] : []),
    ...(untimely ? ["Some prices are not live (dataType): ask for quotes again before placing."] : []),
    ...claimsInWords(claims, currency),
    ...(untold > 0
      ? [`${plural(untold, "more holding was", "more holdings were")} left alone and not listed.`]
      : []),
  ];
}
