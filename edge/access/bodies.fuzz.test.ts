import * as fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { damaged, type Json } from "../../shared/hostile-json.fixture.ts";
import { at, callback, granted, mcp, publicUrl } from "./access.fixture.ts";
import bodies from "./corpus/bodies.json";

/** One request as somebody sends it who wants the edge to stumble; a body of bytes is written in Latin-1. */
const HostileBody = z.object({
  path: z.enum(["/api/v1/mcp", "/token", "/register", "/sign-in"]),
  contentType: z.string(),
  body: z.string(),
});
type HostileBody = z.infer<typeof HostileBody>;

/** Requests that were once answered badly; each is sent first. */
const corpus = z.array(HostileBody).parse(bodies);

const meta = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const called = (method: string, params: Json): Json => ({ jsonrpc: "2.0", id: 1, method, params });

const mcpMessages: readonly Json[] = [
  called("initialize", {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "test", version: "1" },
  }),
  called("server/discover", { _meta: meta }),
  called("tools/list", {}),
  called("tools/call", { name: "ibkr_get_status", arguments: {}, _meta: meta }),
  called("tools/call", { name: "ibkr_get_positions", arguments: { account: "DU1234567", limit: 5 } }),
  called("prompts/get", { name: "portfolio_review", arguments: { account: "DU1234567" } }),
  called("resources/read", { uri: "ibkr://market-data/265598" }),
  called("completion/complete", {
    ref: { type: "ref/prompt", name: "portfolio_review" },
    argument: { name: "account", value: "D" },
  }),
  { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1, reason: "gone" } },
];

const registrations: readonly Json[] = [
  {
    client_name: "Test client",
    redirect_uris: [callback],
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    logo_uri: "https://client.example/logo.png",
    scope: "tws:read",
  },
];

const forms: readonly Json[] = [
  {
    grant_type: "authorization_code",
    client_id: "c",
    code: "a:b:c",
    code_verifier: "v".repeat(43),
    redirect_uri: callback,
  },
  {
    grant_type: "refresh_token",
    client_id: "c",
    refresh_token: "a:b:c",
    resource: `${publicUrl}/api/v1/mcp`,
  },
  { passphrase: "", next: "/grants" },
];

/** A form's text, in which lists are fields that stand there several times. */
function formOf(fields: Json): string {
  if (fields === null || typeof fields !== "object") return String(fields);
  return Object.entries(fields)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [name, one] as const))
    .map(([name, value]) => `${name}=${formValue(value ?? null)}`)
    .join("&");
}

// a lone half of a pair cannot be encoded, and goes out as it is
function formValue(value: Json): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.isWellFormed() ? encodeURIComponent(text) : text;
}

const cutAnywhere = (texts: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(texts, fc.nat()).map(([text, place]) => text.slice(0, place % (text.length + 1)));

const latin1 = fc.uint8Array({ maxLength: 200 }).map((bytes) => String.fromCharCode(...bytes));

const jsonType = "application/json";
const formType = "application/x-www-form-urlencoded";
const types = fc.constantFrom(jsonType, formType, "text/plain", "multipart/form-data", "", ";;;=");

const written = (values: readonly Json[], write: (value: Json) => string) => {
  const texts = damaged(values).map(write);
  return fc.oneof({ weight: 6, arbitrary: texts }, { weight: 2, arbitrary: cutAnywhere(texts) }, latin1);
};

const requests: fc.Arbitrary<HostileBody> = fc.oneof(
  ...(
    [
      ["/api/v1/mcp", jsonType, written(mcpMessages, (value) => JSON.stringify(value))],
      ["/register", jsonType, written(registrations, (value) => JSON.stringify(value))],
      ["/token", formType, written(forms, formOf)],
      ["/sign-in", formType, written(forms, formOf)],
    ] as const
  ).map(([path, usual, body]) =>
    fc.record({
      path: fc.constant(path),
      contentType: fc.oneof({ weight: 8, arbitrary: fc.constant(usual) }, types),
      body,
    }),
  ),
);

const bytesOf = (latin: string): Uint8Array | string => {
  const codes = Array.from({ length: latin.length }, (_, place) => latin.charCodeAt(place));
  return codes.every((code) => code < 256) ? Uint8Array.from(codes) : latin;
};

// as JSON, what somebody wrote is no markup
const isPage = ({ headers }: Response) => !(headers.get("Content-Type") ?? "").startsWith(jsonType);

/** What is wrong with an answer; null where the sender is told of their mistake, or served. */
async function faultOf({ path, contentType, body }: HostileBody, token: string): Promise<string | null> {
  const init = {
    method: "POST",
    headers: {
      ...(contentType !== "" && { "Content-Type": contentType }),
      Origin: publicUrl,
      // a passphrase takes long to look at, and one address is soon told to wait
      "CF-Connecting-IP": path === "/sign-in" ? "192.0.2.1" : crypto.randomUUID(),
    },
    body: bytesOf(body),
  };
  const answer = await (path === "/api/v1/mcp" ? mcp(token, init) : at(path, init));
  const text = await answer.text();
  if (answer.status >= 500) return `HTTP ${answer.status}: ${text}`;
  if (/"code":"internal"|-32603/.test(text)) return `an error of ours: ${text}`;
  if (/\.ts\b|\.js:\d|ZodError|TypeError|SyntaxError|node_modules/.test(text)) return `our code: ${text}`;
  if (isPage(answer) && text.includes("<script>")) return `markup of theirs: ${text}`;
  return null;
}

test("whatever body comes is answered with what is wrong, and honest clients are served afterwards", async () => {
  const { tokens } = await granted();
  await fc.assert(
    fc.asyncProperty(requests, async (request) => {
      expect(await faultOf(request, tokens.access_token)).toBeNull();
    }),
    { numRuns: 150, examples: corpus.map((request) => [request]) },
  );
  expect((await mcp(tokens.access_token)).status).toBe(200);
  expect((await granted()).tokens.scope).toBe("tws:read");
});
