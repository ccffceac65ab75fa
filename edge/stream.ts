import { TwsError } from "../shared/errors.ts";
import { subprotocol } from "../shared/protocol.ts";
import type { Caller } from "../shared/scopes.ts";
import { type Env, hostOf, type Settings } from "./env.ts";
import { callerHeader, encodeCaller } from "./host/rpc.ts";

/** WebSockets are opened by the Worker, which checks who asks, and held by the host's object, which sleeps under them. */

const isUpgrade = (request: Request): boolean =>
  request.headers.get("Upgrade")?.toLowerCase() === "websocket";

/** A stream for watchers. */
export function openStream(
  request: Request,
  stream: "market-data" | "portfolio" | "news",
  env: Env,
  caller: Caller,
): Promise<Response> {
  if (!isUpgrade(request)) return Promise.resolve(upgradeRequired("Open this address as a WebSocket."));
  return hostOf(env).fetch(`https://host/stream/${stream}`, {
    headers: { Upgrade: "websocket", [callerHeader]: encodeCaller(caller) },
  });
}

/** The agent's link; throws `unauthorized` for a wrong token and `forbidden` for a web page. */
export async function openAgentLink(request: Request, env: Env, settings: Settings): Promise<Response> {
  // an agent sends no Origin, so this is a page that wants to pass for one
  if (request.headers.has("Origin")) {
    throw new TwsError("forbidden", "Web pages cannot connect as the agent.");
  }
  if (settings.agentToken !== null && !(await isBearer(request, settings.agentToken))) {
    throw new TwsError("unauthorized", "The agent's token is missing or wrong.", {
      nextStep: "Set the same AGENT_TOKEN for the agent and for the edge.",
    });
  }
  const offered = (request.headers.get("Sec-WebSocket-Protocol") ?? "").split(",").map((name) => name.trim());
  if (!isUpgrade(request) || !offered.includes(subprotocol)) {
    return upgradeRequired(`Open this address as a WebSocket with the subprotocol ${subprotocol}.`, {
      "Sec-WebSocket-Protocol": subprotocol,
    });
  }
  return hostOf(env).fetch("https://host/agent", { headers: { Upgrade: "websocket" } });
}

function upgradeRequired(message: string, headers: Record<string, string> = {}): Response {
  const body = new TwsError("protocol_error", message, { nextStep: message }).toBody();
  return Response.json(
    { error: body, supported: Object.values(headers) },
    { status: 426, headers: { Upgrade: "websocket", ...headers } },
  );
}

/** Compares digests, so that the time taken tells nothing of the token. */
async function isBearer(request: Request, token: string): Promise<boolean> {
  const sent = /^Bearer +(\S+) *$/i.exec(request.headers.get("Authorization") ?? "")?.[1] ?? "";
  const [a, b] = await Promise.all([digest(sent), digest(token)]);
  return crypto.subtle.timingSafeEqual(a, b);
}

const digest = (text: string): Promise<ArrayBuffer> =>
  crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
