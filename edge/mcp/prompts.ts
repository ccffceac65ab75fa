import {
  type CompleteRequestParams,
  type CompleteResult,
  type GetPromptResult,
  type Prompt,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import { TwsError } from "../../shared/errors.ts";
import { findPrompt, prompts, promptText, strategies } from "../../shared/prompts/index.ts";
import type { ArgumentKind } from "../../shared/prompts/define.ts";
import { resourceTemplates } from "../../shared/resources.ts";
import type { ToolName } from "../../shared/tools/index.ts";
import { hostOf } from "../config/bindings.ts";
import type { HostRpc } from "../rpc/host.ts";
import type { Exchange } from "./exchange.ts";

/** As prompts/list shows them, built once. */
export const promptList: Prompt[] = Object.entries(prompts).map(
  ([name, { title, description, arguments: known }]) => ({
    name,
    title,
    description,
    arguments: Object.entries(known).map(([argument, { description: meaning, default: value }]) => ({
      name: argument,
      description: value === "" ? meaning : `${meaning} (default ${value})`,
      required: false,
    })),
  }),
);

const invalid = (message: string) => new ProtocolError(ProtocolErrorCode.InvalidParams, message);

interface GetParams {
  readonly name: string;
  readonly arguments?: Readonly<Record<string, string>> | undefined;
}

/** prompts/get. Throws a protocol error for a prompt that does not exist and for a wrong argument. */
export function getPrompt({ name, arguments: given = {} }: GetParams): GetPromptResult {
  const prompt = findPrompt(name);
  if (prompt === undefined) throw invalid(`Unknown prompt: ${name.slice(0, 100)}`);
  try {
    const text = promptText(prompt, given);
    return {
      description: prompt.description,
      messages: [{ role: "user", content: { type: "text", text } }],
    };
  } catch (error) {
    if (error instanceof TwsError) throw invalid(error.message);
    throw error;
  }
}

type Completes = Exclude<ArgumentKind, "price" | "text"> | "account" | "nothing";

/** MCP allows no more in one answer. */
const mostValues = 100;

/** completion/complete: symbols and accounts are asked of TWS, the rest is known here. */
export async function complete(
  exchange: Exchange,
  { ref, argument }: CompleteRequestParams,
  context: ServerContext,
): Promise<CompleteResult> {
  const kind =
    ref.type === "ref/prompt"
      ? kindInPrompt(ref.name, argument.name)
      : kindInTemplate(ref.uri, argument.name);
  const typed = argument.value.trim().slice(0, 100);
  const values = await valuesOf(kind, typed, exchange, context);
  return {
    completion: {
      values: values.slice(0, mostValues),
      total: values.length,
      hasMore: values.length > mostValues,
    },
  };
}

function kindInPrompt(name: string, argument: string): Completes {
  const prompt = findPrompt(name);
  if (prompt === undefined) throw invalid(`Unknown prompt: ${name.slice(0, 100)}`);
  const known = Object.hasOwn(prompt.arguments, argument) ? prompt.arguments[argument] : undefined;
  if (known === undefined) throw invalid(`${name} has no argument ${argument.slice(0, 60)}.`);
  switch (known.kind) {
    case "symbol":
    case "strategy":
      return known.kind;
    case "price":
    case "text":
      return "nothing";
    default:
      return known.kind satisfies never;
  }
}

function kindInTemplate(uri: string, argument: string): Completes {
  const template = resourceTemplates.find(({ uriTemplate }) => uriTemplate === uri);
  if (template === undefined) throw invalid(`Unknown resource template: ${uri.slice(0, 200)}`);
  if (!template.uriTemplate.includes(`{${argument}}`))
    throw invalid(`The template has no variable ${argument.slice(0, 60)}.`);
  return argument === "account" ? "account" : "symbol";
}

const Matches = z.object({ results: z.array(z.object({ symbol: z.string().optional() })) });
const Accounts = z.object({ accounts: z.array(z.string()) });

async function valuesOf(
  kind: Completes,
  typed: string,
  exchange: Exchange,
  context: ServerContext,
): Promise<string[]> {
  switch (kind) {
    case "strategy":
      return strategies.filter((strategy) => strategy.startsWith(typed.toLowerCase()));
    case "symbol": {
      if (typed === "") return [];
      const output = await ask(exchange, "ibkr_search_symbols", { pattern: typed }, context);
      return [...new Set(Matches.parse(output).results.flatMap(({ symbol }) => symbol ?? []))];
    }
    case "account": {
      const { accounts } = Accounts.parse(await ask(exchange, "ibkr_get_managed_accounts", {}, context));
      return accounts.filter((account) => account.toUpperCase().startsWith(typed.toUpperCase()));
    }
    case "nothing":
      return [];
    default:
      return kind satisfies never;
  }
}

/** A reading tool, asked on behalf of the client; what goes wrong is an error, since an empty list would be a lie. */
async function ask(
  { caller, env, ctx }: Exchange,
  tool: ToolName,
  input: Readonly<Record<string, string>>,
  { mcpReq }: ServerContext,
): Promise<unknown> {
  if (!caller.scopes.includes("tws:read"))
    throw invalid("This sign-in does not have the permission tws:read.");
  const host: HostRpc = hostOf(env, caller.hostId);
  const callId = crypto.randomUUID();
  // people type on: a search that nobody waits for must not keep the next one waiting
  const withdraw = () => ctx.waitUntil(host.cancelCall(callId));
  mcpReq.signal.addEventListener("abort", withdraw);
  try {
    const outcome = await host.call({ callId, tool, input, caller });
    if (outcome.ok) return outcome.output;
    const { code, message, nextStep } = outcome.error;
    throw new ProtocolError(ProtocolErrorCode.InternalError, `${message} ${nextStep}`, { code });
  } finally {
    mcpReq.signal.removeEventListener("abort", withdraw);
  }
}
