import { isPassphraseHash } from "../crypto/passphrase.ts";

/** The variables, parsed. */
export interface Settings {
  /** With AUTH=off the secret that the agent sends as a bearer token; null accepts any agent on this computer. */
  readonly agentToken: string | null;
  /** Browser origins allowed besides loopback. */
  readonly allowedOrigins: ReadonlySet<string>;
  /** The address under which clients know this edge; never taken from a request. */
  readonly publicUrl: string | null;
  /** Where to report a hole in this edge, as an address; null where the owner names none. */
  readonly securityContact: string | null;
  /** Null with AUTH=off: everyone on this computer is the owner. */
  readonly access: AccessSettings | null;
}

/** What AUTH=on needs. */
export interface AccessSettings {
  /** An origin: the issuer of tokens, and the start of every address that is ever told to anyone. */
  readonly publicUrl: string;
  /** What tokens are for: the MCP endpoint's address. */
  readonly resource: string;
  readonly passphraseHash: string;
  /**
   * The secret of the agent that runs in one process with this edge (`npm start`), new with each run. Null on an edge
   * that was deployed: there every agent has a key.
   */
  readonly localAgentToken: string | null;
}

type ParsedEnv =
  | { readonly ok: true; readonly settings: Settings }
  /** Every problem at once, each opening with the name of its variable. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** The variables, as the runtime gives them. */
export interface Variables {
  AUTH?: string;
  AGENT_TOKEN?: string;
  LOCAL_AGENT_TOKEN?: string;
  ALLOWED_ORIGINS?: string;
  PUBLIC_URL?: string;
  SECURITY_CONTACT?: string;
  OWNER_PASSPHRASE_HASH?: string;
}

const shortestToken = 16;

/** What the variables say, or everything that is wrong with them. A variable that is empty counts as absent. */
export function parseEnv(env: Variables): ParsedEnv {
  const problems: string[] = [];
  const auth = env.AUTH?.trim() ?? "";
  if (auth !== "off" && auth !== "on") {
    problems.push('AUTH: must be "on", or "off" for use on this computer alone.');
  }
  const agentToken = env.AGENT_TOKEN?.trim() ?? "";
  if (agentToken !== "" && agentToken.length < shortestToken) {
    problems.push(`AGENT_TOKEN: must have at least ${shortestToken} characters.`);
  } else if (agentToken !== "" && auth === "on") {
    problems.push(
      "AGENT_TOKEN: is for an edge without sign-in; with AUTH=on each machine has a key of its own. Remove it, and run `tws-edge pair` there.",
    );
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
  const securityContact = env.SECURITY_CONTACT?.trim() ?? "";
  if (securityContact !== "" && !/^(mailto:|https:\/\/)[\x21-\x7e]{3,500}$/.test(securityContact)) {
    problems.push("SECURITY_CONTACT: must be a mailto: or https: address.");
  }
  const access = auth === "on" ? readAccess(publicOrigin, env, problems) : null;
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    settings: {
      agentToken: agentToken === "" ? null : agentToken,
      allowedOrigins,
      publicUrl: publicOrigin,
      securityContact: securityContact === "" ? null : securityContact,
      access,
    },
  };
}

function readAccess(publicOrigin: string | null, env: Variables, problems: string[]): AccessSettings | null {
  const passphraseHash = env.OWNER_PASSPHRASE_HASH?.trim() ?? "";
  const localAgentToken = env.LOCAL_AGENT_TOKEN?.trim() ?? "";
  if (publicOrigin === null) {
    if (problems.every((problem) => !problem.startsWith("PUBLIC_URL"))) {
      problems.push("PUBLIC_URL: AUTH=on needs the origin under which clients see this edge.");
    }
  } else if (!/^https:|^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:|$)/.test(publicOrigin)) {
    problems.push("PUBLIC_URL: AUTH=on needs https, except on localhost.");
  }
  if (!isPassphraseHash(passphraseHash)) {
    problems.push(
      passphraseHash === ""
        ? "OWNER_PASSPHRASE_HASH: AUTH=on needs the hash of the owner's passphrase, as a secret; `tws-edge passphrase` prints it."
        : "OWNER_PASSPHRASE_HASH: is not a hash as `tws-edge passphrase` prints it.",
    );
  }
  if (publicOrigin === null) return null;
  return {
    publicUrl: publicOrigin,
    resource: `${publicOrigin}/api/v1/mcp`,
    passphraseHash,
    localAgentToken: localAgentToken.length < shortestToken ? null : localAgentToken,
  };
}

/** The origin that `text` is, in its one spelling; null if it is anything more or less. */
function originOf(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const isWeb = url.protocol === "http:" || url.protocol === "https:";
  return isWeb && url.href === `${url.origin}/` ? url.origin : null;
}
