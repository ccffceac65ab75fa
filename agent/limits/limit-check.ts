import { TwsError } from "../../shared/errors.ts";
import type { Quote } from "../../shared/events.ts";
import { modeOf } from "../../shared/status.ts";
import { accountFindings, boundsOf, brokenLimit, limitNames, requireAll } from "./limits.ts";
import type { Finding, Limits } from "./limits.ts";
import { unapprovedValueOf, usageOf } from "../journal/usage.ts";
import type { Journal } from "../journal/journal.ts";
import type { Assessment, CheckedOrder, LimitGuard, LimitReport, ProposedOrder } from "./proposed-order.ts";
import type { QuoteStreams, RequestContext, TwsSession } from "../tws/session/api.ts";
import { resolveDetails } from "../tws/contracts/contracts.ts";
import type { ContractDetails } from "../tws/contracts/translate.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import { amountText, isAbove } from "./amounts.ts";
import type { LossWatch } from "./loss-watch.ts";
import { distanceFindings, sumOf, valueFindings, valuesOf } from "./market-limits.ts";
import type { Readings, Valued } from "./market-limits.ts";
import { createMoney } from "./exchange-rates.ts";
import { createOpenOrders } from "./open-orders.ts";
import { createExits } from "./exits.ts";
import { createReductions } from "./reductions.ts";
import { ruleFindings } from "./order-rules.ts";
import { sharedFindings } from "./shared-limits.ts";
import { priceOrders } from "./order-pricing.ts";
import { isForWantOfPrice, whyNotChecked, whyOrThrow } from "./valuation.ts";
import type { OrderValue } from "./valuation.ts";

