import type { Contract } from "../../../shared/contract.ts";
import { priceRules } from "../../../shared/order.ts";
import type { Action, CompletedOrder, Order, OrderPrices, OrderStatus } from "../../../shared/order.ts";
import { modeOf } from "../../../shared/status.ts";
import { readTime } from "../session/time-zone.ts";
import { createIndex } from "./order-index.ts";
import type { Executions, Fills } from "./executions.ts";
import { noExtras } from "./order-extras.ts";
import type { OrderExtras } from "./order-extras.ts";
import { orderStateOf } from "./order-state.ts";
import type { OrderEvidence } from "./order-state.ts";
import type { ExecutionRow, OrderRow, OrderSpec, StatusRow } from "./order-wire.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** One order in the book, as far as TWS has told. */
export interface OrderRecord extends Mutable<OrderPrices>, Mutable<OrderEvidence> {
  orderId: number;
  clientId: number | null;
  permId: number | null;
  account: string;
  contract: Partial<Contract>;
  action: Action;
  orderType: string;
  tif: string;
  goodTillDate: string | null;
  outsideRth: boolean;
  orderRef: string | null;
  parentId: number | null;
  ocaGroup: string | null;
  /** Its terms that we do not model, as TWS has shown them last. */
  extras: OrderExtras;
  /** Where it stands by all that TWS has said: see `orderStateOf`. `records.conclude` alone sets it from elsewhere. */
  readonly status: OrderStatus;
  readonly isFinal: boolean;
  lastFillPrice: number | null;
  /** A notice has come that nobody waited for, and TWS's lists have not been read since. */
  doubt: "refused" | "cancelled" | null;
  warnings: string[];
  /** Our own words on it, each for as long as its claim holds. */
  remarks: Remark[];
  /** TWS has shown that it holds, or held, the order. */
  acknowledged: boolean;
}

/** A warning that a later state of the order makes untrue. */
interface Remark {
  readonly text: string;
  readonly holds: (order: OrderRecord) => boolean;
}

/** Ended orders are forgotten beyond this many. */
const kept = 5_000;
const warningsKept = 20;

/** The prices that the type has: TWS sends 0, or a price of its own, for the others. */
function pricesOf({ order }: OrderRow): OrderPrices {
  const { orderType, limitPrice, auxPrice, trailStopPrice, limitOffset } = {
    ...order,
    limitPrice: order.lmtPrice,
    limitOffset: order.lmtPriceOffset,
  };
  const rules = Object.entries(priceRules).find(([type]) => type === orderType)?.[1];
  const own = (field: keyof OrderPrices, price: number | null) =>
    rules?.[field] !== "none" && price !== 0 ? price : null;
  return {
    limitPrice: own("limitPrice", limitPrice),
    auxPrice: own("auxPrice", auxPrice),
    trailStopPrice: own("trailStopPrice", trailStopPrice),
    limitOffset: own("limitOffset", limitOffset),
  };
}

/** A fill beats everything, and only a fill beats a cancellation: TWS repeats statuses and mixes their order. */
function nextStatus(now: OrderStatus, told: OrderStatus): OrderStatus {
  if (told === "Unknown" || now === "Filled") return now;
  if ((now === "Cancelled" || now === "ApiCancelled") && told !== "Filled") return now;
  return told;
}

const fromRow = (row: OrderRow): Omit<OrderRecord, keyof typeof unheard | "warnings" | "remarks"> => {
  return {
    ...pricesOf(row),
    orderId: row.orderId,
    clientId: row.order.clientId,
    permId: row.order.permId,
    account: row.order.account,
    contract: row.contract,
    action: row.order.action,
    quantity: row.order.totalQuantity,
    orderType: row.order.orderType,
    tif: row.order.tif,
    goodTillDate: row.order.goodTillDate,
    outsideRth: row.order.outsideRth,
    orderRef: row.order.orderRef,
    parentId: row.order.parentId,
    ocaGroup: row.order.ocaGroup,
    extras: row.extras,
  };
};

