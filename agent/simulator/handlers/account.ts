import { type SummaryRow, summaryRows } from "./account-summary.ts";
import type { Client } from "../wire/client.ts";
import * as messages from "../wire/messages.ts";
import type { AccountValue, Ledger, LedgerEvent, Position } from "../model/ledger.ts";
import type { World } from "../model/world.ts";
import type { AccountSummaryRequest, AccountUpdatesMultiRequest } from "../wire/requests.ts";
import { fieldText, type Message } from "../wire/wire.ts";
import { inZone } from "../time/zone-time.ts";

const maxSummaries = 2;
/** TWS refreshes accounts every three minutes, and soon after something happened. */
const refreshMs = 180_000;

export interface AccountFeed {
  updates(client: Client, on: boolean, account: string): void;
  updatesMulti(client: Client, request: AccountUpdatesMultiRequest): void;
  cancelUpdatesMulti(client: Client, reqId: number): void;
  summary(client: Client, request: AccountSummaryRequest): void;
  cancelSummary(client: Client, reqId: number): void;
  positions(client: Client, on: boolean): void;
  positionsMulti(client: Client, reqId: number, account: string): void;
  cancelPositionsMulti(client: Client, reqId: number): void;
  ledgerEvent(event: LedgerEvent): void;
  /** Once a second: sends what has changed to those who follow it. */
  tick(): void;
  forget(client: Client): void;
}

/** Sends a row only when it differs from the row last sent under the same key. */
interface Watch {
  readonly key: string;
  readonly client: Client;
  readonly account: string;
  readonly rows: () => readonly Message[];
  readonly sent: Map<string, string>;
  dueAt: number;
}

function fingerprint(message: Message): string {
  return message.map(fieldText).join("\0");
}

/** Rows of the same kind, account, tag and currency replace each other; the value is what changes. */
function rowKey(message: Message, valueAt: readonly number[]): string {
  return fingerprint(message.filter((_, index) => !valueAt.includes(index)));
}

/** Where the changing fields of each message stand. */
const valueFields: ReadonlyMap<number, readonly number[]> = new Map([
  [6, [3]],
  [7, [13, 14, 15, 16, 17, 18]],
  [63, [5]],
  [73, [6]],
  [71, [15, 16]],
]);

function changed(watch: Watch): Message[] {
  return watch.rows().filter((message) => {
    const key = rowKey(message, valueFields.get(Number(message[0])) ?? []);
    const text = fingerprint(message);
    if (watch.sent.get(key) === text) return false;
    watch.sent.set(key, text);
    return true;
  });
}

const positionFeed = "positions";
const updatesFeed = "updates";

