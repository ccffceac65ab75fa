import { TwsError } from "../shared/errors.ts";
import { subprotocol } from "../shared/protocol.ts";
import { type Caller, defaultHostId } from "../shared/caller.ts";
import { refusalError } from "./access/machines/key-proofs.ts";
import type { TicketEndpoint } from "./rpc/access.ts";
import { isSame } from "./crypto/secrets.ts";
import { callerOf } from "./auth/caller.ts";
import { noteProven, proofIn, requireNotBlockedFor } from "./auth/proven-keys.ts";
import { accessOf, type Env, hostOf } from "./config/bindings.ts";
import type { Settings } from "./config/settings.ts";
import { callerHeader, encodeCaller } from "./rpc/host.ts";
import { requireNotBlocked } from "./http/address-limits.ts";
import { addressOf } from "./http/client-address.ts";

/** WebSockets are opened by the Worker, which checks who asks, and held by the host's object, which sleeps under them. */

const isUpgrade = (request: Request): boolean =>
  request.headers.get("Upgrade")?.toLowerCase() === "websocket";

/** A stream for watchers. */
export function openStream(
  request: Request,
  stream: TicketEndpoint,
  env: Env,
  caller: Caller,
): Promise<Response> {
  if (!isUpgrade(request)) return Promise.resolve(upgradeRequired("Open this address as a WebSocket."));
  return hostOf(env, caller.hostId).fetch(`https://host/stream/${stream}`, {
    headers: { Upgrade: "websocket", [callerHeader]: encodeCaller(caller) },
  });
}

/** Who opens a stream: the bearer of a ticket, where there is one, or of a token. */
export async function watcherOf(
  request: Request,
  stream: TicketEndpoint,
  env: Env,
  settings: Settings,
): Promise<Caller | Response> {
  const ticket = new URL(request.url).searchParams.get("ticket");
  if (settings.access === null || ticket === null) return await callerOf(request, env, settings);
  requireNotBlocked(addressOf(request, settings.access.publicUrl));
  const caller = await accessOf(env).redeemTicket(ticket.slice(0, 100), stream);
  if (caller !== null) return caller;
  throw new TwsError("unauthorized", "The ticket is unknown, was used already, or has expired.", {
    nextStep: "Get a new one from POST /api/v1/tickets; it opens one socket within 30 s.",
  });
}

/** The agent's link; throws `unauthorized` for one that does not prove itself and `forbidden` for a web page. */
export async function openAgentLink(request: Request, env: Env, settings: Settings): Promise<Response> {
  // an agent sends no Origin, so this is a page that wants to pass for one
  if (request.headers.has("Origin")) {
    throw new TwsError("forbidden", "Web pages cannot connect as the agent.");
  }
  const offered = (request.headers.get("Sec-WebSocket-Protocol") ?? "").split(",").map((name) => name.trim());
  if (!isUpgrade(request) || !offered.includes(subprotocol)) {
    return upgradeRequired(`Open this address as a WebSocket with the subprotocol ${subprotocol}.`, {
      "Sec-WebSocket-Protocol": subprotocol,
    });
  }
  const agent = await agentOf(request, env, settings);
  const host = hostOf(env, agent.hostId);
  const response = await host.fetch("https://host/agent", { headers: { Upgrade: "websocket" } });
  // it may have been revoked or moved on the way here, and its sockets closed a moment too early for this one
  if (agent.keyId !== null && !(await accessOf(env).isGoodKey(agent.keyId, agent.hostId))) {
    await host.dropAgent("This machine's key is not this host's any more.");
  }
  return response;
}

/** Which host's agent asks. The proof of a key decides, never anything else in the request. */
async function agentOf(
  request: Request,
  env: Env,
  { agentToken, access }: Settings,
): Promise<{ readonly hostId: string; readonly keyId: string | null }> {
  const bearer = proofIn(request);
  if (access !== null) {
    const isLocal =
      access.localAgentToken !== null &&
      isWithinMachine(request) &&
      (await isSame(bearer, access.localAgentToken));
    if (isLocal) return { hostId: defaultHostId, keyId: null };
    requireNotBlockedFor(bearer, addressOf(request, access.publicUrl));
    const proven = await accessOf(env).proveAgent(bearer, Date.now());
    if (proven.ok) {
      noteProven(bearer);
      return { hostId: proven.hostId, keyId: proven.keyId };
    }
    throw refusalError(proven, access.publicUrl);
  }
  if (agentToken === null || (await isSame(bearer, agentToken))) {
    return { hostId: defaultHostId, keyId: null };
  }
  throw new TwsError("unauthorized", "The agent's token is missing or wrong.", {
    nextStep: "Set the same AGENT_TOKEN for the agent and for the edge.",
  });
}

/** Cloudflare tells every request's address, whatever its sender says; the agent of `npm start` dials the edge itself. */
const isWithinMachine = (request: Request): boolean => !request.headers.has("CF-Connecting-IP");

function upgradeRequired(message: string, headers: Record<string, string> = {}): Response {
  const body = new TwsError("protocol_error", message, { nextStep: message }).toBody();
  return Response.json(
    { error: body, supported: Object.values(headers) },
    { status: 426, headers: { Upgrade: "websocket", ...headers } },
  );
}
