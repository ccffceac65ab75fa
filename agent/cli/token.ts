import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { z } from "zod";
import { proofPaths, TokenList, tokenTimes, TokenView } from "../../shared/machine-key.ts";
import { TwsError } from "../../shared/errors.ts";
import { Scope, Toolset } from "../../shared/caller.ts";
import { type KeyConfig, parseEdgeUrl } from "../config/config.ts";
import { createEdgeClient } from "../link/edge-client.ts";
import type { Output } from "./output.ts";
import { loadKey } from "../link/machine-key.ts";

export const tokenHelp = `tws-edge token: tokens by which scripts use an edge without a browser, signed by this machine's key.

  tws-edge token create --scope tws:read --ttl 1h     prints a token; see below
  tws-edge token list                                 those this machine has made and that have not expired
  tws-edge token revoke ID                            ends one at once, with its streams

The edge is the one in EDGE_URL, or --edge URL. This machine must be paired with it (tws-edge pair).
Of create:

  --scope SCOPE     tws:read (the default) or tws:trade, which includes reading; given once for each
  --ttl TIME        how long it lives: from 1m to 30d, such as 90s, 15m, 1h or 7d
  --accounts LIST   the accounts it may see and trade, separated by commas; all if not given
  --toolset NAME    core or full (the default)
  --audience URL    what it is for, if not the edge's MCP address
  --name NAME       to know it by in the list
  --quiet           says nothing but the token: TOKEN=$(tws-edge token create --ttl 1h --quiet)

The token goes to stdout, everything else to stderr. It is shown once and kept nowhere.
`;

const options = {
  scope: { type: "string", multiple: true },
  ttl: { type: "string" },
  accounts: { type: "string" },
  toolset: { type: "string" },
  audience: { type: "string" },
  name: { type: "string" },
  edge: { type: "string" },
  quiet: { type: "boolean" },
} as const;

type Values = ReturnType<typeof readArgs>["values"];

/** Does what `args` say. Throws TwsError with what went wrong; `invalid_input` is a mistake in the arguments or of the clock. */
export async function runTokenCommand(
  args: readonly string[],
  config: KeyConfig,
  output: Output,
): Promise<void> {
  const { values, positionals } = readArgs(args);
  const [action, ...rest] = positionals;
  switch (action) {
    case "create":
      noMore(rest, "create");
      return await create(values, config, output);
    case "list":
      noMore(rest, "list");
      return await list(values, config, output);
    case "revoke": {
      const [id, ...more] = rest;
      noMore(more, "revoke");
      if (id === undefined) throw wrong("revoke needs the id of a token; tws-edge token list shows them.");
      return await revoke(id, values, config, output);
    }
    default:
      throw wrong(action === undefined ? "token needs create, list or revoke." : `token cannot ${action}.`);
  }
}

async function create(values: Values, config: KeyConfig, { out, note }: Output): Promise<void> {
  const claims = readClaims(values);
  const { key, edge } = await connect(values, config);
  const iat = Math.floor(Date.now() / 1000);
  const { ttlS, audience, ...said } = claims;
  const id = `t_${randomBytes(18).toString("base64url").slice(0, 22)}`;
  const aud = audience ?? `${edge.origin}/api/v1/mcp`;
  const token = await key.sign({ iss: key.keyId, aud, jti: id, iat, exp: iat + ttlS, ...said });
  const view = await edge.ask(
    { method: "POST", path: proofPaths.tokens, purpose: "tokens", body: { token } },
    TokenView,
  );
  if (values.quiet !== true) {
    note(
      `Token ${view.id} (${view.name}): ${view.scopes.join(" ")}, ${accountsOf(view)}, until ${view.expiresAt}.`,
    );
    note(`For ${view.audience}. Who has it can do this; end it with: tws-edge token revoke ${view.id}`);
  }
  out(token);
}

