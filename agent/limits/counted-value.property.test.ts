import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Contract } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import { emptyQuote } from "../../shared/events.ts";
import type { Quote } from "../../shared/events.ts";
import { isFinal, OrderType, priceRules } from "../../shared/order.ts";
import type { Order } from "../../shared/order.ts";
import { orderTools } from "../../shared/tools/orders.ts";
import { termsOf } from "../orders/order-terms.ts";
import type * as simulated from "../simulator/model/ledger.ts";
import { createWorld } from "../simulator/world.ts";
import { mondayMorning } from "../simulator/test-support/world.fixture.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import { openingsOf } from "./exits.ts";
import { account, workingOrder } from "./limits.fixture.ts";
import { usualBounds } from "./limits.ts";
import type { Bounds } from "./limits.ts";
import { distanceFindings, valueFindings, valuesOf } from "./market-limits.ts";
import type { Readings } from "./market-limits.ts";
import type { CheckedOrder, ProposedOrder } from "./proposed-order.ts";
import { whyNotChecked } from "./valuation.ts";
import { askOf, worstPrice } from "./worst-price.ts";

const [apple, spy] = [265_598, 756_733];
const fields = ["limitPrice", "auxPrice", "trailStopPrice", "limitOffset"] as const;

/** A price by its distance from the market in percent, or one that TWS may read as none, or far beyond all markets. */
const priceAt = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -3, max: 3 }).map((tenths) => 1 + tenths / 1_000) },
  { weight: 3, arbitrary: fc.constantFrom(0.5, 0.9, 1.1, 1.5, 3) },
  { weight: 2, arbitrary: fc.constantFrom(0, -0.001, null) },
);
/** A distance in the same way. */
const away = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(0.000_1, 0.001, 0.005) },
  { weight: 2, arbitrary: fc.constantFrom(0.5, 2, 0, -0.001) },
);
const terms = fc.record({
  orderType: fc.constantFrom(...OrderType.options),
  action: fc.constantFrom("BUY", "SELL"),
  quantity: fc.integer({ min: 1, max: 200 }),
  tif: fc.constantFrom("DAY", "GTC", "IOC", "FOK"),
  outsideRth: fc.boolean(),
  price: priceAt,
  trigger: priceAt,
  away,
  beyond: away,
});
type Terms = typeof terms extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("place"), conId: fc.constantFrom(apple, spy), terms }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("bracket"), conId: fc.constantFrom(apple, spy), terms }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("modify"), which: fc.nat(), terms, change: fc.nat(6) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel"), which: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.constantFrom(250, 5_000, 120_000) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What was counted for an order, or for the legs of a bracket together, and what their fills have cost. */
interface Account {
  counted: number;
  spent: number;
  /** What the fills of what has no cap have cost because the market rose after it was valued. */
  risen: number;
  /** The lowest market at which it was valued. */
  market: number;
  isCapped: boolean;
  /** Of the entry, and of its exits. */
  entered: number;
  closed: number;
}

interface Placed {
  readonly orderId: number;
  readonly spec: OrderSpec;
  readonly account: Account;
}

