import type { Client } from "../wire/client.ts";
import { errorMessage } from "../wire/messages.ts";
import type { Request } from "../wire/requests.ts";
import type { Message } from "../wire/wire.ts";

/** What goes wrong with orders and the news of them; what is left out works as it should. */
export interface OrderFaults {
  /**
   * Cuts the line of the client that sends the next placeOrder: before TWS has read it, after it has read and taken
   * it but said nothing, or right behind the openOrder that acknowledges it. Happens once.
   */
  readonly drop?: "before-reading" | "after-reading" | "after-acknowledging";
  /** Which placeOrder from now on the drop is about, 1 by default; 2 is between the first two legs of a bracket. */
  readonly nth?: number;
  /** All that concerns orders comes so much later, in milliseconds, lists and their ends included. */
  readonly delayMs?: number;
  /** Every openOrder, orderStatus, execDetails and commissionReport comes twice. */
  readonly duplicate?: boolean;
  /** What TWS says of orders at one moment comes in reverse: the commission first and openOrder last. */
  readonly reorder?: boolean;
  /**
   * Of each order its first openOrder alone is told unasked: no orderStatus, and nothing of how it goes on but fills
   * and errors. Lists that are asked for show it as it stands.
   */
  readonly withoutStatuses?: boolean;
  /** Each change of a limit is taken at a price so much higher than the one asked for. */
  readonly repricedBy?: number;
  /** Each placeOrder is held by a dialog of TWS, and nothing is said of it, until `answerDialogs`. */
  readonly dialog?: boolean;
  /** Each placeOrder is answered at once with an error of this code, and taken all the same `takenAfterMs` later. */
  readonly oddCode?: number;
  /** 0 by default. */
  readonly takenAfterMs?: number;
  /** Lists without their end: 53 of open orders, 55 of executions, 102 of completed orders. */
  readonly withoutEnds?: readonly number[];
  /** For so long from now, in milliseconds, the lists of completed orders and executions are empty, as after a restart. */
  readonly emptyMs?: number;
}

/** For --help: the same as words of one option. */
export const orderFaultsHelp = `  --order-faults <list>  what goes wrong with orders from the start, separated by commas:
                           drop=before-reading|after-reading|after-acknowledging
                                        cuts the line around the next placeOrder, once
                           nth=<n>      makes that the nth placeOrder: 2 is between bracket legs
                           delay=<ms>   all about orders comes late
                           duplicate    openOrder, orderStatus, execDetails and commissionReport come twice
                           reorder      what is said at one moment comes in reverse order
                           no-statuses  an order's first openOrder is all that is told of its state
                           reprice=<amount>
                                        changes of a limit are taken so much higher than asked
                           dialog       a dialog holds each placeOrder until the scenario answer-dialogs
                           odd-code=<code>
                                        each placeOrder is answered with this error, and taken all the same
                           taken-after=<ms>
                                        so much later
                           no-end=53|55|102
                                        lists of open orders, executions or completed orders never end
                           empty=<ms>   lists of completed orders and executions are empty for so long
`;

/** Throws an Error that names what it cannot read. */
export function parseOrderFaults(text: string): OrderFaults {
  const faults: { -readonly [Key in keyof OrderFaults]: OrderFaults[Key] } = {};
  for (const word of text.split(",").filter((part) => part !== "")) {
    const [name = "", value = ""] = word.split("=");
    const count = Number(value);
    if (name === "duplicate" && value === "") faults.duplicate = true;
    else if (name === "reorder" && value === "") faults.reorder = true;
    else if (name === "no-statuses" && value === "") faults.withoutStatuses = true;
    else if (name === "dialog" && value === "") faults.dialog = true;
    else if (name === "odd-code" && Number.isInteger(count) && count > 0) faults.oddCode = count;
    else if (name === "taken-after" && count > 0) faults.takenAfterMs = count;
    else if (name === "delay" && count > 0) faults.delayMs = count;
    else if (name === "reprice" && Number.isFinite(count)) faults.repricedBy = count;
    else if (name === "empty" && count > 0) faults.emptyMs = count;
    else if (name === "nth" && Number.isInteger(count) && count > 0) faults.nth = count;
    else if (name === "no-end" && ends.has(count))
      faults.withoutEnds = [...(faults.withoutEnds ?? []), count];
    else if (
      name === "drop" &&
      (value === "before-reading" || value === "after-reading" || value === "after-acknowledging")
    )
      faults.drop = value;
    else throw new Error(`--order-faults does not know '${word}'.`);
  }
  return faults;
}

const placeOrder = 3;
const errorId = 4;
const orderStatus = 3;
const openOrder = 5;
const execDetails = 11;
const commission = 59;
const completedOrder = 101;
/** Of an execDetails that nobody asked for. */
const unasked = -1;
/** openOrder, orderStatus, execDetails and commissionReport. */
const news = new Set([openOrder, orderStatus, execDetails, commission]);
const ends = new Set([53, 55, 102]);
/** Requests for lists of orders: own, bound, all, completed. */
const orderLists = new Set([5, 15, 16, 99]);
/** Request ids of clients are far above their order ids, and -1 is the system. */
const isOrderError = ([id, , subject]: Message) => id === errorId && Number(subject) > 0;

