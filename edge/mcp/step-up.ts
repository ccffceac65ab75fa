import type { Caller, Scope } from "../../shared/caller.ts";
import type { AccessSettings } from "../config/settings.ts";
import { bearerChallenge } from "../http/bearer-challenge.ts";
import { listedTool } from "./catalog.ts";
import { idOf, isJsonObject, type JsonObject, rpcError } from "./message.ts";

/** 403 for the call of a tool beyond what was granted, so that the client can ask for more; null for any other message. */
export function stepUp(
  { scopes }: Caller,
  access: AccessSettings | null,
  message: JsonObject,
): Response | null {
  const { method, params } = message;
  if (access === null || method !== "tools/call" || !isJsonObject(params)) return null;
  const tool = listedTool("full", String(params["name"]));
  if (tool === undefined || scopes.includes(tool.definition.scope)) return null;
  const needed: Scope[] = [...new Set<Scope>(["tws:read", tool.definition.scope])];
  return rpcError(403, -32_000, `${tool.name} needs the permission ${tool.definition.scope}.`, {
    id: idOf(message),
    headers: { "WWW-Authenticate": bearerChallenge(access.publicUrl, needed, "insufficient_scope") },
  });
}
