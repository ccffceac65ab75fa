import type { ErrorBody } from "../../shared/errors.ts";

/** Headers that answers get on their way out. */

/** When to try again, in whole seconds, where an error says it. */
export const retryAfter = ({ retryAfterMs }: Pick<ErrorBody, "retryAfterMs">): Record<string, string> =>
  retryAfterMs === undefined ? {} : { "Retry-After": String(Math.ceil(retryAfterMs / 1000)) };

/** `Authorization` must be named: the wildcard does not cover it. */
const allowedHeaders = [
  "Accept",
  "Authorization",
  "Content-Type",
  "Last-Event-ID",
  "MCP-Protocol-Version",
  "Mcp-Method",
  "Mcp-Name",
  "Mcp-Session-Id",
].join(", ");

const exposedHeaders = "Mcp-Session-Id, WWW-Authenticate, Retry-After";

const securityHeaders: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};

/** The answer to a CORS preflight, which carries no credentials and so is never asked for any. */
export const preflight = (allow: string): Response =>
  new Response(null, {
    status: 204,
    headers: {
      Allow: allow,
      "Access-Control-Allow-Methods": allow,
      "Access-Control-Allow-Headers": allowedHeaders,
      "Access-Control-Max-Age": "600",
    },
  });

/** A year. Without includeSubDomains, since other names of the domain are not ours to promise for. */
const strictTransport = "max-age=31536000";

/**
 * `response` with what every answer carries. `origin` has been checked, and is null for a caller that is no page.
 * `isHttps`: this edge's own address begins with https, so that no browser shall come by http.
 */
export function complete(response: Response, origin: string | null, isHttps: boolean): Response {
  // an upgrade takes no further headers, and its body cannot be copied
  if (response.status === 101) return response;
  const answer = new Response(response.body, response);
  for (const [name, value] of Object.entries(securityHeaders)) {
    // pages say more exactly what they need
    if (!answer.headers.has(name)) answer.headers.set(name, value);
  }
  if (isHttps) answer.headers.set("Strict-Transport-Security", strictTransport);
  if (!answer.headers.has("Cache-Control")) answer.headers.set("Cache-Control", "no-store");
  answer.headers.append("Vary", "Origin");
  if (origin !== null) {
    answer.headers.set("Access-Control-Allow-Origin", origin);
    answer.headers.set("Access-Control-Expose-Headers", exposedHeaders);
  }
  return answer;
}
