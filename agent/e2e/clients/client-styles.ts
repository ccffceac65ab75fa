/**
 * How the clients that people use register and ask, as a table.
 *
 * Known from what their makers publish, or from their own requests as maintainers of servers have quoted them (2026):
 * - Claude (claude.ai, desktop, mobile): callback https://claude.ai/api/mcp/auth_callback, later perhaps the same on
 *   claude.com; the client document https://claude.ai/oauth/mcp-oauth-client-metadata where the server's metadata says
 *   both `client_id_metadata_document_supported` and the token method `none`, else dynamic registration as "Claude";
 *   scope "offline_access" beside the challenge's; prompt=consent.
 * - Claude Code: the document https://claude.ai/oauth/claude-code-client-metadata, whose callbacks
 *   http://localhost/callback and http://127.0.0.1/callback name no port, while it listens on any.
 * - ChatGPT: the document https://chatgpt.com/oauth/client.json with the callback
 *   https://chatgpt.com/connector_platform_oauth_redirect; it prefers `private_key_jwt` with the keys at
 *   https://chatgpt.com/oauth/jwks.json and can do `none`; before that, dynamic registration with the callback
 *   https://chatgpt.com/connector/oauth/{id}.
 * - Cursor: dynamic registration of three callbacks, cursor://anysphere.cursor-mcp/oauth/callback,
 *   https://www.cursor.com/agents/mcp/oauth/callback and http://localhost:8787/callback. Which it then uses depends on
 *   its version; older ones had cursor://anysphere.cursor-retrieval/oauth/user-agent-callback alone.
 * - VS Code: dynamic registration of https://vscode.dev/redirect, https://insiders.vscode.dev/redirect,
 *   http://127.0.0.1/ and http://127.0.0.1:33418/; when that port is taken it listens on another. Its document is
 *   https://vscode.dev/oauth/client-metadata.json.
 * - MCP Inspector: dynamic registration of /oauth/callback on port 6274 of localhost or 127.0.0.1, whichever it was opened
 *   by, and the scopes of the challenge with offline_access. Seen with version 2.12.0, which traded on the simulator.
 *
 * Not known, and so as the specification has it: every other field of the documents and registrations, and the order
 * of requests. These tests are no proof that the products themselves connect.
 */
export interface ClientStyle {
  readonly client: string;
  readonly registration:
    | { readonly kind: "dynamic"; readonly redirectUris: readonly string[] }
    | { readonly kind: "document"; readonly url: string; readonly redirectUris: readonly string[] };
  /** The one that it uses. */
  readonly redirectUri: string;
  readonly authentication: "none" | "client_secret_post" | "client_secret_basic" | "private_key_jwt";
  readonly scope: string | null;
  /** What the consent page says access is sent to. */
  readonly shownTarget: string;
  /** Sends `initialize` before every call and never a session. */
  readonly isSessionless: boolean;
}

const claude = "https://claude.ai/api/mcp/auth_callback";
const claudeCom = "https://claude.com/api/mcp/auth_callback";
const chatGpt = "https://chatgpt.com/connector_platform_oauth_redirect";
const claudeCode = ["http://localhost/callback", "http://127.0.0.1/callback"];
const cursor = [
  "cursor://anysphere.cursor-mcp/oauth/callback",
  "https://www.cursor.com/agents/mcp/oauth/callback",
  "http://localhost:8787/callback",
];
const vsCode = [
  "https://insiders.vscode.dev/redirect",
  "https://vscode.dev/redirect",
  "http://127.0.0.1/",
  "http://127.0.0.1:33418/",
];

const plain = { authentication: "none", scope: null, isSessionless: false } as const;
const dynamic = (...redirectUris: readonly string[]) => ({ kind: "dynamic", redirectUris }) as const;
const document = (url: string, ...redirectUris: readonly string[]) =>
  ({ kind: "document", url, redirectUris }) as const;