const unheard = {
  status: "Unknown",
  told: "Unknown",
  isFinal: false,
  isListed: null,
  doubt: null,
  filledByStatus: 0,
  avgPriceByStatus: null,
  lastFillPrice: null,
  whyHeld: null,
  acknowledged: false,
} as const;

function countedFills(record: OrderRecord, executions: Executions): Fills {
  const isCombo = record.contract.secType === "BAG";
  // the legs of a combination are reported beside the combination itself
  return executions.total(record, ({ contract }) => !isCombo || contract.secType === "BAG");
}

/**
 * Every order that this process has sent or TWS has shown it. An order is known by its permId once it has one;
 * before that by its order id, which is unique only within its client.
 */
export function createOrderRecords(
  executions: Executions,
  clientId: number,
  zone: () => string | null = () => null,
) {
  const goodTillOf = (text: string | null) => ({
    goodTillDate: readTime(text ?? undefined, zone()),
    goodTillDateText: text,
  });

  /** Each with its number, in the order in which they came to be known. */
  const records = new Map<OrderRecord, number>();
  const byPermId = createIndex<number, OrderRecord>();
  const byOrderId = createIndex<number, OrderRecord>();
  const byRef = createIndex<string, OrderRecord>();
  let count = 0;
  /** Whether an order of this client has had the id, though no list shows it any more. */
  let isOwnId = (_orderId: number): boolean => false;

  const isOwn = (record: OrderRecord) => record.clientId === clientId && record.orderId !== 0;

  function index(record: OrderRecord): void {
    if (record.permId !== null) byPermId.add(record.permId, record);
    byOrderId.add(record.orderId, record);
    if (record.orderRef !== null) byRef.add(record.orderRef, record);
  }

  function unindex(record: OrderRecord): void {
    if (record.permId !== null) byPermId.remove(record.permId, record);
    byOrderId.remove(record.orderId, record);
    if (record.orderRef !== null) byRef.remove(record.orderRef, record);
  }

  function add(record: OrderRecord): void {
    count += 1;
    records.set(record, count);
    index(record);
    forgetOldest();
  }

  function remove(record: OrderRecord): void {
    if (records.delete(record)) unindex(record);
  }

  /** All that a record is found by changes here alone. */
  function change(record: OrderRecord, terms: Partial<OrderRecord>): void {
    const isKept = records.has(record);
    if (isKept) unindex(record);
    Object.assign(record, terms);
    if (isKept) index(record);
  }

  function learnPermId(record: OrderRecord, permId: number | null): void {
    if (record.permId === null && permId !== null) change(record, { permId });
  }

  /** Oldest first, as they came to be known. */
  const inOrder = (some: Iterable<OrderRecord>): OrderRecord[] =>
    [...some].toSorted((a, b) => (records.get(a) ?? 0) - (records.get(b) ?? 0));

  function find(permId: number | null, orderId: number, client: number | null): OrderRecord | undefined {
    const [known] = permId === null ? [] : inOrder(byPermId.of(permId));
    if (known !== undefined || orderId === 0) return known;
    return inOrder(byOrderId.of(orderId)).findLast(
      (record) => record.clientId === client && (permId === null || record.permId === null),
    );
  }

  function forgetOldest(): void {
    for (const record of records.keys()) {
      if (records.size <= kept) return;
      if (record.isFinal) remove(record);
    }
  }

  /** Takes in what TWS says of its state. */
  function hear(record: OrderRecord, told: OrderStatus): void {
    // it has yet to be seen whether TWS lists it as such
    if (told !== record.told) record.isListed = null;
    record.told = told;
    settle(record);
  }

  function settle(record: Mutable<OrderRecord>): void {
    const { status, isFinal } = orderStateOf(record, countedFills(record, executions));
    Object.assign(record, { status, isFinal });
    if (isFinal) record.doubt = null;
    record.remarks = record.remarks.filter(({ holds }) => holds(record));
  }

  return {
    /** An order that is about to be sent. */
    expect(orderId: number, spec: OrderSpec): OrderRecord {
      const record: OrderRecord = {
        ...spec,
        ...unheard,
        extras: noExtras,
        warnings: [],
        remarks: [],
        orderId,
        clientId,
        permId: null,
      };
      add(record);
      return record;
    },
    /** An order that was not sent after all. */
    forget: remove,

    openOrder(row: OrderRow): OrderRecord {
      const told = fromRow(row);
      let record = find(told.permId, told.orderId, told.clientId);
      if (record === undefined) {
        record = { ...told, ...unheard, warnings: [], remarks: [] };
        add(record);
      } else {
        // the full contract was known when the order was sent; openOrder shows less of it
        const { contract, permId, orderId, clientId, ...rest } = told;
        change(record, {
          ...rest,
          contract: { ...contract, ...record.contract },
          permId: permId ?? record.permId,
          ...(orderId !== 0 && { orderId, clientId }),
        });
      }
      record.acknowledged = true;
      hear(record, nextStatus(record.told, row.status));
      if (row.warning !== null) this.warn(record, row.warning);
      return record;
    },

    of: ({ orderId, order }: OrderRow): OrderRecord | undefined =>
      find(order.permId, orderId, order.clientId),

    /** How an order ended, by a row whose terms may be blank. */
    completed(record: OrderRecord, row: OrderRow): void {
      learnPermId(record, row.order.permId);
      // its executions may not be listed yet
      record.filledByStatus = Math.max(record.filledByStatus, row.order.filledQuantity);
      record.acknowledged = true;
      record.doubt = null;
      hear(record, nextStatus(record.told, row.status));
      // it is on the list of those that have ended
      record.isListed = false;
      settle(record);
    },

    status(row: StatusRow): OrderRecord | undefined {
      const record = find(row.permId, row.orderId, row.clientId);
      if (record === undefined) return undefined;
      learnPermId(record, row.permId);
      if (row.filled >= record.filledByStatus) {
        record.filledByStatus = row.filled;
        record.avgPriceByStatus = row.avgFillPrice ?? record.avgPriceByStatus;
        record.lastFillPrice = row.lastFillPrice ?? record.lastFillPrice;
      }
      record.whyHeld = row.whyHeld;
      record.acknowledged = true;
      hear(record, nextStatus(record.told, row.status));
      return record;
    },

    execution(row: ExecutionRow): OrderRecord | undefined {
      const { permId, orderId, clientId: client } = row.execution;
      const record = find(permId, orderId ?? 0, client);
      if (record === undefined) return undefined;
      learnPermId(record, permId);
      record.acknowledged = true;
      settle(record);
      return record;
    },

    /** A whole list of working orders has been read; `row` is this order's, if it shows it. */
    listed(record: OrderRecord, row: OrderRow | undefined): void {
      if (row !== undefined) record.doubt = null;
      if (record.told !== "Inactive" || (row !== undefined && row.status !== "Inactive")) return;
      record.isListed = row !== undefined;
      settle(record);
    },

    /** Its state by more than its own news: what a list does not show, or an answer to a message says. */
    conclude(record: OrderRecord, status: OrderStatus): void {
      record.doubt = null;
      hear(record, status);
      // it is concluded from a list that does not show it, or from a refusal
      if (status === "Inactive") record.isListed = false;
      settle(record);
    },

    /** Whether TWS's lists have to say where it stands before anyone is told. */
    isUncertain: ({ told, status, doubt, isListed }: OrderRecord): boolean =>
      status === "Unknown" || doubt !== null || (told === "Inactive" && status === told && isListed === null),

    /** TWS has given an order that came from its window an id of ours. */
    bound(permId: number, client: number, orderId: number): void {
      const record = find(permId, orderId, client);
      if (record !== undefined) change(record, { clientId: client, orderId });
    },

    warn(record: OrderRecord, text: string): void {
      if (record.warnings.includes(text)) return;
      record.warnings.push(text);
      if (record.warnings.length > warningsKept) record.warnings.shift();
    },

    /** Like `warn`, for our own words, which go when `holds` is no longer so. */
    remark(record: OrderRecord, text: string, holds: Remark["holds"]): void {
      record.remarks = [...record.remarks.filter((remark) => remark.text !== text), { text, holds }];
    },

    isOwnId: (orderId: number): boolean => isOwnId(orderId),
    recogniseIds(isOwn: (orderId: number) => boolean): void {
      isOwnId = isOwn;
    },

    /** The order of this client with the id, the newest if TWS has used the id again. */
    own: (orderId: number): OrderRecord | undefined => inOrder(byOrderId.of(orderId)).findLast(isOwn),

    /** The order with the id: this client's own; else, if it has had none, the only one of another client. */
    byId(orderId: number): OrderRecord | undefined {
      const own = this.own(orderId);
      if (own !== undefined || isOwnId(orderId)) return own;
      const others = byOrderId.of(orderId);
      return others.size === 1 ? [...others][0] : undefined;
    },
    byRef: (orderRef: string): OrderRecord | undefined =>
      inOrder(byRef.of(orderRef)).find(({ acknowledged }) => acknowledged),
    /** One that has no permId yet: other programs may write one reference on many orders. */
    unnamedByRef: (orderRef: string): OrderRecord | undefined =>
      inOrder(byRef.of(orderRef)).find(({ permId }) => permId === null),
    byPermId: (permId: number): OrderRecord | undefined => inOrder(byPermId.of(permId))[0],
    all: (): readonly OrderRecord[] => [...records.keys()],

    /** By the executions that have arrived. */
    countedFills: (record: OrderRecord): Fills => countedFills(record, executions),
    fills(record: OrderRecord): Fills {
      const { filled, avgFillPrice } = this.state(record);
      return { quantity: filled, avgPrice: avgFillPrice };
    },
    state: (record: OrderRecord) => orderStateOf(record, countedFills(record, executions)),

    /** A row of TWS's list of ended orders, with the order id if the book knows it. */
    toCompleted(row: OrderRow): CompletedOrder {
      const { orderType, filledQuantity, permId, account } = row.order;
      const known = permId === null ? undefined : this.byPermId(permId);
      const { contract, action, quantity, tif, goodTillDate, outsideRth, orderRef, ocaGroup } = fromRow(row);
      const state = known === undefined ? null : this.state(known);
      return {
        ...pricesOf(row),
        orderId: known?.orderId ?? null,
        permId,
        account,
        mode: modeOf(account),
        contract,
        action,
        quantity,
        orderType,
        tif,
        ...goodTillOf(goodTillDate),
        outsideRth,
        orderRef,
        ocaGroup,
        status: state?.isFinal === true ? state.status : row.status,
        filled: Math.max(state?.filled ?? 0, filledQuantity),
        completedTime: readTime(row.completedTime, zone()),
        completedTimeText: row.completedTime,
        completedStatus: row.completedStatus,
      };
    },

    toOrder(record: OrderRecord): Order {
      const { status, filled, remaining, avgFillPrice, isFinal } = this.state(record);
      const { orderId, permId, clientId, account, contract, action, quantity, orderType } = record;
      const { limitPrice, auxPrice, trailStopPrice, limitOffset } = record;
      const { tif, goodTillDate, outsideRth, orderRef, parentId, ocaGroup } = record;
      const { whyHeld, warnings, remarks } = record;
      return {
        orderId,
        permId,
        clientId,
        account,
        mode: modeOf(account),
        contract,
        action,
        quantity,
        orderType,
        limitPrice,
        auxPrice,
        trailStopPrice,
        limitOffset,
        tif,
        ...goodTillOf(goodTillDate),
        outsideRth,
        orderRef,
        parentId,
        ocaGroup,
        status,
        isFinal,
        filled,
        remaining,
        avgFillPrice,
        lastFillPrice: record.lastFillPrice,
        whyHeld,
        warnings: [...warnings, ...remarks.map(({ text }) => text)],
      };
    },
  };
}
export type OrderRecords = ReturnType<typeof createOrderRecords>;
