import { createHash, randomBytes } from "node:crypto";
import { type CryptoKey, SignJWT } from "jose";
import { z } from "zod";
import type { ClientStyle } from "./client-styles.ts";

/** A client of any style, which finds its way from the MCP address alone, in plain requests. */

const Metadata = z.looseObject({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  registration_endpoint: z.string(),
  code_challenge_methods_supported: z.tuple([z.literal("S256")]),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  client_id_metadata_document_supported: z.literal(true),
  authorization_response_iss_parameter_supported: z.literal(true),
});
const Registered = z.looseObject({ client_id: z.string(), client_secret: z.string().optional() });
const Tokens = z.looseObject({
  access_token: z.string(),
  token_type: z.string().regex(/^bearer$/i),
  refresh_token: z.string(),
  scope: z.string(),
});
type Tokens = z.infer<typeof Tokens>;

export interface StyledClient {
  readonly clientId: string;
  /** Where it sends the owner. */
  readonly address: URL;
  /** Takes what the owner's browser came back with, having checked it. */
  exchange(back: URL): Promise<Tokens>;
  refresh(refreshToken: string): Promise<Tokens>;
}

/** By the challenge, the protected resource's metadata and the authorization server's, as the specification says. */
async function discover(mcpUrl: string) {
  const refused = await fetch(mcpUrl, { method: "POST", body: "{}" });
  const [, where = ""] =
    /resource_metadata="([^"]+)"/.exec(refused.headers.get("WWW-Authenticate") ?? "") ?? [];
  const resource = z
    .looseObject({ resource: z.string(), authorization_servers: z.array(z.string()).min(1) })
    .parse(await (await fetch(where)).json());
  const [server = ""] = resource.authorization_servers;
  const metadata = Metadata.parse(
    await (await fetch(new URL("/.well-known/oauth-authorization-server", server))).json(),
  );
  if (metadata.issuer !== server) throw new Error("The issuer is another.");
  return { resource: resource.resource, metadata };
}

/** `key` signs its assertions, where its style has them. */
export async function startStyled(style: ClientStyle, mcpUrl: string, key: CryptoKey): Promise<StyledClient> {
  const { resource, metadata } = await discover(mcpUrl);
  if (!metadata.token_endpoint_auth_methods_supported.includes(style.authentication)) {
    throw new Error(`${style.authentication} is not offered.`);
  }
  const { client_id: clientId, client_secret: secret = "" } =
    style.registration.kind === "document"
      ? { client_id: style.registration.url }
      : await register(style, metadata.registration_endpoint);
  const verifier = randomBytes(32).toString("base64url");
  const state = randomBytes(16).toString("base64url");
  const address = new URL(metadata.authorization_endpoint);
  address.search = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: style.redirectUri,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
    state,
    resource,
    ...(style.scope !== null && { scope: style.scope }),
  }).toString();

  async function ask(fields: Readonly<Record<string, string>>): Promise<Tokens> {
    const { headers, body } = await authenticated(style, { clientId, secret, key, metadata });
    const answer = await fetch(metadata.token_endpoint, {
      method: "POST",
      headers,
      body: new URLSearchParams({ ...fields, ...body, resource }),
    });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}: ${await answer.text()}`);
    return Tokens.parse(await answer.json());
  }

  return {
    clientId,
    address,
    async exchange(back) {
      const answer = new URL(back).searchParams;
      if (!back.href.startsWith(`${style.redirectUri}?`)) throw new Error(`Sent to ${back.href}`);
      if (answer.get("state") !== state || answer.get("iss") !== metadata.issuer) {
        throw new Error(`Not our answer: ${back.href}`);
      }
      return await ask({
        grant_type: "authorization_code",
        code: answer.get("code") ?? "",
        code_verifier: verifier,
        redirect_uri: style.redirectUri,
      });
    },
    refresh: (refreshToken) => ask({ grant_type: "refresh_token", refresh_token: refreshToken }),
  };
}

async function register({ client, registration, authentication }: ClientStyle, endpoint: string) {
  const answer = await fetch(endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      client_name: client,
      redirect_uris: registration.redirectUris,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: authentication,
    }),
  });
  if (answer.status !== 201) throw new Error(`HTTP ${answer.status}: ${await answer.text()}`);
  return Registered.parse(await answer.json());
}

interface Credentials {
  readonly clientId: string;
  readonly secret: string;
  readonly key: CryptoKey;
  readonly metadata: z.infer<typeof Metadata>;
}

/** What a request to the token endpoint carries of its sender. */
async function authenticated(
  { authentication }: ClientStyle,
  { clientId, secret, key, metadata }: Credentials,
): Promise<{ readonly headers: Record<string, string>; readonly body: Record<string, string> }> {
  switch (authentication) {
    case "none":
      return { headers: {}, body: { client_id: clientId } };
    case "client_secret_post":
      return { headers: {}, body: { client_id: clientId, client_secret: secret } };
    case "client_secret_basic": {
      const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`;
      return { headers: { Authorization: `Basic ${Buffer.from(pair).toString("base64")}` }, body: {} };
    }
    case "private_key_jwt": {
      const assertion = await new SignJWT({ jti: randomBytes(16).toString("hex") })
        .setProtectedHeader({ alg: "RS256", kid: "key-1" })
        .setIssuer(clientId)
        .setSubject(clientId)
        .setAudience(metadata.issuer)
        .setIssuedAt()
        .setExpirationTime("60s")
        .sign(key);
      return {
        headers: {},
        body: {
          client_id: clientId,
          client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
          client_assertion: assertion,
        },
      };
    }
    default:
      return authentication satisfies never;
  }
}