export function createAccountFeed(world: World, timeZone: string): AccountFeed {
  const { ledger } = world;
  const watches = new Map<Client, Map<string, Watch>>();

  function add(watch: Watch): void {
    const own = watches.get(watch.client) ?? new Map<string, Watch>();
    watches.set(watch.client, own.set(watch.key, watch));
  }

  const remove = (client: Client, key: string): boolean => watches.get(client)?.delete(key) ?? false;

  function watchOf(client: Client, key: string, account: string, rows: () => readonly Message[]): Watch {
    return { key, client, account, rows, sent: new Map(), dueAt: performance.now() + refreshMs };
  }

  /** An empty account means the only one, or the first. */
  function accountOf(name: string): string | null {
    if (name === "" || name === "All") return ledger.accounts[0] ?? null;
    return ledger.accounts.includes(name) ? name : null;
  }

  function clock(): string {
    return inZone(world.now(), timeZone).time.slice(0, 5);
  }

  function send(client: Client, rows: readonly Message[]): void {
    for (const row of rows) client.send(row);
  }

  function refresh(watch: Watch, now: number): void {
    watch.dueAt = now + refreshMs;
    const rows = changed(watch);
    send(watch.client, rows);
    if (watch.key === updatesFeed && rows.length > 0) watch.client.send(messages.accountTime(clock()));
  }

  function touch(matches: (watch: Watch) => boolean): void {
    for (const own of watches.values()) {
      for (const watch of own.values()) if (matches(watch)) watch.dueAt = 0;
    }
  }

  return {
    updates(client, on, name) {
      if (!on) {
        remove(client, updatesFeed);
        return;
      }
      const account = accountOf(name);
      if (account === null) {
        client.error(-1, 321, `Error validating request.-'bS' : cause - Invalid account code '${name}'.`);
        return;
      }
      const previous = watches.get(client)?.get(updatesFeed);
      if (previous !== undefined && previous.account !== account) {
        const text =
          "New account data requested from TWS.  API client has been unsubscribed from account data.";
        client.error(-1, 2100, text);
      }
      const watch = watchOf(client, updatesFeed, account, () => updateRows(ledger, account));
      send(client, changed(watch));
      client.send(messages.accountTime(clock()));
      client.send(messages.accountDownloadEnd(account));
      add(watch);
    },

    updatesMulti(client, { reqId, account: name, model, ledgerAndNlv }) {
      const account = accountOf(name);
      if (account === null) {
        client.error(reqId, 321, `Error validating request.-'cA' : cause - Invalid account code '${name}'.`);
        return;
      }
      const rows = (): readonly Message[] =>
        multiValues(ledger, account, model, ledgerAndNlv).map((value) =>
          messages.accountUpdateMulti(reqId, account, value),
        );
      const watch = watchOf(client, `multi/${reqId}`, account, rows);
      send(client, changed(watch));
      client.send(messages.accountUpdateMultiEnd(reqId));
      add(watch);
    },

    cancelUpdatesMulti: (client, reqId) => void remove(client, `multi/${reqId}`),

    summary(client, { reqId, group, tags }) {
      const own = [...(watches.get(client)?.keys() ?? [])].filter((key) => key.startsWith("summary/"));
      if (own.includes(`summary/${reqId}`)) {
        client.error(reqId, 322, "Error processing request.-'bP' : cause - Duplicate ticker id");
        return;
      }
      if (own.length >= maxSummaries) {
        const cause = "Maximum number of account summary requests exceeded";
        client.error(reqId, 322, `Error processing request.-'bP' : cause - ${cause}`);
        return;
      }
      const accounts = group === "All" ? ledger.accounts : ledger.accounts.filter((name) => name === group);
      if (accounts.length === 0) {
        client.error(reqId, 321, "Error validating request.-'bP' : cause - Invalid account group name");
        return;
      }
      const row = ({ account, value }: SummaryRow): Message => messages.accountSummary(reqId, account, value);
      const rows = (): Message[] => summaryRows(ledger, accounts, tags).map(row);
      const watch = watchOf(client, `summary/${reqId}`, "", rows);
      send(client, changed(watch));
      client.send(messages.accountSummaryEnd(reqId));
      add(watch);
    },

    cancelSummary: (client, reqId) => void remove(client, `summary/${reqId}`),

    positions(client, on) {
      if (!on) {
        remove(client, positionFeed);
        return;
      }
      const rows = (): Message[] => ledger.positions().map(messages.positionRow);
      send(client, rows());
      client.send(messages.positionEnd());
      // later rows come from the ledger's events, so there is nothing to refresh
      add({ ...watchOf(client, positionFeed, "", () => []), dueAt: Number.POSITIVE_INFINITY });
    },

    positionsMulti(client, reqId, name) {
      const account = accountOf(name);
      if (account === null) {
        client.error(reqId, 321, `Error validating request.-'bY' : cause - Invalid account code '${name}'.`);
        return;
      }
      const rows = (): Message[] =>
        positionsOf(ledger, account).map((position) => messages.positionMulti(reqId, position));
      const watch = watchOf(client, `positions/${reqId}`, account, rows);
      send(client, changed(watch));
      client.send(messages.positionMultiEnd(reqId));
      add(watch);
    },

    cancelPositionsMulti: (client, reqId) => void remove(client, `positions/${reqId}`),

    ledgerEvent(event) {
      if (event.type === "account") {
        touch((watch) => watch.account === event.account || watch.key.startsWith("summary/"));
      }
      if (event.type !== "position") return;
      for (const [client, own] of watches) {
        if (own.has(positionFeed)) client.send(messages.positionRow(event.position));
        // a closed position is gone from the ledger's list, so its last row is sent from here.
        const isFollowed = own.get(updatesFeed)?.account === event.position.account;
        if (isFollowed && event.position.quantity === 0) client.send(messages.portfolioValue(event.position));
      }
      touch((watch) => watch.account === event.position.account);
    },

    tick() {
      const now = performance.now();
      for (const own of watches.values()) {
        for (const watch of own.values()) if (now >= watch.dueAt) refresh(watch, now);
      }
    },

    forget: (client) => void watches.delete(client),
  };
}

function positionsOf(ledger: Ledger, account: string): Position[] {
  return ledger.positions().filter((position) => position.account === account);
}

function updateRows(ledger: Ledger, account: string): Message[] {
  return [
    ...ledger.accountValues(account).map((value) => messages.accountValue(account, value)),
    ...positionsOf(ledger, account).map(messages.portfolioValue),
  ];
}

/** No model has values of its own here; with `ledgerAndNlv` only cash and worth are asked for. */
function multiValues(
  ledger: Ledger,
  account: string,
  model: string,
  ledgerAndNlv: boolean,
): readonly AccountValue[] {
  if (model !== "") return [];
  const values = ledger.accountValues(account);
  if (!ledgerAndNlv) return values;
  return values.filter(({ key }) => key === "NetLiquidation" || /Cash|Currency|Rate|PnL/.test(key));
}