export const clientStyles: readonly ClientStyle[] = [
  {
    ...plain,
    client: "Claude by its document",
    registration: document("https://claude.ai/oauth/mcp-oauth-client-metadata", claude, claudeCom),
    redirectUri: claude,
    scope: "tws:read tws:trade offline_access",
    shownTarget: "claude.ai",
    isSessionless: true,
  },
  {
    ...plain,
    client: "Claude by registration, at its other address",
    registration: dynamic(claude, claudeCom),
    redirectUri: claudeCom,
    scope: "tws:read offline_access",
    shownTarget: "claude.com",
    isSessionless: true,
  },
  {
    ...plain,
    client: "Claude by registration, with a secret",
    registration: dynamic(claude),
    redirectUri: claude,
    authentication: "client_secret_post",
    scope: "tws:read",
    shownTarget: "claude.ai",
    isSessionless: true,
  },
  {
    ...plain,
    client: "Claude Code by its document, on a port of its choice",
    registration: document("https://claude.ai/oauth/claude-code-client-metadata", ...claudeCode),
    redirectUri: "http://localhost:58135/callback",
    shownTarget: "localhost",
  },
  {
    ...plain,
    client: "Claude Code by registration",
    registration: dynamic("http://localhost:49152/callback"),
    redirectUri: "http://localhost:49152/callback",
    scope: "tws:read",
    shownTarget: "localhost",
  },
  {
    ...plain,
    client: "ChatGPT by its document and its key",
    registration: document("https://chatgpt.com/oauth/client.json", chatGpt),
    redirectUri: chatGpt,
    authentication: "private_key_jwt",
    scope: "tws:read tws:trade offline_access",
    shownTarget: "chatgpt.com",
  },
  {
    ...plain,
    client: "ChatGPT by its document, without the key",
    registration: document("https://chatgpt.com/oauth/connector-1/client.json", chatGpt),
    redirectUri: chatGpt,
    scope: "tws:read tws:trade",
    shownTarget: "chatgpt.com",
  },
  {
    ...plain,
    client: "ChatGPT by registration",
    registration: dynamic("https://chatgpt.com/connector/oauth/abc123"),
    redirectUri: "https://chatgpt.com/connector/oauth/abc123",
    authentication: "client_secret_basic",
    scope: "tws:read offline_access",
    shownTarget: "chatgpt.com",
  },
  ...cursor.map((redirectUri, index) => ({
    ...plain,
    client: `Cursor at its callback ${index + 1}`,
    registration: dynamic(...cursor),
    redirectUri,
    shownTarget: ["the program for cursor:", "www.cursor.com", "localhost"][index] ?? "",
  })),
  {
    ...plain,
    client: "Cursor as it was",
    registration: dynamic("cursor://anysphere.cursor-retrieval/oauth/user-agent-callback"),
    redirectUri: "cursor://anysphere.cursor-retrieval/oauth/user-agent-callback",
    shownTarget: "the program for cursor:",
  },
  {
    ...plain,
    client: "VS Code on its usual port",
    registration: dynamic(...vsCode),
    redirectUri: "http://127.0.0.1:33418/",
    scope: "tws:read tws:trade",
    shownTarget: "127.0.0.1",
  },
  {
    ...plain,
    client: "VS Code on another port",
    registration: dynamic(...vsCode),
    redirectUri: "http://127.0.0.1:59656/",
    shownTarget: "127.0.0.1",
  },
  {
    ...plain,
    client: "VS Code in the browser, by its document",
    registration: document(
      "https://vscode.dev/oauth/client-metadata.json",
      "http://127.0.0.1:33418/",
      "https://vscode.dev/redirect",
    ),
    redirectUri: "https://vscode.dev/redirect",
    shownTarget: "vscode.dev",
  },
  ...["localhost", "127.0.0.1"].map((host) => ({
    ...plain,
    client: `MCP Inspector on ${host}`,
    registration: dynamic(`http://${host}:6274/oauth/callback`),
    redirectUri: `http://${host}:6274/oauth/callback`,
    scope: "tws:read offline_access",
    shownTarget: host,
  })),
];
