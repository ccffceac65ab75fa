import { createAccountFeed } from "./account-feed.ts";
import type { Client } from "./client.ts";
import { createContractDesk } from "./contract-desk.ts";
import { createHistoryDesk } from "./history-desk.ts";
import { createMarketDataFeed } from "./market-data-feed.ts";
import * as messages from "./messages.ts";
import type { World } from "./model.ts";
import { createOrderDesk } from "./order-desk.ts";
import { createPnlFeed } from "./pnl-feed.ts";
import type { Request } from "./requests.ts";

const NEWS_PROVIDERS = [
  ["BRFG", "Briefing.com General Market Columns"],
  ["BRFUPDN", "Briefing.com Analyst Actions"],
  ["DJNL", "Dow Jones Newsletters"],
] as const;

/** Every conversation a client can have, behind one door. */
export interface Desks {
  handle(client: Client, request: Request): void;
  /** Sends the ticks and bars that are due. */
  tick(): void;
  /** Once a second. */
  slowTick(): void;
  /** The client has left. */
  forget(client: Client): void;
  /** 1101: market data and bar subscriptions are gone, everything else stays. */
  forgetData(): void;
  lines(): number;
  close(): void;
}

export interface DeskOptions {
  readonly world: World;
  readonly clients: ReadonlyMap<number, Client>;
  readonly timeZone: string;
  readonly maxLines: number;
  readonly nextValidId: (clientId: number) => number;
}

export function createDesks({ world, clients, timeZone, maxLines, nextValidId }: DeskOptions): Desks {
  const { ledger } = world;
  const contracts = createContractDesk(world);
  const quotes = createMarketDataFeed(world, maxLines);
  const history = createHistoryDesk(world);
  const accounts = createAccountFeed(world, timeZone);
  const pnl = createPnlFeed(world);
  const orders = createOrderDesk(world, clients);
  const stopListening = ledger.listen((event) => {
    orders.ledgerEvent(event);
    accounts.ledgerEvent(event);
  });

  function handle(client: Client, request: Request): void {
    switch (request.type) {
      case "startApi":
      case "ignored":
        return;
      case "nextValidId":
        return client.send(messages.nextValidId(nextValidId(client.clientId)));
      case "managedAccounts":
        return client.send(messages.managedAccounts(ledger.accounts));
      case "currentTime":
        return client.send(messages.currentTime(world.now()));
      case "familyCodes":
        return client.send(messages.familyCodes(ledger.accounts));
      case "userInfo":
        return client.send(messages.userInfo(request.reqId));
      case "newsProviders":
        return client.send(messages.newsProviders(NEWS_PROVIDERS));
      case "softDollarTiers":
        return client.send(messages.softDollarTiers(request.reqId));
      case "matchingSymbols":
        return contracts.matchingSymbols(client, request.reqId, request.pattern);
      case "contractDetails":
        return contracts.details(client, request.reqId, request.contract);
      case "marketRule":
        return contracts.marketRule(client, request.ruleId);
      case "optionChains":
        return contracts.optionChains(client, request.reqId, request.underlyingConId, request.exchange);
      case "historicalData":
        return history.request(client, request);
      case "cancelHistoricalData":
        return history.cancel(client, request.reqId);
      case "headTimestamp":
        return history.headTimestamp(client, request);
      case "marketData":
        return quotes.subscribe(client, request);
      case "cancelMarketData":
        return quotes.cancel(client, request.reqId);
      case "marketDataType":
        return quotes.setType(client, request.value);
      case "accountUpdates":
        return accounts.updates(client, request.on, request.account);
      case "accountUpdatesMulti":
        return accounts.updatesMulti(client, request);
      case "cancelAccountUpdatesMulti":
        return accounts.cancelUpdatesMulti(client, request.reqId);
      case "accountSummary":
        return accounts.summary(client, request);
      case "cancelAccountSummary":
        return accounts.cancelSummary(client, request.reqId);
      case "positions":
        return accounts.positions(client, true);
      case "cancelPositions":
        return accounts.positions(client, false);
      case "positionsMulti":
        return accounts.positionsMulti(client, request.reqId, request.account);
      case "cancelPositionsMulti":
        return accounts.cancelPositionsMulti(client, request.reqId);
      case "pnl":
        return pnl.account(client, request.reqId, request.account);
      case "cancelPnl":
        return pnl.cancel(client, request.reqId);
      case "pnlSingle":
        return pnl.position(client, request.reqId, request.account, request.conId);
      case "cancelPnlSingle":
        return pnl.cancelSingle(client, request.reqId);
      case "placeOrder":
        return orders.place(client, request);
      case "cancelOrder":
        return orders.cancel(client, request.orderId);
      case "globalCancel":
        return orders.cancelAll(client);
      case "openOrders":
        return orders.openOrders(client);
      case "allOpenOrders":
        return orders.allOpenOrders(client);
      case "autoOpenOrders":
        return orders.autoOpenOrders(client, request.on);
      case "executions":
        return orders.executions(client, request);
      case "completedOrders":
        return orders.completedOrders(client);
      case "unsupported":
        return client.error(request.reqId, request.code, request.text);
      case "unknown": {
        const cause = `Unable to parse message id '${request.messageId}'`;
        return client.error(-1, 320, `Error reading request. ${cause}`);
      }
    }
  }

  return {
    handle,
    tick() {
      quotes.tick();
      history.tick();
    },
    slowTick() {
      accounts.tick();
      pnl.tick();
    },
    forget(client) {
      quotes.forget(client);
      history.forget(client);
      accounts.forget(client);
      pnl.forget(client);
      orders.forget(client);
    },
    forgetData() {
      quotes.forget();
      history.forget();
    },
    lines: () => quotes.lines(),
    close: stopListening,
  };
}
