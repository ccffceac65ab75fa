import type { Client } from "../wire/client.ts";
import { executionsMatching } from "./execution-filter.ts";
import * as messages from "../wire/messages-order.ts";
import type { Action } from "../model/instruments.ts";
import type { Execution, LedgerEvent, Order, OrderRequest } from "../model/ledger.ts";
import type { World } from "../model/world.ts";
import type { PlaceOrder } from "../wire/requests-order.ts";
import type { ExecutionsRequest } from "../wire/requests.ts";
import { resolveOne } from "./resolve-contract.ts";

/** Takes orders to the ledger and brings its news to the clients they concern. */
export interface OrderHandlers {
  place(client: Client, request: PlaceOrder): void;
  cancel(client: Client, orderId: number): void;
  cancelAll(client: Client): void;
  openOrders(client: Client): void;
  allOpenOrders(client: Client): void;
  autoOpenOrders(client: Client, on: boolean): void;
  executions(client: Client, request: ExecutionsRequest): void;
  completedOrders(client: Client): void;
  ledgerEvent(event: LedgerEvent): void;
  forget(client: Client): void;
}

const invalidRequest = "Error validating request.-'bF' : cause - ";

function parseAction(text: string): Action | null {
  if (text === "BUY" || text === "SELL") return text;
  // short sales are marked as such in some accounts; the book does not care.
  return text === "SSHORT" || text === "SSHORTX" ? "SELL" : null;
}

interface Refusal {
  readonly code: number;
  readonly text: string;
}

/** What this book cannot do, so that it never does something else instead. */
function refusal(request: PlaceOrder): Refusal | null {
  if (request.orderId === 0) return { code: 10149, text: `Invalid order id: ${request.orderId}` };
  if (request.contract.secType === "BAG") {
    return { code: 321, text: `${invalidRequest}Combination orders are not supported` };
  }
  if (request.conditions > 0) {
    return { code: 201, text: "Order rejected - reason:Conditional orders are not supported" };
  }
  const { scalePriceIncrement = "", hedgeType = "" } = request.echo;
  const increment = Number(scalePriceIncrement);
  if (increment > 0 && increment < Number.MAX_VALUE) {
    return { code: 201, text: "Order rejected - reason:Scale orders are not supported" };
  }
  if (hedgeType !== "") return { code: 201, text: "Order rejected - reason:Hedge orders are not supported" };
  if (request.orderType === "") return { code: 321, text: `${invalidRequest}Invalid order type was entered` };
  return null;
}

