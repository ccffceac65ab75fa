import { resourceIdOf } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import { topicName } from "../../shared/events.ts";
import { type Resource, resourceUri } from "../../shared/resources.ts";
import { modeOf } from "../../shared/status.ts";
import type { streamTools } from "../../shared/tools/streams.ts";
import { resolveAccount } from "../limits/limits.ts";
import { noProviders } from "../streams/topic-sources.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import { newsProviders } from "../tws/news/news.ts";
import { requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";
import { createWatchHandlers } from "./watches.ts";

/** An instrument that says nothing for so long may still speak later, so its stream starts. */
const firstQuoteMs = 5_000;

type Deps = Pick<HandlerDeps, "session" | "quotes" | "limits">;

const started = (resource: Resource, topic: Parameters<typeof topicName>[0]) => ({
  status: "started" as const,
  resource_uri: resourceUri(resource),
  resource_id: resource.id === "" ? resource.kind : resource.id,
  topic: topicName(topic),
});

/** Each finds out that the stream can be had; it is opened by its first watcher. */
export function createStreamHandlers(deps: Deps) {
  const { session, quotes, limits } = deps;
  return {
    async ibkr_start_market_data_resource(input, context) {
      const request = requestOf(context);
      const contract = await resolveContract(session, input, request);
      await quotes.snapshot(contract, { ...request, timeoutMs: firstQuoteMs }).catch((error: unknown) => {
        if (!(error instanceof TwsError && error.code === "timeout")) throw error;
      });
      const resource = { kind: "market-data", id: resourceIdOf(contract) } as const;
      return { ...started(resource, { kind: "quote", conId: contract.conId }), contract };
    },

    async ibkr_start_portfolio_resource(input, { caller }) {
      await session.whenConnected(0);
      const account = resolveAccount(input.account, caller, session.accounts(), limits.onlyAccount);
      return {
        ...started({ kind: "portfolio", id: account }, { kind: "portfolio", account }),
        orders_uri: resourceUri({ kind: "orders", id: account }),
        account,
        mode: modeOf(account),
      };
    },

    async ibkr_start_news_resource({ allMessages }) {
      await session.whenConnected(0);
      return started({ kind: "news-bulletins", id: "" }, { kind: "bulletins", allMessages });
    },

    async ibkr_start_tick_news_resource({ symbol, ...rest }, context) {
      await session.whenConnected(0);
      const isNamed = rest.conId !== undefined || rest.localSymbol !== undefined;
      if (symbol === "*" && !isNamed) {
        return started({ kind: "tick-news", id: "*" }, { kind: "tick-news", conId: null });
      }
      const selector = symbol === "*" ? rest : { symbol, ...rest };
      const contract = await resolveContract(session, selector, requestOf(context));
      const resource = { kind: "tick-news", id: resourceIdOf(contract) } as const;
      return { ...started(resource, { kind: "tick-news", conId: contract.conId }), contract };
    },

    async ibkr_start_broadtape_news_resource(_input, context) {
      const providers = await newsProviders(session, requestOf(context));
      if (providers.length === 0) throw noProviders();
      return {
        ...started({ kind: "broadtape-news", id: "" }, { kind: "broadtape" }),
        providers: providers.map(({ code }) => code),
      };
    },

    ...createWatchHandlers(deps),
  } satisfies HandlersFor<typeof streamTools>;
}
