import type { Scope } from "../../shared/caller.ts";

/** The address that says who gives tokens for the MCP endpoint (RFC 9728). */
export const resourceMetadataPath = "/.well-known/oauth-protected-resource/api/v1/mcp";

/** `WWW-Authenticate`: which permissions a token must have, and where to ask for one (RFC 6750). */
export function bearerChallenge(publicUrl: string, scopes: readonly Scope[], error: string | null): string {
  const parts = [
    ...(error === null ? [] : [`error="${error}"`]),
    `resource_metadata="${publicUrl}${resourceMetadataPath}"`,
    `scope="${scopes.join(" ")}"`,
  ];
  return `Bearer ${parts.join(", ")}`;
}
