import { resourceIdOf } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import { quoteTopic } from "../../shared/events.ts";
import { marketDataUri } from "../../shared/resources.ts";
import type { streamTools } from "../../shared/tools/streams.ts";
import { resolveContract } from "../tws/contracts.ts";
import { requestOf } from "./deps.ts";
import type { HandlerDeps } from "./deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

/** An instrument that says nothing for so long may still speak later, so its stream starts. */
const firstQuoteMs = 5_000;

export function createStreamHandlers({ session, quotes }: Pick<HandlerDeps, "session" | "quotes">) {
  return {
    /** Finds out that the stream can be had; it is opened by its first watcher. */
    async ibkr_start_market_data_resource(input, context) {
      const request = requestOf(context);
      const contract = await resolveContract(session, input, request);
      await quotes.snapshot(contract, { ...request, timeoutMs: firstQuoteMs }).catch((error: unknown) => {
        if (!(error instanceof TwsError && error.code === "timeout")) throw error;
      });
      const resourceId = resourceIdOf(contract);
      return {
        status: "started" as const,
        resource_uri: marketDataUri(resourceId),
        resource_id: resourceId,
        topic: quoteTopic(contract.conId),
        contract,
      };
    },
  } satisfies HandlersFor<typeof streamTools>;
}