export function createOrderHandlers(world: World, clients: ReadonlyMap<number, Client>): OrderHandlers {
  const { ledger, universe } = world;
  /** Clients that cancelled an order of someone else hear how it ends, under their own client id. */
  const cancellers = new Map<number, Set<Client>>();
  let autoBound: Client | null = null;

  function toOrderRequest(client: Client, request: PlaceOrder): OrderRequest | null {
    const { orderId, contract } = request;
    const instrument = resolveOne(universe, client, orderId, contract);
    if (instrument === null) return null;
    const action = parseAction(request.action);
    if (action === null) {
      client.error(orderId, 321, `${invalidRequest}Invalid side was entered`);
      return null;
    }
    // without one the ledger takes the only one there is
    const { account } = request;
    if (account !== "" && !ledger.accounts.includes(account)) {
      client.error(orderId, 321, `${invalidRequest}Invalid account code '${account}'.`);
      return null;
    }
    return {
      clientId: client.clientId,
      orderId,
      instrument,
      routing: contract.exchange ?? instrument.exchange,
      action,
      quantity: request.quantity,
      orderType: request.orderType,
      limitPrice: request.limitPrice,
      auxPrice: request.auxPrice,
      tif: request.tif === "" ? "DAY" : request.tif.toUpperCase(),
      outsideRth: request.outsideRth,
      account,
      transmit: request.transmit,
      parentId: request.parentId,
      ocaGroup: request.ocaGroup,
      ocaType: request.ocaType,
      orderRef: request.orderRef,
      whatIf: request.whatIf,
      echo: request.echo,
    };
  }

  function sendOpen(client: Client, order: Order): void {
    const { request } = order;
    const state = {
      status: order.status,
      commission: order.commission,
      commissionCurrency: order.commission === null ? "" : request.instrument.currency,
      warningText: order.warningText,
      preview: null,
    };
    client.send(messages.openOrder(client.serverVersion, request, order.permId, state));
    sendStatus(client, order);
  }

  function sendStatus(client: Client, order: Order): void {
    const isForeignCancel = cancellers.get(order.permId)?.has(client) === true;
    const clientId = isForeignCancel ? client.clientId : order.request.clientId;
    client.send(messages.orderStatus(order, clientId));
  }

  /** The owner, whoever cancelled it, and client 0 when it binds orders. */
  function concerned(order: Order): Set<Client> {
    const found = new Set<Client>(cancellers.get(order.permId));
    const owner = clients.get(order.request.clientId);
    if (owner !== undefined && order.request.orderId !== 0) found.add(owner);
    if (autoBound !== null) found.add(autoBound);
    return found;
  }

  function sendExecution(client: Client, reqId: number, execution: Execution): void {
    client.send(messages.execDetails(client.serverVersion, reqId, execution));
  }

  function preview(event: Extract<LedgerEvent, { type: "preview" }>): void {
    const client = clients.get(event.request.clientId);
    if (client === undefined) return;
    const state = {
      status: "PreSubmitted",
      commission: event.preview.commission,
      commissionCurrency: event.preview.commissionCurrency,
      warningText: event.preview.warningText,
      preview: event.preview,
    };
    client.send(messages.openOrder(client.serverVersion, event.request, 0, state));
  }

  return {
    place(client, request) {
      const refused = refusal(request);
      if (refused !== null) {
        client.error(request.orderId, refused.code, refused.text);
        return;
      }
      const order = toOrderRequest(client, request);
      if (order !== null) ledger.place(order);
    },

    cancel(client, orderId) {
      const matching = ledger.openOrders().filter((order) => order.request.orderId === orderId);
      const isOwn = matching.some((order) => order.request.clientId === client.clientId);
      if (!isOwn) {
        for (const { permId } of matching) {
          cancellers.set(permId, (cancellers.get(permId) ?? new Set()).add(client));
        }
      }
      ledger.cancel(client.clientId, orderId);
    },

    cancelAll: (client) => ledger.cancelAll(client.clientId),

    openOrders(client) {
      if (client.clientId === 0) ledger.bind();
      for (const order of ledger.openOrders()) {
        if (order.request.clientId === client.clientId) sendOpen(client, order);
      }
      client.send(messages.openOrderEnd());
    },

    allOpenOrders(client) {
      for (const order of ledger.openOrders()) sendOpen(client, order);
      client.send(messages.openOrderEnd());
    },

    autoOpenOrders(client, on) {
      if (client.clientId !== 0) {
        const cause = "Only the default client (i.e 0) can auto bind orders.";
        client.error(-1, 321, `Error validating request.-'bT' : cause - ${cause}`);
        return;
      }
      autoBound = on ? client : null;
      ledger.autoBind(on);
    },

    executions(client, request) {
      const found = executionsMatching(ledger.executions(), request);
      if (found === null) {
        const cause = "The time format is invalid; yyyymmdd-hh:mm:ss";
        client.error(request.reqId, 321, `Error validating request.-'bH' : cause - ${cause}`);
        return;
      }
      for (const execution of found) {
        sendExecution(client, request.reqId, execution);
        client.send(messages.commissionReport(execution));
      }
      client.send(messages.executionsEnd(request.reqId));
    },

    completedOrders(client) {
      const orders = ledger.completedOrders();
      const nameOf = (clientId: number, orderId: number) => `${clientId} ${orderId}`;
      // of two orders with one id the first is the parent
      const known = new Map(
        [...orders, ...ledger.openOrders()]
          .toReversed()
          .map((order) => [nameOf(order.request.clientId, order.request.orderId), order]),
      );
      for (const order of orders) {
        const { parentId, clientId } = order.request;
        const parent = parentId === 0 ? undefined : known.get(nameOf(clientId, parentId));
        client.send(messages.completedOrder(client.serverVersion, order, parent?.permId ?? 0));
      }
      client.send(messages.completedOrdersEnd());
    },

    ledgerEvent(event) {
      switch (event.type) {
        case "order":
          for (const client of concerned(event.order)) sendOpen(client, event.order);
          if (event.order.completedAt !== null) cancellers.delete(event.order.permId);
          break;
        case "status":
          for (const client of concerned(event.order)) sendStatus(client, event.order);
          break;
        case "bound":
          clients.get(0)?.send(messages.orderBound(event.permId, 0, event.orderId));
          break;
        case "execution":
          for (const client of concerned(event.execution.order)) sendExecution(client, -1, event.execution);
          break;
        case "commission":
          for (const client of concerned(event.execution.order)) {
            client.send(messages.commissionReport(event.execution));
          }
          break;
        case "error":
          clients.get(event.clientId)?.error(event.orderId, event.code, event.text);
          break;
        case "preview":
          preview(event);
          break;
        case "position":
        case "account":
          break;
      }
    },

    forget(client) {
      if (autoBound === client) {
        autoBound = null;
        ledger.autoBind(false);
      }
      for (const set of cancellers.values()) set.delete(client);
    },
  };
}
