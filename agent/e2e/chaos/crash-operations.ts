import { z } from "zod";
import { isFinal, OrderStatus } from "../../../shared/order.ts";
import type { AgentFrame } from "../../../shared/protocol.ts";
import { nameOf } from "../../orders/intent-id.ts";
import type { Order } from "../../simulator/model/ledger.ts";
import type { Simulator } from "../../simulator/server.ts";
import { type Ask, outputOf } from "../rigs/dispatch-client.ts";

/** Something that takes calls, and the TWS behind it. */
export interface Rig {
  readonly ask: Ask;
  readonly simulator: Simulator;
  /** Of the caller. */
  readonly grantId: string;
}

/** A change of orders, as a caller asks for it, that something happens to. */
export interface Attempt {
  /** Asks for it; the same again is a retry. */
  readonly act: () => Promise<AgentFrame>;
  /** The names that ibkr_get_order_status must know what became of. */
  readonly names: readonly Readonly<Record<string, unknown>>[];
  /**
   * TWS's own record of it, in words for the table. Throws when that is not what the answer says, when
   * anything is there twice, and when an entry is left without its exits.
   */
  readonly describe: (answer: AgentFrame) => string;
}

export interface Operation {
  readonly name: string;
  /** The writes to the journal on its way, and how often each happens. */
  readonly steps: Readonly<Record<string, number>>;
  /** How many placeOrder messages it takes; 0 for none. */
  readonly messages: number;
  /** Does what must have been done before. */
  readonly begin: (rig: Rig, key: string) => Promise<Attempt>;
}

const placeOrder = "3";
const conId = 265_598;
const far = { conId, action: "BUY", quantity: 10, orderType: "LMT", limitPrice: 1 };

const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);

/** The orders that TWS has, or has had, under a reference of its own or with a suffix. */
export function ordersUnder({ world: { ledger } }: Simulator, ref: string): Order[] {
  const isIts = ({ request: { orderRef } }: Order) => orderRef === ref || orderRef.startsWith(`${ref}:`);
  const orders = [...ledger.openOrders(), ...ledger.completedOrders()].filter(isIts);
  for (const { request, filled } of orders) {
    const fills = ledger.executions().filter(({ order }) => order.request.orderRef === request.orderRef);
    if (sum(fills.map(({ shares }) => shares)) !== filled) throw new Error(`fills of ${request.orderRef}`);
  }
  return orders;
}

/** placeOrder messages that TWS has read under a reference. */
const messagesUnder = (simulator: Simulator, ref: string): number =>
  simulator.received().filter(({ fields }) => fields[0] === placeOrder && fields.includes(ref)).length;

function only(simulator: Simulator, ref: string): Order | null {
  const orders = ordersUnder(simulator, ref);
  const messages = messagesUnder(simulator, ref);
  if (orders.length > 1) throw new Error(`${ref} is ${orders.length} orders`);
  if (messages > 1) throw new Error(`${ref} was sent ${messages} times`);
  return orders[0] ?? null;
}

const isError = (answer: AgentFrame) => answer.type === "error";

/** One order is there if the answer says so, else none. */
function oneOrNone(simulator: Simulator, ref: string, isPlaced: boolean): string {
  const order = only(simulator, ref);
  if (isPlaced !== (order !== null)) {
    throw new Error(`answered ${isPlaced ? "placed" : "refused"}, and TWS has ${order?.status ?? "none"}`);
  }
  return order === null ? "none" : `1 ${order.status}`;
}

const wordsOf = (answer: AgentFrame, words: string): string =>
  answer.type === "error" ? `${words} (${answer.error.code})` : words;

function placing(name: string, terms: Readonly<Record<string, unknown>>, end: string): Operation {
  return {
    name,
    steps: { received: 1, reserved: 1, sending: 1, [end]: 1 },
    messages: 1,
    async begin({ ask, simulator, grantId }, idempotencyKey) {
      const { intentId } = nameOf(grantId, idempotencyKey);
      return {
        act: () => ask("ibkr_place_order", { ...terms, idempotencyKey }),
        names: [{ idempotencyKey }, { intentId }],
        describe: (answer) => wordsOf(answer, oneOrNone(simulator, intentId, !isError(answer))),
      };
    },
  };
}

