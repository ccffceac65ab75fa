import { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { wshTools } from "../../shared/tools/wsh.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import { wshEvents, wshEventTypes } from "../tws/news/wsh.ts";
import { requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

export function createWshHandlers({ session, now }: Pick<HandlerDeps, "session" | "now">) {
  return {
    async ibkr_get_wsh_meta_data(_input, context) {
      const eventTypes = [...(await wshEventTypes(session, requestOf(context)))];
      return { eventTypes, count: eventTypes.length, asOf: new Date(now()).toISOString() };
    },
    async ibkr_get_wsh_event_data(input, context) {
      const { startDate, endDate, totalLimit } = input;
      if (startDate !== "" && endDate !== "" && startDate > endDate)
        throw new TwsError("invalid_input", "startDate: it must not be after endDate.");
      const contract = await resolveContract(session, ContractSelector.parse(input), requestOf(context));
      const request = { conId: contract.conId, startDate, endDate, totalLimit };
      const events = await wshEvents(session, request, requestOf(context));
      const source = "wsh" as const;
      return { events, count: events.length, contract, source, asOf: new Date(now()).toISOString() };
    },
  } satisfies HandlersFor<typeof wshTools>;
}
