import { defaultHostId } from "../shared/caller.ts";
import type { Env } from "./config/bindings.ts";
import type { Settings } from "./config/settings.ts";
import { askHops } from "./health.ts";
import { version } from "./config/version.ts";
import type { Health } from "./rpc/host.ts";

/** `GET /`: for people who open the address in a browser. What this is, how it stands, and what to do next. */
export async function landingPage(
  request: Request,
  env: Env,
  { publicUrl, access }: Settings,
): Promise<string> {
  const origin = publicUrl ?? originAskedFor(request);
  const mcp = `${origin}/api/v1/mcp`;
  const streams = `${origin.replace(/^http/, "ws")}/api/v1/stream`;
  return `tws-edge ${version}
Trader Workstation for MCP clients, browsers and programs.

${access === null ? `How it stands\n${standing(await askHops(env, defaultHostId))}` : signIn}

What to do next
  Claude Code     claude mcp add --transport http tws-edge ${mcp}
  Other clients   {"mcpServers":{"tws-edge":{"url":"${mcp}"}}}
  Your own code   ${access === null ? "" : `tws-edge token create --edge ${origin} --scope tws:read --ttl 1h prints a token for\n                  `}curl -X POST ${mcp} ${access === null ? "" : '-H "Authorization: Bearer $TOKEN" '}-H "Content-Type: application/json" -d '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"ibkr_get_status","arguments":{}},"id":1}'
${access === null ? "" : `  The owner       ${origin}/grants: who has access; ${origin}/pair: machines with TWS\n`}
What is here
  MCP (Streamable HTTP)   ${mcp}
  Streams (WebSocket)     ${streams}/market-data, /portfolio, /news
  Health                  ${origin}/health
`;
}

/** How its hops are is nobody's business but the owner's and of those who were let in. */
const signIn = `It asks for sign-in: clients get access by OAuth, and the owner approves each of them.`;

/** Each hop in a line, and under those that are not well what to do about it. */
function standing({ edge, agent, tws }: Health): string {
  return Object.entries({ edge, agent, TWS: tws })
    .map(([name, { state, nextStep }]) => {
      const line = `  ${name.padEnd(8)}${state.replaceAll("_", " ")}`;
      return nextStep === "" ? line : `${line}\n          ${nextStep}`;
    })
    .join("\n");
}

/** The address as the reader wrote it, whose host has been checked to be one of ours. */
function originAskedFor(request: Request): string {
  const { protocol, host } = new URL(request.url);
  return `${protocol}//${request.headers.get("Host") ?? host}`;
}
