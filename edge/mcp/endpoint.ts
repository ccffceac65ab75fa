import { isLegacyRequest } from "@modelcontextprotocol/server";
import { type ErrorBody, TwsError } from "../../shared/errors.ts";
import type { Caller } from "../../shared/caller.ts";
import { isToolName } from "../../shared/tools/index.ts";
import type { Env } from "../config/bindings.ts";
import type { AccessSettings } from "../config/settings.ts";
import { retryAfter } from "../http/headers.ts";
import { isNeverRefused } from "../host/relay/rate-limits.ts";
import { idOf, isJsonObject, type JsonObject, readMessages, rpcCodes, rpcError } from "./message.ts";
import { joinAnswers, refuseBatch } from "./batch.ts";
import type { Exchange } from "./exchange.ts";
import { answerInSession, answerSessionRequest } from "./sessions-2025.ts";
import { answerStateless } from "./stateless-2026.ts";
import { inputErrorsInParams, inPlainWords, withoutDump } from "./params.ts";
import { admitAddress } from "../http/address-limits.ts";
import { addressOf } from "../http/client-address.ts";
import { stepUp } from "./step-up.ts";

/**
 * The MCP endpoint, for 2026-07-28 and the 2025 revisions. The Worker has checked Host and Origin and knows the
 * caller; CORS headers are added by it as well.
 */
export async function handleMcp(
  request: Request,
  env: Env,
  ctx: ExecutionContext,
  caller: Caller,
  access: AccessSettings | null = null,
): Promise<Response> {
  const exchange: Exchange = {
    request,
    env,
    ctx,
    caller,
    toolset:
      caller.toolset === "core" || new URL(request.url).searchParams.get("toolset") === "core"
        ? "core"
        : "full",
    canStream: request.headers.get("accept")?.includes("text/event-stream") ?? false,
    session: null,
    refusals: [],
    pagesAt: access?.publicUrl ?? null,
    elicit: null,
    callIdFor: () => Promise.resolve(crypto.randomUUID()),
  };
  const address = access === null ? null : addressOf(request, access.publicUrl);
  if (request.method !== "POST") {
    return tooMany(address, null) ?? (await orLimited(() => answerSessionRequest(exchange), null));
  }
  const body = await readMessages(request, caller.grantId);
  if (!body.ok) return body.response;
  const { messages, isBatch } = body;
  const refusedBatch = isBatch ? await refuseBatch(request, messages) : null;
  if (refusedBatch !== null) return refusedBatch;
  // all of them first, so that a batch is refused before any of it is served
  for (const message of messages) {
    const isTooMuch = isNeverTooMuch(message) ? null : tooMany(address, message);
    const refused = isTooMuch ?? stepUp(caller, access, message);
    if (refused !== null) return refused;
  }
  const [message] = messages;
  if (message !== undefined && !isBatch) return await answerTo(exchange, message);
  const alone = () => ({ ...exchange, canStream: false, refusals: [] });
  return joinAnswers(await Promise.all(messages.map((one) => answerTo(alone(), one))));
}

async function answerTo(exchange: Exchange, message: JsonObject): Promise<Response> {
  const { request } = exchange;
  const inputErrors = inputErrorsInParams(message);
  // what is refused needs no stream
  const asked = inputErrors === null ? exchange : { ...exchange, canStream: false };
  const response = (await isLegacyRequest(request, message))
    ? await orLimited(() => answerInSession(asked, message), message)
    : await answerStateless(asked, message);
  if (inputErrors !== null) return inPlainWords(response, message, inputErrors);
  return exchange.refusals[0] === undefined || isStream(response)
    ? withoutDump(response, message)
    : limited(exchange.refusals[0], message);
}

/** The answer to an address that asks too often; null while it does not. */
function tooMany(address: string | null, message: JsonObject | null): Response | null {
  try {
    if (address !== null) admitAddress(address);
    return null;
  } catch (error) {
    if (error instanceof TwsError) return limited(error.toBody(), message);
    throw error;
  }
}

/** The answer, or the one to a grant that has too much of something. */
async function orLimited(answer: () => Promise<Response>, message: JsonObject | null): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof TwsError && error.code === "rate_limited") return limited(error.toBody(), message);
    throw error;
  }
}

/** HTTP says when to try again, and JSON-RPC the same to whoever reads nothing but the message. */
const limited = (error: ErrorBody, message: JsonObject | null): Response =>
  rpcError(429, rpcCodes.transport, `${error.message} ${error.nextStep}`, {
    id: message === null ? null : idOf(message),
    data: error,
    headers: retryAfter(error),
  });

/** What withdraws an order or a call is served however much else was asked. */
function isNeverTooMuch({ method, params }: JsonObject): boolean {
  if (method === "notifications/cancelled") return true;
  const name = method === "tools/call" && isJsonObject(params) ? String(params["name"]) : "";
  return isToolName(name) && isNeverRefused(name);
}

const isStream = (response: Response): boolean =>
  response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
