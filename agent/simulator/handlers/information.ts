import type { Client } from "../wire/client.ts";
import { createEventsHandlers } from "./wsh-events.ts";
import type { World } from "../model/world.ts";
import { createNewsHandlers, type NewsHandlers } from "./news.ts";
import type { Permissions } from "../faults/permissions.ts";
import type { InformationRequest } from "../wire/requests-information.ts";
import { createScannerHandlers } from "./scanner.ts";

/** News, scans of the market and the calendar of events. */
export interface InformationHandlers {
  readonly news: NewsHandlers;
  handle(client: Client, request: InformationRequest): void;
  tick(): void;
  /** Ends what goes on for a client, or for everyone; bulletins stay for everyone. */
  forget(client?: Client): void;
}

interface InformationHandlersOptions {
  readonly world: World;
  readonly permissions: () => Permissions;
  readonly seed?: number;
  readonly scannerXmlBytes?: number;
}

export function createInformationHandlers(options: InformationHandlersOptions): InformationHandlers {
  const { world, permissions, seed = 1, scannerXmlBytes = 220_000 } = options;
  const news = createNewsHandlers(world, seed, permissions);
  const scanner = createScannerHandlers(world, scannerXmlBytes);
  const events = createEventsHandlers(world, seed, permissions);

  return {
    news,
    handle(client, request) {
      switch (request.type) {
        case "newsProviders":
          return news.providers(client);
        case "historicalNews":
          return news.historical(client, request);
        case "newsArticle":
          return news.article(client, request.reqId, request.provider, request.articleId);
        case "newsBulletins":
          return news.bulletins(client, true, request.all);
        case "cancelNewsBulletins":
          return news.bulletins(client, false, false);
        case "scannerParameters":
          return scanner.parameters(client);
        case "scan":
          return scanner.subscribe(client, request);
        case "cancelScan":
          return scanner.cancel(client, request.reqId);
        case "eventTypes":
          return events.types(client, request.reqId);
        case "events":
          return events.events(client, request);
        case "cancelEventTypes":
        case "cancelEvents":
          // every answer here is whole at once, so there is never anything left to cancel
          return;
        default:
          return request satisfies never;
      }
    },
    tick() {
      news.tick();
      scanner.tick();
    },
    forget(client) {
      news.forget(client);
      scanner.forget(client);
      if (client !== undefined) events.forget(client);
    },
  };
}
