import { answerAdvisorData } from "./advisor.ts";
import { createAccountFeed } from "./account.ts";
import { createCalculationHandlers } from "./calculations.ts";
import type { Client } from "../wire/client.ts";
import { createContractHandlers } from "./contracts.ts";
import { createDataHandlers } from "./data.ts";
import type { StreamKind } from "../faults/faults.ts";
import { createHistoryHandlers } from "./history.ts";
import { createInformationHandlers } from "./information.ts";
import { createMarketDataFeed } from "./market-data.ts";
import * as messages from "../wire/messages.ts";
import type { World } from "../model/world.ts";
import { createOrderHandlers } from "./orders.ts";
import { everything } from "../faults/permissions.ts";
import type { Permissions } from "../faults/permissions.ts";
import { createPnlFeed } from "./pnl.ts";
import type { Request } from "../wire/requests.ts";

/** Every conversation a client can have, behind one door. */
export interface Handlers {
  handle(client: Client, request: Request): void;
  /** Sends the ticks and bars that are due. */
  tick(): void;
  /** Once a second. */
  slowTick(): void;
  /** The client has left. */
  forget(client: Client): void;
  /** 1101: market data and bar subscriptions are gone, everything else stays. */
  forgetData(): void;
  /** 317 to everyone who watches a book. */
  resetDepth(): void;
  silence(symbols: readonly string[], forGood: boolean): void;
  /** Ends what streams of one kind, with an error under each stream's id; null for TWS's usual words. */
  endStreams(kind: StreamKind, code: number, text: string | null): void;
  lines(): number;
  close(): void;
}

export interface HandlersOptions {
  readonly world: World;
  readonly clients: ReadonlyMap<number, Client>;
  readonly timeZone: string;
  /** Last trade dates are written on the clock of that zone, not of the venue. */
  readonly tellsOwnZone: boolean;
  readonly maxLines: number;
  readonly nextValidId: (clientId: number) => number;
  /** What the account may see at the moment; everything by default. */
  readonly permissions?: () => Permissions;
  /** For what no instrument's price decides: news and events. */
  readonly seed?: number;
  /** How long the scanner's parameters are, about. */
  readonly scannerXmlBytes?: number;
}

export function createHandlers({
  world,
  clients,
  timeZone,
  tellsOwnZone,
  maxLines,
  nextValidId,
  permissions = () => everything,
  ...rest
}: HandlersOptions): Handlers {
  const { ledger } = world;
  const contracts = createContractHandlers(world, tellsOwnZone ? timeZone : null);
  const calculations = createCalculationHandlers(world);
  const information = createInformationHandlers({ world, permissions, ...rest });
  const { news } = information;
  const quotes = createMarketDataFeed(world, maxLines, permissions, news);
  const history = createHistoryHandlers(world, permissions);
  const data = createDataHandlers(world, permissions);
  const accounts = createAccountFeed(world, timeZone);
  const pnl = createPnlFeed(world);
  const orders = createOrderHandlers(world, clients);
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
      case "advisorData":
        return answerAdvisorData(client, request.dataType, ledger.accounts);
      case "userInfo":
        return client.send(messages.userInfo(request.reqId));
      case "softDollarTiers":
        return client.send(messages.softDollarTiers(request.reqId));
      case "matchingSymbols":
        return contracts.matchingSymbols(client, request.reqId, request.pattern);
      case "contractDetails":
        if (news.takesDetails(client, request.reqId, request.contract)) return;
        return contracts.details(client, request.reqId, request.contract, request.issuerId);
      case "marketRule":
        return contracts.marketRule(client, request.ruleId);
      case "optionChains":
        return contracts.optionChains(client, request.reqId, request.underlyingConId, request.exchange);
      case "smartComponents":
        return contracts.smartComponents(client, request.reqId, request.bboExchange);
      case "depthExchanges":
        return contracts.depthExchanges(client);
      case "optionPrice":
        return calculations.optionPrice(client, request);
      case "impliedVolatility":
        return calculations.impliedVolatility(client, request);
      case "historicalData":
        return history.request(client, request);
      case "cancelHistoricalData":
        return history.cancel(client, request.reqId);
      case "headTimestamp":
        return history.headTimestamp(client, request);
      case "histogram":
      case "historicalTicks":
      case "tickByTick":
      case "cancelTickByTick":
      case "marketDepth":
      case "cancelMarketDepth":
      case "realTimeBars":
      case "cancelRealTimeBars":
      case "fundamentals":
        return data.handle(client, request);
      case "newsProviders":
      case "historicalNews":
      case "newsArticle":
      case "newsBulletins":
      case "cancelNewsBulletins":
      case "scannerParameters":
      case "scan":
      case "cancelScan":
      case "eventTypes":
      case "cancelEventTypes":
      case "events":
      case "cancelEvents":
        return information.handle(client, request);
      case "marketData":
        if (news.takesLine(client, request)) return;
        return quotes.subscribe(client, request);
      case "cancelMarketData":
        if (news.endsLine(client, request.reqId)) return;
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
      data.tick();
      information.tick();
    },
    slowTick() {
      accounts.tick();
      pnl.tick();
    },
    forget(client) {
      quotes.forget(client);
      history.forget(client);
      data.forget(client);
      information.forget(client);
      accounts.forget(client);
      pnl.forget(client);
      orders.forget(client);
    },
    forgetData() {
      quotes.forget();
      history.forget();
      data.forget();
      information.forget();
    },
    resetDepth: () => data.resetDepth(),
    silence: (symbols, forGood) => quotes.silence(symbols, forGood),
    endStreams(kind, code, text) {
      if (kind === "marketData") quotes.end(code, text);
      else if (kind === "historicalData") history.end(code, text);
      else data.endStreams(kind, code, text);
    },
    lines: () => quotes.lines(),
    close: stopListening,
  };
}
