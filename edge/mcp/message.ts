import { isJsonContentType } from "@modelcontextprotocol/server";
import { bodiesOfCallers } from "../http/bodies-under-way.ts";
import { bodySizes, bodyWithinMs, formWithinMs, type ReadBody, readBody, textOf } from "../http/body.ts";

/** Deeper JSON is refused before any schema walks it recursively. */
const maxDepth = 64;

/** Codes of JSON-RPC that we answer with ourselves; all others come from the SDK. */
export const rpcCodes = {
  parseError: -32700,
  invalidRequest: -32600,
  invalidParams: -32602,
  internalError: -32603,
  /** Of the transport: no code of JSON-RPC fits. */
  transport: -32000,
  sessionNotFound: -32001,
} as const;

export type JsonObject = Readonly<Record<string, unknown>>;

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

interface RpcErrorOptions {
  readonly id?: string | number | null;
  readonly data?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A JSON-RPC error as a whole HTTP answer. */
export function rpcError(
  status: number,
  code: number,
  message: string,
  { id = null, data, headers = {} }: RpcErrorOptions = {},
): Response {
  const error = { code, message, ...(data !== undefined && { data }) };
  return Response.json({ jsonrpc: "2.0", id, error }, { status, headers });
}

/** The id to echo in an answer; null where the message has none that JSON-RPC allows. */
export function idOf(message: JsonObject): string | number | null {
  const { id } = message;
  return typeof id === "string" || typeof id === "number" ? id : null;
}

interface Refused {
  readonly ok: false;
  readonly response: Response;
}
export type Body = { readonly ok: true; readonly message: JsonObject } | Refused;

/** One message, or the several of a batch. */
export type Messages =
  | { readonly ok: true; readonly isBatch: boolean; readonly messages: readonly JsonObject[] }
  | Refused;

const refuse = (status: number, code: number, message: string): Refused => ({
  ok: false,
  response: rpcError(status, code, message),
});

/** The JSON-RPC messages of a POST, or the answer that refuses it. Their members are not checked yet. */
export async function readMessages(request: Request, grantId: string): Promise<Messages> {
  const read = await readJson(request, grantId, bodySizes.message);
  if (!read.ok) return read;
  const isBatch = Array.isArray(read.value);
  const all: unknown[] = Array.isArray(read.value) ? read.value : [read.value];
  const messages = all.filter(isJsonObject).map(withArguments);
  if (messages.length < all.length)
    return refuse(400, rpcCodes.invalidRequest, "The body is not a JSON-RPC message.");
  return { ok: true, isBatch, messages };
}

/** As `readMessages`, for what needs little and comes alone. */
export async function readSmallMessage(request: Request, grantId: string): Promise<Body> {
  const read = await readJson(request, grantId, bodySizes.form);
  if (!read.ok) return read;
  if (isJsonObject(read.value)) return { ok: true, message: withArguments(read.value) };
  return refuse(400, rpcCodes.invalidRequest, "The body is not one JSON object.");
}

type Json = { readonly ok: true; readonly value: unknown } | Refused;

async function readJson(request: Request, grantId: string, mostBytes: number): Promise<Json> {
  if (!isJsonContentType(request.headers.get("content-type"))) {
    return refuse(415, rpcCodes.transport, "Content-Type must be application/json.");
  }
  const withinMs = mostBytes === bodySizes.message ? bodyWithinMs : formWithinMs;
  const body = await readBody(request, { mostBytes, withinMs, bodies: bodiesOfCallers, source: grantId });
  if (!body.ok) return notRead(body.why, mostBytes, withinMs);
  const value = parseJson(body.bytes);
  if (value === undefined) return refuse(400, rpcCodes.parseError, "The body is not JSON in UTF-8.");
  if (isDeeperThan(value, maxDepth)) {
    return refuse(400, rpcCodes.invalidRequest, `JSON may be nested at most ${maxDepth} deep.`);
  }
  return { ok: true, value };
}

/** Some clients send `"arguments": null` for none, which the protocol's schema refuses. */
function withArguments(message: JsonObject): JsonObject {
  const { params } = message;
  if (!isJsonObject(params) || params["arguments"] !== null) return message;
  const { arguments: _none, ...rest } = params;
  return { ...message, params: rest };
}

type Why = Extract<ReadBody, { readonly ok: false }>["why"];

function notRead(why: Why, mostBytes: number, withinMs: number): Refused {
  switch (why) {
    case "too_large":
      return refuse(413, rpcCodes.transport, `A request may be at most ${mostBytes} bytes.`);
    case "too_slow":
      return refuse(
        408,
        rpcCodes.transport,
        `The body was not all there within ${withinMs / 1000} s. Send it again.`,
      );
    case "crowded":
      return {
        ok: false,
        response: rpcError(429, rpcCodes.transport, "Too many requests of this access were not all there.", {
          headers: { "Retry-After": "1" },
        }),
      };
    case "left":
      // nobody reads it
      return { ok: false, response: new Response(null, { status: 499 }) };
    default:
      return why satisfies never;
  }
}

/** Undefined, which JSON cannot say, for what is not JSON. */
function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(bytes) ?? "");
  } catch {
    return undefined;
  }
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (depth === 0) return true;
  return Object.values(value).some((inner) => isDeeperThan(inner, depth - 1));
}
