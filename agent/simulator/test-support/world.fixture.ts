import type { ContractQuery, Instrument } from "../model/instruments.ts";
import type { LedgerEvent, OrderRequest } from "../model/ledger.ts";
import type { World } from "../model/world.ts";
import type { WorldOptions } from "../world.ts";
import { createWorld } from "../world.ts";

/** Monday of a week with Thanksgiving in it, at 11:00 in New York. */
export const mondayMorning = Date.UTC(2026, 10, 23, 16);
export const testAccount = "DU1234567";

export interface Fixture {
  readonly world: World;
  /** Moves the clock and lets the ledger match. */
  readonly pass: (ms: number) => void;
  /** Moves the clock to an instant. */
  readonly moveTo: (at: number) => void;
  /** Places an order of 10 AAPL at the market unless told otherwise. */
  readonly place: (change: Partial<OrderRequest>) => void;
  /** Everything the ledger said since last asked, in short. */
  readonly said: () => string[];
  /** The same, in full. */
  readonly heard: () => LedgerEvent[];
}

/** A world with a clock of its own, for tests. */
export function createFixture(at = mondayMorning, options: Omit<Partial<WorldOptions>, "now"> = {}): Fixture {
  let now = at;
  const world = createWorld({ seed: 7, ...options, now: () => now });
  let events: LedgerEvent[] = [];
  world.ledger.listen((event) => events.push(event));
  const take = () => {
    const taken = events;
    events = [];
    return taken;
  };
  const orderIds = new Map<number, number>();
  return {
    world,
    pass(ms) {
      now += ms;
      world.ledger.advance();
    },
    moveTo(instant) {
      now = instant;
    },
    place(change) {
      const clientId = change.clientId ?? 1;
      const orderId = change.orderId ?? (orderIds.get(clientId) ?? 0) + 1;
      orderIds.set(clientId, orderId);
      world.ledger.place({ ...marketOrder(instrumentOf(world, 265598)), clientId, ...change, orderId });
    },
    said: () => take().map(inShort),
    heard: take,
  };
}

function marketOrder(instrument: Instrument): OrderRequest {
  return {
    clientId: 1,
    orderId: 1,
    instrument,
    routing: "SMART",
    action: "BUY",
    quantity: 10,
    orderType: "MKT",
    limitPrice: null,
    auxPrice: null,
    tif: "DAY",
    outsideRth: false,
    account: testAccount,
    transmit: true,
    parentId: 0,
    ocaGroup: "",
    ocaType: 0,
    orderRef: "",
    whatIf: false,
    echo: {},
  };
}

function inShort(event: LedgerEvent): string {
  switch (event.type) {
    case "order":
    case "status": {
      const { request, status, filled, remaining, whyHeld } = event.order;
      return `${event.type} ${request.orderId} ${status} ${filled}/${remaining}${whyHeld === "" ? "" : ` ${whyHeld}`}`;
    }
    case "execution":
    case "commission":
      return `${event.type} ${event.execution.order.request.orderId} ${event.execution.shares}`;
    case "error":
      return `error ${event.orderId} ${event.code} ${event.text}`;
    case "bound":
      return `bound ${event.orderId}`;
    case "preview":
      return `preview ${event.request.orderId}`;
    case "position":
      return `position ${event.position.instrument.localSymbol} ${event.position.quantity}`;
    default:
      return `account ${event.account}`;
  }
}

export function instrumentOf(world: World, conId: number): Instrument {
  const instrument = world.universe.byConId(conId);
  if (instrument === undefined) throw new Error(`Nothing has the conId ${conId}.`);
  return instrument;
}

/** A query that gives the named fields only. */
export function query(fields: Partial<ContractQuery>): ContractQuery {
  return {
    conId: null,
    symbol: null,
    secType: null,
    expiration: null,
    strike: null,
    right: null,
    multiplier: null,
    exchange: null,
    primaryExchange: null,
    currency: null,
    localSymbol: null,
    tradingClass: null,
    includeExpired: false,
    ...fields,
  };
}
