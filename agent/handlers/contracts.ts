import type { contractTools } from "../../shared/tools/contracts.ts";
import { resolveDetails, searchSymbols } from "../tws/contracts.ts";
import { requestOf } from "./deps.ts";
import type { HandlerDeps } from "./deps.ts";
import type { CallContext, HandlersFor } from "./handlers-for.ts";

export function createContractHandlers({ session }: Pick<HandlerDeps, "session">) {
  const search = async ({ pattern }: { readonly pattern: string }, context: CallContext) => {
    const results = await searchSymbols(session, pattern, requestOf(context));
    return { results: [...results], count: results.length };
  };

  return {
    ibkr_search_symbols: search,
    ibkr_get_matching_symbols: search,
    ibkr_get_contract_details: (input, context) => resolveDetails(session, input, requestOf(context)),
  } satisfies HandlersFor<typeof contractTools>;
}