export interface OrderFaultLine {
  set(faults: OrderFaults): void;
  /** Somebody answers the dialogs that hold orders: takes them all, or none. */
  answerDialogs(isAccepted: boolean): void;
  /** The client as it is under the faults. */
  wrap(client: Client): Client;
  /** Takes in one message, which `handle` does unless the line is cut before. */
  receive(client: Client, fields: readonly string[], handle: () => void): void;
  /** The request as TWS takes it. */
  taken(client: Client, request: Request): Request;
}

/** Stands between the handlers and the wire, and spoils what it is told to. */
export function createOrderFaultLine(
  /** Told of an order that a dialog holds: its id is used, though ids behind it are taken first. */
  onHeld: (clientId: number, orderId: number) => void = () => {},
): OrderFaultLine {
  let faults: OrderFaults = {};
  let ordersLeft = 0;
  let silent: Client | null = null;
  let emptyUntil = 0;
  /** The kind of the request that is being answered; null between requests. */
  let asked: number | null = null;
  const placed = new Set<string>();
  /** What the dialogs hold, in the order it came. */
  let dialogs: (() => void)[] = [];
  let cutBehind: { readonly clientId: number; readonly orderId: number } | null = null;

  function takesOrder(fields: readonly string[]): boolean {
    if (Number(fields[0]) !== placeOrder || faults.drop === undefined || ordersLeft === 0) return false;
    ordersLeft -= 1;
    return ordersLeft === 0;
  }

  function wrap(client: Client): Client {
    let held: Message[] = [];
    let isRowLost = false;
    const introduced = new Set<unknown>();

    /** A state that nobody has asked for, while TWS leaves those out. */
    function isLeftOut([id, subject]: Message): boolean {
      const isAnswer = asked !== null && orderLists.has(asked);
      if (faults.withoutStatuses !== true || isAnswer) return false;
      if (id === orderStatus) return true;
      const isFirst = id === openOrder && !introduced.has(subject);
      if (isFirst) introduced.add(subject);
      return id === openOrder && !isFirst;
    }

    /** A row of a list that is empty for now; a commission belongs to the execution before it. */
    function isLost([id, subject]: Message): boolean {
      if (performance.now() >= emptyUntil) return false;
      if (id === execDetails) isRowLost = Number(subject) !== unasked;
      return id === completedOrder || ((id === execDetails || id === commission) && isRowLost);
    }

    const out = (message: Message) => {
      const { delayMs = 0 } = faults;
      if (delayMs > 0) setTimeout(() => client.send(message), delayMs).unref();
      else client.send(message);
      if (
        cutBehind?.clientId === client.clientId &&
        message[0] === openOrder &&
        message[1] === cutBehind.orderId
      ) {
        cutBehind = null;
        client.hangUp();
      }
    };
    const release = () => {
      const messages = held.toReversed();
      held = [];
      for (const message of messages) out(message);
    };

    function send(message: Message): void {
      const id = Number(message[0]);
      if (silent?.clientId === client.clientId || isLost(message) || isLeftOut(message)) return;
      if (ends.has(id)) {
        // a list ends behind its rows, whatever their order
        release();
        if (faults.withoutEnds?.includes(id) !== true) out(message);
        return;
      }
      if (!news.has(id) && !isOrderError(message)) return client.send(message);
      const times = faults.duplicate === true && news.has(id) ? 2 : 1;
      for (let time = 0; time < times; time += 1) {
        if (faults.reorder !== true) {
          out(message);
          continue;
        }
        if (held.length === 0) queueMicrotask(release);
        held.push(message);
      }
    }

    return {
      ...client,
      send,
      error: (id, code, text) => send(errorMessage(client.serverVersion, id, code, text)),
    };
  }

  return {
    set(next) {
      faults = next;
      ordersLeft = next.nth ?? 1;
      emptyUntil = performance.now() + (next.emptyMs ?? 0);
      cutBehind = null;
    },
    answerDialogs(isAccepted) {
      const held = dialogs;
      dialogs = [];
      for (const take of isAccepted ? held : []) take();
    },
    wrap,
    taken({ clientId }, request) {
      if (request.type !== "placeOrder") return request;
      const name = `${clientId} ${request.orderId}`;
      const isChange = placed.has(name);
      placed.add(name);
      const { limitPrice } = request;
      if (!isChange || faults.repricedBy === undefined || limitPrice === null) return request;
      return { ...request, limitPrice: Math.round((limitPrice + faults.repricedBy) * 1e8) / 1e8 };
    },
    receive(client, fields, answer) {
      const handle = () => {
        asked = Number(fields[0]);
        try {
          answer();
        } finally {
          asked = null;
        }
      };
      const isOrder = Number(fields[0]) === placeOrder;
      const take = (): void => {
        if (isOrder && faults.dialog === true) {
          onHeld(client.clientId, Number(fields[1]));
          dialogs.push(handle);
        } else if (isOrder && faults.oddCode !== undefined) {
          wrap(client).error(Number(fields[1]), faults.oddCode, "Nobody knows what this means.");
          setTimeout(handle, faults.takenAfterMs ?? 0).unref();
        } else handle();
      };
      if (!takesOrder(fields)) return take();
      switch (faults.drop) {
        case undefined:
          return take();
        case "before-reading":
          return client.cut();
        case "after-reading":
          silent = client;
          take();
          silent = null;
          return client.cut();
        case "after-acknowledging":
          cutBehind = { clientId: client.clientId, orderId: Number(fields[1]) };
          return take();
      }
    },
  };
}
