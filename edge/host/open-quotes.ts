import { type Contract, type ContractSelector, withDefaults } from "../../shared/contract.ts";
import { type ErrorBody, TwsError } from "../../shared/errors.ts";
import { parseTopic } from "../../shared/events.ts";
import type { Caller } from "../../shared/scopes.ts";
import { streamTools } from "../../shared/tools/streams.ts";
import type { Calls } from "./calls.ts";
import type { Topics } from "./topics.ts";

/** A quote stream that can be watched. */
export interface Opened {
  readonly topic: string;
  readonly contract: Contract;
  readonly resourceId: string;
}

type OpenOutcome =
  | { readonly ok: true; readonly opened: Opened }
  | { readonly ok: false; readonly error: ErrorBody };

/** Finds the topic of an instrument, for whoever wants to watch it. */
export interface OpenQuotes {
  open(selector: ContractSelector, caller: Caller, callId?: string): Promise<OpenOutcome>;
}

const startTool = "ibkr_start_market_data_resource";
const mostRemembered = 1_000;

/** Only the agent can say which instrument is meant, and whether its stream can be had; what it said is remembered while somebody watches. */
export function createOpenQuotes(calls: Calls, topics: Topics): OpenQuotes {
  const known = new Map<string, Opened>();
  return {
    async open(selector, caller, callId = crypto.randomUUID()) {
      const input = withDefaults(selector);
      const key = JSON.stringify(input);
      const remembered = known.get(key);
      if (remembered !== undefined && topics.find(remembered.topic) !== null) {
        return { ok: true, opened: remembered };
      }
      const outcome = await calls.ask({ callId, tool: startTool, input, caller });
      if (!outcome.ok) return outcome;
      const output = streamTools[startTool].output.safeParse(outcome.output);
      if (!output.success || parseTopic(output.data.topic) === null) {
        const error = new TwsError("protocol_error", "The agent's answer was malformed.");
        return { ok: false, error: error.toBody() };
      }
      const { topic, contract, resource_id } = output.data;
      const opened = { topic, contract, resourceId: resource_id };
      if (known.size >= mostRemembered) known.clear();
      known.set(key, opened);
      return { ok: true, opened };
    },
  };
}
