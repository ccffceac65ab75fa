import type { Client } from "../wire/client.ts";
import type { Message } from "../wire/wire.ts";

/** What goes wrong with the ends of lists; what is left out works as it should. */
export interface ListEndFault {
  /** They come so much later, in milliseconds, and what follows of the same list behind them. */
  readonly lateMs?: number;
  /** They never come. */
  readonly isLost?: boolean;
}

/** The messages of each list, its end first: open orders, an account, executions, positions, a summary, completed orders. */
const lists = [
  [53, 5, 3],
  [54, 6, 7, 8],
  [55, 11, 59],
  [62, 61],
  [64, 63],
  [102, 101],
] as const;

export interface ListEnds {
  set(fault: ListEndFault): void;
  /** The client as it is under the fault. */
  wrap(client: Client): Client;
}

/** Stands between the handlers and the wire, and holds back or loses the ends of lists. */
export function createListEnds(): ListEnds {
  let fault: ListEndFault = {};

  return {
    set(next) {
      fault = next;
    },
    wrap(client) {
      /** By end: what waits, in its order. */
      const waiting = new Map<number, { readonly message: Message; readonly dueAt: number }[]>();

      function release(end: number): void {
        const queue = waiting.get(end) ?? [];
        while (queue[0] !== undefined && queue[0].dueAt <= performance.now()) {
          const [next] = queue.splice(0, 1);
          if (next !== undefined) client.send(next.message);
        }
        const [first] = queue;
        if (first === undefined) waiting.delete(end);
        else setTimeout(() => release(end), Math.ceil(first.dueAt - performance.now())).unref();
      }

      function send(message: Message): void {
        const id = Number(message[0]);
        const list = lists.find((ids) => ids.some((one) => one === id));
        if (list === undefined) return client.send(message);
        const [end] = list;
        const { lateMs = 0, isLost = false } = fault;
        if (id === end && isLost) return;
        const queue = waiting.get(end);
        const dueAt = performance.now() + (id === end ? lateMs : 0);
        if (queue !== undefined) queue.push({ message, dueAt });
        else if (id !== end || lateMs === 0) client.send(message);
        else {
          waiting.set(end, [{ message, dueAt }]);
          release(end);
        }
      }

      return { ...client, send };
    },
  };
}