function bracket(name: string, entryPrice: number): Operation {
  const terms = { conId, action: "BUY", quantity: 1, entryPrice, takeProfitPrice: 9_000, stopLossPrice: 5 };
  return {
    name,
    steps: { received: 1, reserved: 1, sending: 1, acked: 1 },
    messages: 3,
    async begin({ ask, simulator, grantId }, idempotencyKey) {
      const { intentId } = nameOf(grantId, idempotencyKey);
      return {
        act: () => ask("ibkr_place_bracket_order", { ...terms, idempotencyKey }),
        names: [{ idempotencyKey }, { intentId }],
        describe(answer) {
          const [entry, ...exits] = ["P", "T", "S"].map((leg) => only(simulator, `${intentId}:${leg}`));
          const isWorking = (order: Order | null | undefined) => order?.completedAt === null;
          const isHeld = exits.every(isWorking);
          const filled = entry?.filled ?? 0;
          if ((isWorking(entry) || filled > 0) && !isHeld) throw new Error("an entry without its exits");
          if (isError(answer) === (isWorking(entry) || filled > 0)) {
            throw new Error(`answered ${answer.type}, and the entry is ${entry?.status ?? "not there"}`);
          }
          return wordsOf(answer, isHeld ? `3, entry ${entry?.status}` : "none");
        },
      };
    },
  };
}

const statusIn = z.object({ orderId: z.int(), status: z.string() });

/** An order that rests, to be changed. */
async function resting(ask: Ask, idempotencyKey: string): Promise<number> {
  return statusIn.parse(outputOf(await ask("ibkr_place_order", { ...far, idempotencyKey }))).orderId;
}

const modify: Operation = {
  name: "modify",
  steps: { received: 1, reserved: 1, sending: 1, acked: 1 },
  messages: 1,
  async begin({ ask, simulator, grantId }, key) {
    const orderId = await resting(ask, key);
    const { intentId } = nameOf(grantId, key);
    return {
      act: () => ask("ibkr_modify_order", { orderId, limitPrice: 2 }),
      names: [{ idempotencyKey: key }, { orderId }],
      describe(answer) {
        const orders = ordersUnder(simulator, intentId);
        const [price] = orders.map(({ request }) => request.limitPrice);
        if (orders.length !== 1 || price !== (isError(answer) ? 1 : 2)) {
          throw new Error(`${orders.length} orders at ${price}, answered ${answer.type}`);
        }
        return wordsOf(answer, `1 at ${price}`);
      },
    };
  },
};

const cancel: Operation = {
  name: "cancel",
  steps: { received: 1, sending: 1, done: 1 },
  messages: 0,
  async begin({ ask, simulator, grantId }, key) {
    const orderId = await resting(ask, key);
    const { intentId } = nameOf(grantId, key);
    return {
      act: () => ask("ibkr_cancel_order", { orderId }),
      names: [{ idempotencyKey: key }, { orderId }],
      describe(answer) {
        const order = only(simulator, intentId);
        if (isError(answer) || order?.completedAt === null) throw new Error(`${order?.status} at TWS`);
        return `1 ${order?.status}`;
      },
    };
  },
};

const Rows = z.object({ orders: z.array(z.object({ orderId: z.int().optional() })) });

const basket: Operation = {
  name: "basket",
  steps: { received: 3, reserved: 2, sending: 2, acked: 2, done: 1 },
  messages: 2,
  async begin({ ask, simulator, grantId }, idempotencyKey) {
    const orders = [far, { ...far, conId: 272_093 }];
    const refs = orders.map((_, row) => nameOf(grantId, idempotencyKey, row).intentId);
    return {
      act: () => ask("ibkr_place_orders", { orders, idempotencyKey }),
      names: refs.map((intentId) => ({ intentId })),
      describe(answer) {
        const rows = Rows.parse(outputOf(answer)).orders;
        return refs
          .map((ref, row) => oneOrNone(simulator, ref, rows[row]?.orderId !== undefined))
          .join(" + ");
      },
    };
  },
};

export const operations: readonly Operation[] = [
  placing("place LMT", far, "acked"),
  placing("place MKT", { conId, action: "BUY", quantity: 3, orderType: "MKT" }, "done"),
  bracket("bracket", 10),
  bracket("bracket that fills", 5_000),
  modify,
  cancel,
  basket,
];

const passing = new Set([
  "outcome_unknown",
  "agent_offline",
  "tws_offline",
  "tws_upstream_down",
  "timeout",
  "cancelled",
  "journal_unavailable",
  "trading_frozen",
]);

/** Whether an error says nothing for good: the same may yet be placed, or have been. */
export const isPassing = (code: string): boolean => passing.has(code);

const Ended = z.object({ unknown: z.int().optional(), status: OrderStatus.optional() });

/** Whether an answer says what became of it, for good. */
export function isDefinite(operation: Operation, answer: AgentFrame): boolean {
  if (answer.type === "error") return !isPassing(answer.error.code);
  const { unknown = 0, status = "Unknown" } = Ended.parse(outputOf(answer));
  return unknown === 0 && (operation !== cancel || isFinal(status));
}
