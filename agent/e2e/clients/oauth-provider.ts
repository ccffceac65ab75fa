import type { OAuthDiscoveryState } from "@modelcontextprotocol/client";
import { z } from "zod";

export const callback = "http://127.0.0.1:9/callback";

const Kept = z.looseObject({ client_id: z.string() });
const Tokens = z.looseObject({
  access_token: z.string(),
  token_type: z.string(),
  scope: z.string().optional(),
});

export type Provider = ReturnType<typeof createProvider>;

/** What a client of the SDK keeps of its sign-in, and where it wants the owner to go. */
export function createProvider() {
  const kept = new Map<string, unknown>();
  let sentTo: URL | null = null;
  let discovered: OAuthDiscoveryState | undefined;
  return {
    redirectUrl: callback,
    clientMetadata: {
      client_name: "A real client",
      redirect_uris: [callback],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    },
    state: () => "state-of-the-client",
    clientInformation: () => Kept.optional().parse(kept.get("client")),
    saveClientInformation: (client: unknown) => void kept.set("client", client),
    tokens: () => Tokens.optional().parse(kept.get("tokens")),
    saveTokens: (tokens: unknown) => void kept.set("tokens", tokens),
    redirectToAuthorization: (url: URL) => void (sentTo = url),
    saveCodeVerifier: (verifier: string) => void kept.set("verifier", verifier),
    codeVerifier: () => z.string().parse(kept.get("verifier")),
    saveDiscoveryState: (state: OAuthDiscoveryState) => void (discovered = state),
    discoveryState: () => discovered,
    sentTo: (): URL => sentTo ?? new URL("about:blank"),
    forgetRefreshToken: () =>
      kept.set("tokens", { ...Tokens.parse(kept.get("tokens")), refresh_token: undefined }),
    forgetAccessToken: () =>
      kept.set("tokens", {
        ...Tokens.parse(kept.get("tokens")),
        access_token: "g_AAAAAAAAAAAAAAAAAAAAAA:a:b",
      }),
  };
}
