import { exports } from "cloudflare:workers";

/** For tests: a browser and clients that speak plain HTTP with a deployment which asks for sign-in. */

export const publicUrl = "https://tws.example";
export const passphrase = "correct horse battery staple";
export const callback = "https://client.example/callback";

export const at = (path: string, init: RequestInit = {}): Promise<Response> =>
  exports.default.fetch(`${publicUrl}${path}`, { redirect: "manual", ...init });

export const form = (
  fields: Readonly<Record<string, string>> | URLSearchParams,
  headers: Record<string, string> = {},
): RequestInit => ({
  method: "POST",
  headers: { "Content-Type": "application/x-www-form-urlencoded", ...headers },
  body: new URLSearchParams(fields).toString(),
});

/** Keeps cookies and follows redirects within the site, as a browser does. */
export function createBrowser(address: string = crypto.randomUUID()) {
  const cookies = new Map<string, string>();

  async function send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("Cookie", [...cookies].map(([name, value]) => `${name}=${value}`).join("; "));
    headers.set("CF-Connecting-IP", address);
    const response = await at(path, { ...init, headers });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (/Max-Age=0/i.test(cookie)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  }

  return {
    cookies,
    get: (path: string) => send(path),
    submit: (
      path: string,
      fields: Readonly<Record<string, string>> | URLSearchParams,
      headers: Record<string, string> = {},
    ) => send(path, form(fields, { Origin: publicUrl, ...headers })),
    signIn: async () => {
      const response = await send("/sign-in", form({ passphrase, next: "/grants" }, { Origin: publicUrl }));
      if (response.status !== 303) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
    },
  };
}
export type Browser = ReturnType<typeof createBrowser>;

/** The value of a hidden field of a page. */
export const hidden = (page: string, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? "";

export async function register(
  changes: Readonly<Record<string, unknown>> = {},
  address: string = crypto.randomUUID(),
) {
  const response = await at("/register", {
    method: "POST",
    headers: { "Content-Type": "application/json", "CF-Connecting-IP": address },
    body: JSON.stringify({
      client_name: "Test client",
      redirect_uris: [callback],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      ...changes,
    }),
  });
  return response;
}

export async function registered(changes: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const body: { client_id?: string } = await (await register(changes)).json();
  if (body.client_id === undefined) throw new Error(`Not registered: ${JSON.stringify(body)}`);
  return body.client_id;
}

export async function newProof() {
  const verifier = crypto.randomUUID() + crypto.randomUUID();
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const challenge = btoa(String.fromCharCode(...new Uint8Array(digest)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
  return { verifier, challenge };
}

export const authorizePath = (
  clientId: string,
  challenge: string,
  changes: Readonly<Record<string, string>> = {},
): string => {
  const query = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: callback,
    code_challenge: challenge,
    code_challenge_method: "S256",
    scope: "tws:read",
    state: "the-state",
    resource: `${publicUrl}/api/v1/mcp`,
    ...changes,
  });
  for (const [name, value] of Object.entries(changes)) if (value === "") query.delete(name);
  return `/authorize?${query.toString()}`;
};

/** What the owner chooses on the consent page. */
export const choice = {
  decision: "allow",
  permission: "read",
  toolset: "full",
  days: "30",
  host: "default",
  "every-account": "yes",
};

/** A code for this client, with the owner's consent. */
export async function obtainCode(
  browser: Browser,
  clientId: string,
  changes: Readonly<Record<string, string>> = {},
) {
  const { verifier, challenge } = await newProof();
  const page = await (await browser.get(authorizePath(clientId, challenge))).text();
  const answer = await browser.submit("/authorize", {
    ...choice,
    csrf: hidden(page, "csrf"),
    handle: hidden(page, "handle"),
    ...changes,
  });
  const location = answer.headers.get("Location");
  if (location === null) throw new Error(`HTTP ${answer.status}: ${await answer.text()}`);
  const target = new URL(location);
  return { code: target.searchParams.get("code") ?? "", verifier, target };
}

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly expires_in: number;
  readonly scope: string;
}

export const exchange = (
  clientId: string,
  code: string,
  verifier: string,
  changes: Readonly<Record<string, string>> = {},
) =>
  at(
    "/token",
    form({
      grant_type: "authorization_code",
      client_id: clientId,
      code,
      code_verifier: verifier,
      redirect_uri: callback,
      ...changes,
    }),
  );

export const refresh = (
  clientId: string,
  refreshToken: string,
  changes: Readonly<Record<string, string>> = {},
) =>
  at(
    "/token",
    form({ grant_type: "refresh_token", client_id: clientId, refresh_token: refreshToken, ...changes }),
  );

/** A signed-in owner's consent, all the way to tokens. */
export async function granted(changes: Readonly<Record<string, string>> = {}) {
  const browser = createBrowser();
  await browser.signIn();
  const clientId = await registered();
  const { code, verifier } = await obtainCode(browser, clientId, changes);
  const response = await exchange(clientId, code, verifier);
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
  const tokens: Tokens = await response.json();
  return { browser, clientId, tokens, grantId: tokens.access_token.split(":", 1)[0] ?? "" };
}

export const rpc = (method: string, params: unknown = {}): RequestInit => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
});

export function mcp(
  token: string | null,
  init: RequestInit = rpc("tools/list"),
  path = "/api/v1/mcp",
): Promise<Response> {
  const headers = new Headers(init.headers);
  if (token !== null) headers.set("Authorization", `Bearer ${token}`);
  return at(path, { ...init, headers });
}