async function list(values: Values, config: KeyConfig, { out, note }: Output): Promise<void> {
  const { edge } = await connect(values, config);
  const { tokens } = await edge.ask({ method: "GET", path: proofPaths.tokens, purpose: "tokens" }, TokenList);
  if (tokens.length === 0) note("This machine has made no token that has not expired.");
  for (const token of tokens) {
    const state = token.revokedAt === null ? `until ${token.expiresAt}` : `revoked ${token.revokedAt}`;
    const used = token.lastUsedAt === null ? "never used" : `last used ${token.lastUsedAt}`;
    out(
      [token.id, token.name, token.scopes.join(" "), accountsOf(token), token.toolset, state, used].join(
        "  ",
      ),
    );
  }
}

async function revoke(id: string, values: Values, config: KeyConfig, { note }: Output): Promise<void> {
  const { edge } = await connect(values, config);
  await edge.ask(
    { method: "DELETE", path: `${proofPaths.tokens}/${encodeURIComponent(id)}`, purpose: "tokens" },
    z.null(),
  );
  if (values.quiet !== true) note(`Token ${id} is revoked.`);
}

async function connect(values: Values, config: KeyConfig) {
  const edgeUrl = values.edge === undefined ? config.edgeUrl : parseEdgeUrl(values.edge);
  if (edgeUrl === null) {
    throw wrong(
      values.edge === undefined
        ? "token needs the address of the edge: set EDGE_URL, or give --edge URL."
        : `${JSON.stringify(values.edge)} is not an address of an edge.`,
    );
  }
  const key = await loadKey(config.keyFile);
  return { key, edge: createEdgeClient(edgeUrl, key) };
}

/** What a new token shall say, as it was asked for. */
function readClaims(values: Values) {
  if (values.ttl === undefined) throw wrong("create needs --ttl, such as --ttl 1h: no token lives for ever.");
  const scopes = z
    .array(Scope)
    .min(1)
    .safeParse(splitAll(values.scope ?? ["tws:read"]));
  if (!scopes.success) throw wrong("--scope is tws:read or tws:trade.");
  const toolset = Toolset.safeParse(values.toolset ?? "full");
  if (!toolset.success) throw wrong("--toolset is core or full.");
  const accounts = values.accounts === undefined ? null : splitAll([values.accounts]);
  if (
    accounts !== null &&
    (accounts.length === 0 || !accounts.every((one) => /^[A-Z0-9]{2,20}$/i.test(one)))
  ) {
    throw wrong("--accounts lists account ids separated by commas, such as DU1234567,DU7654321.");
  }
  if (values.audience !== undefined && !URL.canParse(values.audience))
    throw wrong("--audience is an address.");
  const name = values.name ?? "script";
  if (name.length > 100 || /[\p{Cc}\p{Cf}]/u.test(name)) throw wrong("--name has at most 100 characters.");
  // a token that may trade may look at what it trades
  const all = new Set<Scope>(scopes.data.includes("tws:trade") ? ["tws:read", "tws:trade"] : ["tws:read"]);
  return {
    ttlS: readTtl(values.ttl),
    scope: [...all].join(" "),
    toolset: toolset.data,
    accounts,
    name,
    audience: values.audience ?? null,
  };
}

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

function readTtl(text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (secondsOf[unit] ?? 0);
  if (seconds >= tokenTimes.leastS && seconds <= tokenTimes.mostS) return seconds;
  throw wrong(
    seconds === 0
      ? `--ttl ${text} is no time. Write 90s, 15m, 1h or 7d.`
      : `--ttl ${text} is out of bounds: a token lives from 1m to 30d.`,
  );
}

const splitAll = (texts: readonly string[]): string[] =>
  texts.flatMap((text) => text.split(/[\s,]+/)).filter((part) => part !== "");

const accountsOf = ({ accounts }: TokenView): string =>
  accounts === null ? "all accounts" : accounts.join(",");

function noMore(rest: readonly string[], action: string): void {
  if (rest.length > 0) throw wrong(`${action} does not take ${rest.join(" ")}.`);
}

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

const wrong = (message: string) =>
  new TwsError("invalid_input", message, { nextStep: "tws-edge token --help explains it." });
