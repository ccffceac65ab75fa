import { createRequestStateCodec, type ServerContext } from "@modelcontextprotocol/server";
import { z } from "zod";
import { approvalLifetimeMs } from "../../shared/approval.ts";
import { ErrorBody, TwsError } from "../../shared/errors.ts";
import type { Caller } from "../../shared/caller.ts";
import { sha256Of } from "../crypto/digest.ts";
import type { Env } from "../config/bindings.ts";
import type { JsonObject } from "./message.ts";
import { signingSecret } from "./session-store.ts";

/** What a client of 2026-07-28 carries from one round of a call to the next, so that nothing is kept here. */
const CallState = z.object({
  /** The client was asked; or it has answered, and now waits for the decision. */
  step: z.enum(["asked", "waiting"]),
  /** How often the agent has been asked again. */
  round: z.int().nonnegative(),
  /** Under which the call is repeated. */
  idempotencyKey: z.string(),
  /** The error that the client gets if nothing comes of it. */
  error: ErrorBody,
});
export type CallState = z.infer<typeof CallState>;

export interface StateCodec {
  /** The text that the client sends back, signed: for this grant, this tool and these arguments, for five minutes. */
  seal(state: CallState): Promise<string>;
  /** Null for a call without state; throws `invalid_input` for one that is altered, too old or of another call. */
  open(): Promise<CallState | null>;
}

export function stateCodecOf(
  env: Env,
  { grantId }: Caller,
  tool: string,
  input: JsonObject,
  context: ServerContext,
): StateCodec {
  async function makeCodec() {
    const bound = JSON.stringify([grantId, tool, await sha256Of(JSON.stringify(input))]);
    return createRequestStateCodec({
      // a key of its own, so that no session id is ever a state
      key: `request-state:${await signingSecret(env)}`,
      ttlSeconds: approvalLifetimeMs / 1000,
      bind: () => bound,
    });
  }

  return {
    seal: async (state) => (await makeCodec()).mint(state, context),
    async open() {
      const sent: unknown = context.mcpReq.requestState();
      if (sent === undefined) return null;
      const codec = await makeCodec();
      try {
        return CallState.parse(await codec.verify(z.string().parse(sent), context));
      } catch (cause) {
        throw new TwsError(
          "invalid_input",
          "requestState is not one that was given for this call, or is older than five minutes. Nothing was done.",
          { nextStep: "Make the call again without it, with the same arguments.", cause },
        );
      }
    },
  };
}
