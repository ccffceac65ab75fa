import { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { contractTools } from "../../shared/tools/contracts.ts";
import { resolveContract, resolveDetails } from "../tws/contracts/contracts.ts";
import { marketRule } from "../tws/contracts/market-rules.ts";
import { inParts, optionParams } from "../tws/contracts/option-params.ts";
import { bboExchangeOf, smartComponents } from "../tws/contracts/smart-components.ts";
import { findInstruments, nextStepAfter } from "../tws/contracts/symbol-search.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

export function createContractHandlers({ session }: Pick<HandlerDeps, "session">) {
  const search = async ({ pattern }: { readonly pattern: string }, context: CallContext) => {
    const found = await findInstruments(session, pattern, requestOf(context));
    const results = [...found.results];
    return {
      results,
      count: results.length,
      ...(results.length === 0 && { nextStep: nextStepAfter(found) }),
    };
  };

  return {
    ibkr_search_symbols: search,
    ibkr_get_matching_symbols: search,
    ibkr_get_contract_details: (input, context) => resolveDetails(session, input, requestOf(context)),

    async ibkr_get_security_definition_by_conid({ conId }, context) {
      const { contract, ...details } = await resolveDetails(session, { conId }, requestOf(context));
      return { contract, details };
    },

    async ibkr_get_market_rule({ marketRuleId }, context) {
      const priceIncrements = await marketRule(session, marketRuleId, requestOf(context));
      return { marketRuleId, priceIncrements, count: priceIncrements.length };
    },

    async ibkr_get_option_chain_params({ underlyingConId, exchange }, context) {
      const request = requestOf(context);
      const underlying = await resolveContract(session, { conId: underlyingConId }, request);
      const rows = await optionParams(session, underlying, request);
      const venue = exchange?.toUpperCase();
      const chains = rows.filter((row) => venue === undefined || row.exchange === venue);
      if (chains.length === 0 && rows.length > 0) {
        const venues = [...new Set(rows.map((row) => row.exchange))].join(", ");
        throw new TwsError("invalid_input", `exchange: options on ${underlying.symbol} trade at ${venues}.`);
      }
      return { chains: chains.flatMap(inParts), count: chains.length };
    },

    async ibkr_get_smart_components({ bboExchange, ...input }, context) {
      const request = requestOf(context);
      const group =
        bboExchange ??
        (await bboExchangeOf(
          session,
          await resolveContract(session, ContractSelector.parse(input), request),
          request,
        ));
      const components = await smartComponents(session, group, request);
      return { bboExchange: group, components, count: components.length };
    },
  } satisfies HandlersFor<typeof contractTools>;
}
