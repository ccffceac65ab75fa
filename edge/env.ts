import type { TwsHost } from "./host/host.ts";
import type { McpSession } from "./session.ts";

declare global {
  // the runtime's own name for the bindings; tests see them by it too
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof import("./worker.ts");
    }
    interface Env {
      TWS_HOST_OBJECT: DurableObjectNamespace<TwsHost>;
      MCP_SESSION: DurableObjectNamespace<McpSession>;
      AUTH?: string;
      AGENT_TOKEN?: string;
      ALLOWED_ORIGINS?: string;
      PUBLIC_URL?: string;
    }
  }
}

/** Bindings and variables, as the runtime gives them. */
export type Env = Cloudflare.Env;

/** The variables, parsed. */
export interface Settings {
  /** The secret that the agent sends as a bearer token; null accepts any agent on this computer. */
  readonly agentToken: string | null;
  /** Browser origins allowed besides loopback. */
  readonly allowedOrigins: ReadonlySet<string>;
  /** The address under which clients know this edge; never taken from a request. */
  readonly publicUrl: string | null;
}

type ParsedEnv =
  | { readonly ok: true; readonly settings: Settings }
  /** Every problem at once, each opening with the name of its variable. */
  | { readonly ok: false; readonly problems: readonly string[] };

type Variables = Pick<Env, "AUTH" | "AGENT_TOKEN" | "ALLOWED_ORIGINS" | "PUBLIC_URL">;

const shortestToken = 16;

/** What the variables say, or everything that is wrong with them. A variable that is empty counts as absent. */
export function parseEnv(env: Variables): ParsedEnv {
  const problems: string[] = [];
  const auth = env.AUTH?.trim() ?? "";
  if (auth === "on" || auth === "") {
    problems.push(
      "AUTH: sign-in is not available in this version, so nothing is served. For use on this computer alone set AUTH=off.",
    );
  } else if (auth !== "off") {
    problems.push('AUTH: must be "off" (this computer alone) or "on".');
  }
  const agentToken = env.AGENT_TOKEN?.trim() ?? "";
  if (agentToken !== "" && agentToken.length < shortestToken) {
    problems.push(`AGENT_TOKEN: must have at least ${shortestToken} characters.`);
  }
  const allowedOrigins = new Set<string>();
  for (const text of (env.ALLOWED_ORIGINS ?? "").split(",").map((part) => part.trim())) {
    if (text === "") continue;
    const origin = originOf(text);
    if (origin === null) {
      problems.push(
        `ALLOWED_ORIGINS: "${text.slice(0, 100)}" is not an origin such as https://app.example.com.`,
      );
    } else {
      allowedOrigins.add(origin);
    }
  }
  const publicUrl = env.PUBLIC_URL?.trim() ?? "";
  const publicOrigin = publicUrl === "" ? null : originOf(publicUrl);
  if (publicUrl !== "" && publicOrigin === null) {
    problems.push(
      "PUBLIC_URL: must be an http or https origin such as https://tws.example.com, without a path.",
    );
  }
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    settings: {
      agentToken: agentToken === "" ? null : agentToken,
      allowedOrigins,
      publicUrl: publicOrigin,
    },
  };
}

/** The origin that `text` is, in its one spelling; null if it is anything more or less. */
function originOf(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const isWeb = url.protocol === "http:" || url.protocol === "https:";
  return isWeb && url.href === `${url.origin}/` ? url.origin : null;
}

/** The object of the one TWS host that local mode has. */
export const localHostId = "default";

export const hostOf = (env: Env): DurableObjectStub<TwsHost> => env.TWS_HOST_OBJECT.getByName(localHostId);