interface GuardDeps {
  readonly limits: Limits;
  readonly session: TwsSession;
  readonly quotes: Pick<QuoteStreams, "snapshot">;
  readonly orderBook: Pick<OrderBook, "whenRead" | "openOrders" | "working" | "ofAccount">;
  readonly journal: Pick<Journal, "unfinished" | "file">;
  readonly lossWatch: LossWatch;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** The owner's limits over a session. It asks TWS for nothing that no limit which is set needs. */
export function createLimitGuard(deps: GuardDeps): LimitGuard {
  const { limits, session, quotes, journal, lossWatch, now } = deps;
  const bounds = boundsOf(limits);
  const moneyOf = createMoney({ session, quotes, now });
  const openOrders = createOpenOrders(deps);
  const exits = createExits(deps);
  const reductions = createReductions(deps);
  /** The limit for whose sake orders are valued; undefined when none is set. */
  const valuedFor = (["orderValue", "dayValue", "approvalAbove"] as const).find(
    (name) => bounds[name] !== null,
  );
  const unchecked = (name: NeedsMarket, why: string): Finding => ({
    name: limitNames[name],
    limit: name === "priceDistancePercent" ? `${bounds[name]} %` : amountText(bounds[name] ?? 0),
    asked: `not known: ${why}`,
    ok: false,
    sentence: `${limitNames[name]} cannot be checked, so the order is refused: ${why}.`,
  });

  function readingsFor(account: string, context: RequestContext): Readings {
    const instruments = new Map<number, Promise<ContractDetails>>();
    const quoted = new Map<number, Promise<Quote>>();
    const instrument = (conId: number) =>
      once(instruments, conId, () => resolveDetails(session, { conId }, context));
    return {
      money: () => moneyOf(account, context),
      instrument,
      quote: (conId) =>
        once(quoted, conId, async () => {
          const { contract } = await instrument(conId);
          return (await quotes.snapshot(contract, context)).quote;
        }),
    };
  }

  /** Positions are read only where a limit is set that bears on what an exit opens. */
  async function checkedFor(account: string, orders: readonly ProposedOrder[], context: RequestContext) {
    if (valuedFor !== undefined || bounds.priceDistancePercent !== null)
      return exits(account, orders, context);
    return orders.map((order) => ({ ...order, openings: [] }));
  }

  const orRefuse = (name: NeedsMarket) => (error: unknown) => {
    throw notChecked(error, (why) => unchecked(name, why));
  };

  /** Holds orders to the limits that need a price. Null where no limit needs their value. */
  async function heldToMarket(orders: readonly CheckedOrder[], readings: Readings): Promise<Valued | null> {
    requireAll(await distanceFindings(bounds, orders, readings).catch(orRefuse("priceDistancePercent")));
    if (valuedFor === undefined) return null;
    const valued = await valuesOf(orders, readings).catch(orRefuse(valuedFor));
    requireAll(valueFindings(bounds, valued));
    return valued;
  }

  /** As `heldToMarket`, but orders that only reduce a position are let through where there is no price of them. */
  async function marketValues(
    account: string,
    orders: readonly CheckedOrder[],
    readings: Readings,
    context: RequestContext,
  ): Promise<Valued | null> {
    try {
      return await heldToMarket(orders, readings);
    } catch (error) {
      if (!isForWantOfPrice(error)) throw error;
      const reducing = await reductions(account, orders, context);
      if (reducing.size === 0) throw error;
      const rest = orders.filter((order) => !reducing.has(order));
      const valued = await heldToMarket(rest, readings);
      if (valued === null) return null;
      return {
        currency: valued.currency,
        values: orders.map((order) => valued.values[rest.indexOf(order)] ?? unpricedReduction),
      };
    }
  }

  function lossFindings(account: string): Finding[] {
    const finding = lossWatch.finding(account);
    return finding === null ? [] : [finding];
  }

  const plainFindings = (account: string, orders: readonly ProposedOrder[]): Finding[] => [
    ...accountFindings(limits, account),
    ...lossFindings(account),
    ...ruleFindings(bounds, orders),
  ];

  /** Midnight by the clock of this machine. */
  const dayBegan = (): number => new Date(now()).setHours(0, 0, 0, 0);

  const approvalSince = (): number =>
    bounds.approvalWindowMs === null ? dayBegan() : now() - bounds.approvalWindowMs;

  function openCount(account: string): () => number {
    return () => openOrders.count(account);
  }

  /** Why the orders need approval, by what is known of them. */
  function reasonFor({ account, value, wholeValue: whole, currency }: Assessment, unapproved: number) {
    const { approval, approvalAbove } = bounds;
    if (approval === "always") return "The owner approves every order of this TWS host.";
    if (approval === "live" && modeOf(account) === "live") {
      return "The owner approves every order in a live account.";
    }
    if (approvalAbove === null) return null;
    const most = `${amountText(approvalAbove)}${currency === null ? "" : ` ${currency}`}`;
    if (whole === null || value === null || isAbove(whole, approvalAbove)) {
      return `The owner approves orders of more than ${most}.`;
    }
    const together = unapproved + value;
    // what adds nothing is no burden
    if (value === 0 || !isAbove(together, approvalAbove)) return null;
    return `The owner approves orders of more than ${most}, and with those that this client has placed without approval it comes to ${amountText(together)}.`;
  }

  return {
    async assess(orders, context) {
      const account = accountOf(orders);
      requireAll(plainFindings(account, orders));
      const readings = readingsFor(account, context);
      const checked = await checkedFor(account, orders, context).catch(
        orRefuse(valuedFor ?? "priceDistancePercent"),
      );
      const valued = await marketValues(account, checked, readings, context);
      if (bounds.openOrders !== null) await openOrders.refresh(context);
      return assessmentOf(account, orders, valued);
    },

    requireHeadroom(assessment, usage) {
      const { account } = assessment;
      requireAll([
        ...lossFindings(account),
        ...sharedFindings(bounds, assessment, usage, openCount(account)),
      ]);
    },

    dayBegan,

    approvalSince,

    approvalReason: reasonFor,

    requireUnapproved(assessment, unapproved) {
      if (reasonFor(assessment, unapproved) === null) return;
      throw new TwsError(
        "trading_refused",
        "Other orders of this client were placed meanwhile, and with them this one needs the owner's approval.",
        { nextStep: "Nothing was placed. Call again to ask the owner." },
      );
    },

    async price(orders, context) {
      const account = accountOf(orders);
      const readings = readingsFor(account, context);
      const checked = await checkedFor(account, orders, context);
      return priceOrders(checked, readings);
    },

    async describe(orders, grantId, context): Promise<LimitReport> {
      const account = accountOf(orders);
      const readings = readingsFor(account, context);
      const checked = await checkedFor(account, orders, context);
      let isLetThrough = false;
      const unknown = async (error: unknown): Promise<string> => {
        const why = whyOrThrow(error);
        isLetThrough =
          isForWantOfPrice(error) && (await reductions(account, checked, context)).size === checked.length;
        return why;
      };
      const distances = await distanceFindings(bounds, checked, readings).catch(async (error: unknown) => {
        const finding = unchecked("priceDistancePercent", await unknown(error));
        return [{ ...finding, ok: isLetThrough }];
      });
      // a preview tells the value also where no limit needs it
      const valued = await valuesOf(checked, readings).catch(unknown);
      if (bounds.openOrders !== null) await openOrders.refresh(context);
      const usage = journal.file.read((db) => usageOf(db, account, dayBegan(), now()));
      const isValued = typeof valued !== "string";
      const assessment = assessmentOf(account, orders, isValued ? valued : null);
      // without a value there is nothing to add up
      const bounded = isValued ? bounds : { ...bounds, dayValue: null };
      const values = isValued
        ? valueFindings(bounds, valued)
        : valuedFor === undefined
          ? []
          : [{ ...unchecked(valuedFor, valued), ok: isLetThrough }];
      const findings = [
        ...plainFindings(account, orders),
        ...distances,
        ...values,
        ...sharedFindings(bounded, assessment, usage, openCount(account)),
      ];
      return {
        value: isValued ? assessment.valueText : "not known",
        limits: findings.map(({ name, limit, asked, ok }) => ({ name, limit, asked, ok })),
        approval: reasonFor(
          assessment,
          journal.file.read((db) => unapprovedValueOf(db, grantId, approvalSince())),
        ),
      };
    },
  };
}

/** What an order adds that only reduces a position and has no price: no exposure, and a value that nobody knows. */
const unpricedReduction: OrderValue = { added: 0, whole: null };

type NeedsMarket = "priceDistancePercent" | "orderValue" | "dayValue" | "approvalAbove";

/** The refusal of orders of which a limit cannot be checked; other errors as they are. */
function notChecked(error: unknown, unchecked: (why: string) => Finding): unknown {
  const why = whyNotChecked(error);
  if (why === null) return error;
  const { sentence, ...limit } = unchecked(why);
  const isTimeout = error instanceof TwsError && error.code === "timeout";
  return new TwsError(isTimeout ? "timeout" : "trading_refused", sentence, {
    limit: brokenLimit(limit),
    cause: error,
    nextStep: isTimeout
      ? "Nothing was placed. Try again in a few seconds; while its market is closed there may be no price."
      : "Nothing was placed. Name another instrument, or ask the owner to change this limit on the TWS host.",
  });
}

function once<T>(known: Map<number, Promise<T>>, key: number, read: () => Promise<T>): Promise<T> {
  const before = known.get(key);
  if (before !== undefined) return before;
  const reading = read();
  known.set(key, reading);
  return reading;
}

/** Orders of one call are of one account. */
function accountOf(orders: readonly ProposedOrder[]): string {
  const [first] = orders;
  if (first === undefined) throw new Error("There are no orders to hold to the limits.");
  const { account } = first.spec;
  if (orders.every(({ spec }) => spec.account === account)) return account;
  throw new Error("The orders of one call are of several accounts.");
}

function assessmentOf(account: string, orders: readonly ProposedOrder[], valued: Valued | null): Assessment {
  const made = (some: readonly ProposedOrder[], values: readonly OrderValue[] | null): Assessment => {
    const value = values === null ? null : sumOf(values, "added");
    const currency = valued?.currency ?? null;
    return {
      account,
      orders: some.filter(({ changes }) => changes === null).length,
      messages: some.length,
      value,
      wholeValue:
        values === null || values.some(({ whole }) => whole === null) ? null : sumOf(values, "whole"),
      currency,
      valueText:
        value === null || values?.some(({ whole }) => whole === null) === true
          ? ""
          : `about ${amountText(value)} ${currency}`,
      parts: [],
    };
  };
  const parts = orders.map((order, index) => {
    const value = valued?.values[index];
    return made([order], value === undefined ? null : [value]);
  });
  return { ...made(orders, valued?.values ?? null), parts };
}
