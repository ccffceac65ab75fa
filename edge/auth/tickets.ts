import { z } from "zod";
import { TwsError } from "../../shared/errors.ts";
import type { Caller } from "../../shared/caller.ts";
import { TicketEndpoint, ticketEndpoints } from "../rpc/access.ts";
import { accessOf, type Env } from "../config/bindings.ts";
import type { Settings } from "../config/settings.ts";
import { readSmallMessage } from "../mcp/message.ts";

const TicketRequest = z.strictObject({ endpoint: TicketEndpoint });

/**
 * A ticket for one WebSocket. A browser's WebSocket can send no Authorization header, and a token does not belong in
 * an address.
 */
export async function issueTicket(
  request: Request,
  caller: Caller,
  env: Env,
  { access }: Settings,
): Promise<Response> {
  if (access === null) {
    throw new TwsError("invalid_input", "Without sign-in (AUTH=off) streams need no ticket.", {
      nextStep: "Open the WebSocket without one.",
    });
  }
  const body = await readSmallMessage(request, caller.grantId);
  if (!body.ok) return body.response;
  const parsed = TicketRequest.safeParse(body.message);
  if (!parsed.success) {
    throw new TwsError("invalid_input", `endpoint must be one of ${ticketEndpoints.join(", ")}.`);
  }
  const ticket = await accessOf(env).issueTicket(caller, parsed.data.endpoint);
  if (ticket === null) {
    throw new TwsError("unauthorized", "This access has ended.", {
      nextStep: "The client asks for access again.",
    });
  }
  return Response.json(ticket, { status: 201 });
}
