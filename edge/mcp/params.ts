import { z } from "zod";
import { inputErrorsIn } from "../../shared/tools/input-errors.ts";
import { idOf, type JsonObject, rpcCodes, rpcError } from "./message.ts";

const Meta = z.object({ _meta: z.record(z.string(), z.unknown()).optional() });
const Name = Meta.extend({ name: z.string() });
const Uri = Meta.extend({ uri: z.string() });
const Page = Meta.extend({ cursor: z.string().optional() }).optional();

/** What the methods take, as the protocol has it. */
const shapes: Readonly<Record<string, z.ZodType>> = {
  initialize: Meta.extend({
    protocolVersion: z.string(),
    capabilities: z.record(z.string(), z.unknown()),
    clientInfo: z.object({ name: z.string(), version: z.string() }),
  }),
  "tools/list": Page,
  "prompts/list": Page,
  "resources/list": Page,
  "resources/templates/list": Page,
  "tools/call": Name.extend({ arguments: z.record(z.string(), z.unknown()).optional() }),
  "prompts/get": Name.extend({ arguments: z.record(z.string(), z.string()).optional() }),
  "resources/read": Uri,
  "resources/subscribe": Uri,
  "resources/unsubscribe": Uri,
  "completion/complete": Meta.extend({
    ref: z.object({ type: z.enum(["ref/prompt", "ref/resource"]) }),
    argument: z.object({ name: z.string(), value: z.string() }),
  }),
};

const mostInputErrors = 5;

/** What is wrong with the parameters of a request, in sentences; null if nothing is, or nothing is known of the method. */
export function inputErrorsInParams({ method, params }: JsonObject): string | null {
  const shape = typeof method === "string" && Object.hasOwn(shapes, method) ? shapes[method] : undefined;
  if (shape === undefined) return null;
  const given = { params };
  const parsed = z.object({ params: shape }).safeParse(given);
  return parsed.success ? null : inputErrorsIn(parsed.error.issues, {}, given, mostInputErrors).join(" ");
}

const codesOfSdk: ReadonlySet<unknown> = new Set([rpcCodes.invalidParams, rpcCodes.internalError]);
const Failed = z.object({ error: z.object({ code: z.number(), message: z.string() }) });
/** How the SDK writes down what its validator has found. */
const Dump = z.array(z.object({ path: z.array(z.union([z.string(), z.number()])) })).min(1);

/** The SDK's answer to parameters that are wrong, in our words: its own are the dump of a validator. */
export async function inPlainWords(
  response: Response,
  message: JsonObject,
  inputErrors: string,
): Promise<Response> {
  if (response.headers.get("content-type") !== "application/json") return response;
  const failed = Failed.safeParse(await response.clone().json());
  // the session or the protocol's version may be wrong as well, and come first
  if (!failed.success || !codesOfSdk.has(failed.data.error.code)) return response;
  await response.body?.cancel();
  return rpcError(response.status, rpcCodes.invalidParams, inputErrors, { id: idOf(message) });
}

/** The answer, in which the dump of the SDK's validator has become a sentence; it looks deeper than we do. */
export async function withoutDump(response: Response, message: JsonObject): Promise<Response> {
  // the parameters of a call are all known to us, and its answer may be long
  if (message["method"] === "tools/call" && response.ok) return response;
  if (response.headers.get("content-type") !== "application/json") return response;
  const failed = Failed.safeParse(await response.clone().json());
  if (!failed.success || !codesOfSdk.has(failed.data.error.code)) return response;
  const dump = Dump.safeParse(parsedOrNull(failed.data.error.message));
  if (!dump.success) return response;
  await response.body?.cancel();
  const fields = [...new Set(dump.data.map(({ path }) => path.join(".").slice(0, 100)))].slice(
    0,
    mostInputErrors,
  );
  const fault = `Not in the right form: ${fields.join(", ")}.`;
  return rpcError(response.status, rpcCodes.invalidParams, fault, { id: idOf(message) });
}

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