/** A world of its own, in which orders that the limits let pass are sent to the simulator's ledger. */
function startWorld(seed: number, bounds: Bounds) {
  let now = mondayMorning;
  const { market, universe, ledger } = createWorld({ seed, now: () => now, accounts: [account] });
  const placed = new Map<number, Placed>();
  let next = 1;
  let sent = 0;
  let fills = 0;
  /** Orders that have cost more than was counted for them. */
  const undercounted: Placed[] = [];

  const instrumentOf = (conId: number) => {
    const instrument = universe.byConId(conId);
    if (instrument === undefined) throw new Error(`The simulator has no ${conId}.`);
    return instrument;
  };
  const quoteOf = (conId: number): Quote => {
    const { bid, ask, last, close } = market.quote(instrumentOf(conId), now);
    return { ...emptyQuote, bid, ask, last, close };
  };
  const marketOf = (conId: number): number => askOf(quoteOf(conId)) ?? 0;
  const contractOf = (conId: number): Contract => {
    const { symbol, secType, exchange, currency, multiplier } = instrumentOf(conId);
    const more = { primaryExchange: null, localSymbol: null, tradingClass: null };
    return {
      conId,
      symbol,
      secType,
      exchange,
      currency,
      multiplier,
      ...more,
      expiration: null,
      strike: null,
      right: null,
    };
  };
  const readings: Readings = {
    money: async () => ({ currency: "USD", rateOf: async (currency) => (currency === "USD" ? 1 : null) }),
    instrument: async (conId) => ({ contract: contractOf(conId), priceMagnifier: 1 }),
    quote: async (conId) => quoteOf(conId),
  };

  ledger.listen((event) => {
    if (event.type !== "execution") return;
    const { order, shares, price } = event.execution;
    const known = placed.get(order.request.orderId);
    if (known === undefined) throw new Error("Nobody has placed it.");
    fills += 1;
    const { account: of, spec } = known;
    // an exit costs nothing for what its entry has filled
    let charged = shares;
    if (spec.parentId === null) of.entered += shares;
    else {
      const before = Math.max(0, of.closed - of.entered);
      of.closed += shares;
      charged = Math.max(0, of.closed - of.entered) - before;
    }
    of.spent += charged * price;
    const isCapped = spec.parentId === null && of.isCapped;
    if (!isCapped) of.risen += charged * Math.max(0, marketOf(spec.contract.conId) - of.market);
    if (of.spent > of.counted + of.risen + 0.005) undercounted.push({ ...known, account: { ...of } });
  });

  function requestOf(orderId: number, spec: OrderSpec, transmit: boolean): simulated.OrderRequest {
    const echo = {
      ...(spec.trailStopPrice !== null && { trailStopPrice: String(spec.trailStopPrice) }),
      ...(spec.limitOffset !== null && { lmtPriceOffset: String(spec.limitOffset) }),
    };
    const { action, quantity, orderType, limitPrice, auxPrice, tif, outsideRth, orderRef, parentId } = spec;
    const instrument = instrumentOf(spec.contract.conId);
    const own = {
      action,
      quantity,
      orderType,
      limitPrice,
      auxPrice,
      tif,
      outsideRth,
      orderRef,
      transmit,
      echo,
    };
    const none = { ocaGroup: "", ocaType: 0, whatIf: false };
    return {
      ...own,
      ...none,
      clientId: 1,
      orderId,
      instrument,
      routing: "SMART",
      account,
      parentId: parentId ?? 0,
    };
  }

  /** As the book shows it, in which 0 is none: with what TWS has taken, not with a change that it has refused. */
  function shownOf({ orderId, spec }: Placed, order: simulated.Order): Order {
    const { quantity, limitPrice, auxPrice, echo } = order.request;
    const own = {
      ...spec,
      quantity,
      limitPrice,
      auxPrice,
      trailStopPrice: Number(echo["trailStopPrice"] ?? 0),
      limitOffset: Number(echo["lmtPriceOffset"] ?? 0),
    };
    const prices = Object.fromEntries(fields.map((field) => [field, own[field] === 0 ? null : own[field]]));
    const { filled, remaining } = order;
    return workingOrder({ ...own, ...prices }, { orderId, filled, remaining, status: order.status });
  }

  const everyOrder = () => [...ledger.openOrders(), ...ledger.completedOrders()];
  const shown = (): Order[] =>
    everyOrder().flatMap((order) => {
      const known = placed.get(order.request.orderId);
      return known === undefined ? [] : [shownOf(known, order)];
    });

  /** What the limits count for the orders; null where they refuse them. */
  async function admit(proposed: readonly ProposedOrder[]): Promise<readonly number[] | null> {
    const conId = proposed[0]?.spec.contract.conId ?? 0;
    const position = ledger.positions().find(({ instrument }) => instrument.conId === conId)?.quantity ?? 0;
    const orders = proposed.some(({ changes }) => changes !== null) ? shown() : [];
    const checked = proposed.map((one): CheckedOrder => ({
      ...one,
      openings: openingsOf(one, proposed, orders, position),
    }));
    try {
      const valued = await valuesOf(checked, readings);
      const findings = [
        ...valueFindings(bounds, valued),
        ...(await distanceFindings(bounds, checked, readings)),
      ];
      return findings.every(({ ok }) => ok) ? valued.values.map(({ added }) => added) : null;
    } catch (error) {
      if (whyNotChecked(error) === null) throw error;
      return null;
    }
  }

  const isCapped = (spec: OrderSpec): boolean => {
    const found = worstPrice(spec, null);
    return found.kind === "price" && found.isCapped;
  };

  const newAccount = (spec: OrderSpec, counted: number): Account => ({
    counted,
    spent: 0,
    risen: 0,
    market: marketOf(spec.contract.conId),
    isCapped: isCapped(spec),
    entered: 0,
    closed: 0,
  });

  /** As a caller asks for it; null for what is no order. */
  function specOf(conId: number, asked: Terms): OrderSpec | null {
    const { minTick } = instrumentOf(conId);
    const base = marketOf(conId);
    const onTick = (price: number) => Number((Math.round(price / minTick) * minTick).toFixed(8));
    const rules = priceRules[asked.orderType];
    const distance = Math.sign(asked.away) * Math.max(minTick, Math.abs(onTick(base * asked.away)));
    const isDistance = ["TRAIL", "TRAIL LIMIT", "REL"].includes(asked.orderType);
    const trigger = asked.trigger === null ? undefined : onTick(base * asked.trigger);
    const values = {
      limitPrice: asked.price === null ? undefined : onTick(base * asked.price),
      auxPrice: isDistance ? distance : trigger,
      trailStopPrice: trigger,
      limitOffset: onTick(base * asked.beyond),
    };
    const prices = Object.fromEntries(
      fields.flatMap((field) => (rules[field] === "none" ? [] : [[field, values[field]] as const])),
    );
    const { orderType, action, quantity, tif, outsideRth } = asked;
    const input = orderTools.ibkr_place_order.input.safeParse({
      conId,
      orderType,
      action,
      quantity,
      tif,
      outsideRth,
      ...prices,
    });
    if (!input.success) return null;
    try {
      const common = { orderRef: "", parentId: null, ocaGroup: null };
      // the value must be right whatever the door lets in
      const isZero = prices["limitPrice"] === 0;
      const own = { ...termsOf(input.data), ...(isZero && { limitPrice: 0 }) };
      return { contract: contractOf(conId), account, ...own, ...common };
    } catch (error) {
      if (error instanceof TwsError) return null;
      throw error;
    }
  }

  function send(orderId: number, spec: OrderSpec, of: Account, transmit = true): void {
    placed.set(orderId, { orderId, spec, account: of });
    sent += 1;
    ledger.place(requestOf(orderId, spec, transmit));
  }

  async function place(conId: number, asked: Terms): Promise<void> {
    const spec = specOf(conId, asked);
    if (spec === null) return;
    const counted = await admit([{ spec, changes: null, isExit: false }]);
    if (counted === null) return;
    const orderId = next;
    next += 1;
    send(orderId, spec, newAccount(spec, counted[0] ?? 0));
  }

  async function bracket(conId: number, asked: Terms): Promise<void> {
    const entry = specOf(conId, { ...asked, orderType: "LMT", tif: "DAY" });
    if (entry?.limitPrice == null) return;
    const [up, down] = [entry.limitPrice * 1.002, entry.limitPrice * 0.998].map(
      (price) => Math.round(price * 100) / 100,
    );
    const isPurchase = entry.action === "BUY";
    const exit = { ...entry, action: isPurchase ? "SELL" : "BUY", parentId: next } as const;
    const takeProfit = { ...exit, limitPrice: (isPurchase ? up : down) ?? null };
    const stop = (isPurchase ? down : up) ?? null;
    const stopLoss = { ...exit, orderType: "STP", limitPrice: null, auxPrice: stop } as const;
    const legs = [entry, takeProfit, stopLoss];
    const counted = await admit(legs.map((spec) => ({ spec, changes: null, isExit: spec !== entry })));
    if (counted === null) return;
    const of = newAccount(
      entry,
      counted.reduce((sum, value) => sum + value, 0),
    );
    const first = next;
    next += legs.length;
    legs.forEach((spec, index) => send(first + index, spec, of, index === legs.length - 1));
  }

  async function modify(which: number, asked: Terms, change: number): Promise<void> {
    const open = ledger.openOrders();
    const order = open[which % Math.max(1, open.length)];
    const known = order === undefined ? undefined : placed.get(order.request.orderId);
    if (order === undefined || known === undefined) return;
    const changes = shownOf(known, order);
    const { quantity, limitPrice, auxPrice, trailStopPrice, limitOffset } = changes;
    const wanted = specOf(known.spec.contract.conId, { ...asked, orderType: known.spec.orderType });
    const spec: OrderSpec = {
      ...known.spec,
      trailStopPrice,
      limitOffset,
      quantity: change % 2 === 0 ? asked.quantity : quantity,
      limitPrice: change > 1 ? (wanted?.limitPrice ?? limitPrice) : limitPrice,
      auxPrice: change > 3 ? (wanted?.auxPrice ?? auxPrice) : auxPrice,
    };
    const counted = await admit([{ spec, changes, isExit: changes.parentId !== null }]);
    if (counted === null || isFinal(changes.status)) return;
    const of = known.account;
    of.counted += counted[0] ?? 0;
    of.market = Math.min(of.market, marketOf(spec.contract.conId));
    if (spec.parentId === null) of.isCapped &&= isCapped(spec);
    send(known.orderId, spec, of);
  }

  return {
    async take(one: Step): Promise<void> {
      if (one.kind === "place") await place(one.conId, one.terms);
      else if (one.kind === "bracket") await bracket(one.conId, one.terms);
      else if (one.kind === "modify") await modify(one.which, one.terms, one.change);
      else if (one.kind === "cancel") {
        const open = ledger.openOrders();
        const order = open[one.which % Math.max(1, open.length)];
        if (order !== undefined) ledger.cancel(1, order.request.orderId);
      } else {
        now += one.ms;
        ledger.advance();
      }
    },
    undercounted,
    totals: () => ({ sent, fills }),
  };
}

test("no order that the simulator fills costs more than was counted for it", async () => {
  let [sent, fills] = [0, 0];
  const property = fc.asyncProperty(
    fc.integer({ min: 1, max: 20 }),
    fc.constantFrom(null, 1, 60),
    fc.array(step, { minLength: 200, maxLength: 200 }),
    async (seed, priceDistancePercent, steps) => {
      const world = startWorld(seed, { ...usualBounds, orderValue: 100_000, priceDistancePercent });
      for (const one of steps) await world.take(one);
      expect(world.undercounted).toEqual([]);
      const totals = world.totals();
      sent += totals.sent;
      fills += totals.fills;
    },
  );
  await fc.assert(property, { numRuns: 158, interruptAfterTimeLimit: 50_000 });
  expect(sent).toBeGreaterThan(20_000);
  expect(fills).toBeGreaterThan(2_000);
}, 60_000);
