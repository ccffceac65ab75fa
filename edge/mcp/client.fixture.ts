import { exports } from "cloudflare:workers";

/** For tests: a client of the MCP endpoint that writes each HTTP request itself. */

export const mcpUrl = "http://localhost/api/v1/mcp";
export const modernVersion = "2026-07-28";

export type Headers = Readonly<Record<string, string>>;
export type Params = Readonly<Record<string, unknown>>;

export const bothKinds = { Accept: "application/json, text/event-stream" } as const;

export const messageOf = (method: string, params: Params = {}, id: string | number = 1) => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});

/** As curl does it: a Content-Type and nothing else. Text and bytes go out as they are. */
export const post = (message: unknown, headers: Headers = {}, query = ""): Promise<Response> =>
  exports.default.fetch(`${mcpUrl}${query}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message),
  });

/** A whole message of 2026-07-28 with the headers that it needs. */
export function modernRequest(method: string, params: Params = {}, id: string | number = 1): Request {
  const name = params["name"] ?? params["uri"];
  const meta = {
    "io.modelcontextprotocol/protocolVersion": modernVersion,
    "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const given = params["_meta"];
  const message = messageOf(method, { ...params, _meta: { ...meta, ...Object(given) } }, id);
  return new Request(mcpUrl, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "MCP-Protocol-Version": modernVersion,
      "Mcp-Method": method,
      ...(typeof name === "string" && { "Mcp-Name": name }),
      ...bothKinds,
    },
    body: JSON.stringify(message),
  });
}

export const modern = (method: string, params: Params = {}, id: string | number = 1): Promise<Response> =>
  exports.default.fetch(modernRequest(method, params, id));

/** A session of the 2025 revisions: the headers that its requests carry. */
export async function openSession(protocolVersion = "2025-11-25"): Promise<Headers> {
  const clientInfo = { name: "test", version: "1" };
  const response = await post(
    messageOf("initialize", { protocolVersion, capabilities: {}, clientInfo }),
    bothKinds,
  );
  await response.arrayBuffer();
  const sessionId = response.headers.get("mcp-session-id") ?? "none";
  return { ...bothKinds, "Mcp-Session-Id": sessionId, "MCP-Protocol-Version": protocolVersion };
}

/** The messages of an event stream, in order; undefined at its end. Comments are passed over. */
export function eventsOf(response: Response) {
  if (response.body === null) throw new Error("A stream has a body.");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  return {
    async next(): Promise<unknown> {
      for (;;) {
        const end = text.indexOf("\n\n");
        if (end >= 0) {
          const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
          text = text.slice(end + 2);
          if (data !== undefined) return JSON.parse(data);
          continue;
        }
        const { done, value } = await reader.read();
        if (done) return undefined;
        text += value;
      }
    },
    leave: () => reader.cancel(),
  };
}

/** The one message of an answer, whether it came as JSON or as a stream. */
export async function answerOf(response: Response): Promise<unknown> {
  if (response.headers.get("content-type")?.startsWith("text/event-stream") !== true) return response.json();
  const events = eventsOf(response);
  let last: unknown;
  for (;;) {
    const message = await events.next();
    if (message === undefined) return last;
    last = message;
  }
}
