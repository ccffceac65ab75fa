import { z } from "zod";
import { faultsIn } from "../../shared/tools/input-errors.ts";
import { idOf, type JsonObject, rpcCodes, rpcError } from "./message.ts";

const Name = z.object({ name: z.string() });
const Uri = z.object({ uri: z.string() });
const Page = z.object({ cursor: z.string().optional() }).optional();

/** What the methods take beside `_meta`, as the protocol has it. */
const shapes: Readonly<Record<string, z.ZodType>> = {
  "tools/list": Page,
  "prompts/list": Page,
  "resources/list": Page,
  "resources/templates/list": Page,
  "tools/call": Name.extend({ arguments: z.record(z.string(), z.unknown()).optional() }),
  "prompts/get": Name.extend({ arguments: z.record(z.string(), z.string()).optional() }),
  "resources/read": Uri,
  "resources/subscribe": Uri,
  "resources/unsubscribe": Uri,
  "completion/complete": z.object({
    ref: z.object({ type: z.enum(["ref/prompt", "ref/resource"]) }),
    argument: z.object({ name: z.string(), value: z.string() }),
  }),
};

const mostFaults = 5;

/** What is wrong with the parameters of a request, in sentences; null if nothing is, or nothing is known of the method. */
export function faultInParams({ method, params }: JsonObject): string | null {
  const shape = typeof method === "string" && Object.hasOwn(shapes, method) ? shapes[method] : undefined;
  if (shape === undefined) return null;
  const given = { params };
  const parsed = z.object({ params: shape }).safeParse(given);
  return parsed.success ? null : faultsIn(parsed.error.issues, {}, given, mostFaults).join(" ");
}

const codesOfSdk: ReadonlySet<unknown> = new Set([rpcCodes.invalidParams, rpcCodes.internalError]);
const Failed = z.object({ error: z.object({ code: z.number() }) });

/** The SDK's answer to parameters that are wrong, in our words: its own are the dump of a validator. */
export async function inPlainWords(
  response: Response,
  message: JsonObject,
  fault: string,
): Promise<Response> {
  if (response.headers.get("content-type") !== "application/json") return response;
  const failed = Failed.safeParse(await response.clone().json());
  // the session or the protocol's version may be wrong as well, and come first
  if (!failed.success || !codesOfSdk.has(failed.data.error.code)) return response;
  await response.body?.cancel();
  return rpcError(response.status, rpcCodes.invalidParams, fault, { id: idOf(message) });
}
