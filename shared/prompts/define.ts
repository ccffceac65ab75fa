import type { z } from "zod";
import type { ToolName, tools } from "../tools/index.ts";

/** What an argument of a prompt is, and so how it is read and completed. */
export type ArgumentKind = "symbol" | "price" | "strategy" | "text";

export interface PromptArgument {
  readonly description: string;
  /** Taken when the argument is left out or empty; MCP arguments are text. */
  readonly default: string;
  readonly kind: ArgumentKind;
}

type Arguments = Readonly<Record<string, PromptArgument>>;

export interface Prompt<A extends Arguments = Arguments> {
  readonly title: string;
  readonly description: string;
  readonly arguments: A;
  /** The procedure; every argument is there, read and in its plain form. */
  text(given: Readonly<Record<keyof A, string>>): string;
}

export const definePrompt = <A extends Arguments>(prompt: Prompt<A>): Prompt<A> => prompt;

/** A value that only an earlier step can give. */
export interface Later {
  readonly later: string;
}

export const later = (what: string): Later => ({ later: what });

const isLater = (value: unknown): value is Later =>
  typeof value === "object" && value !== null && "later" in value;

type ArgumentOf<N extends ToolName> = keyof z.input<(typeof tools)[N]["input"]>;

/** A tool call as prompts write it: `ibkr_get_quotes(symbols=["AAPL"])`. A tool or argument that does not exist does not compile. */
export function call<N extends ToolName>(tool: N, given: Partial<Record<ArgumentOf<N>, unknown>>): string {
  const parts = Object.entries<unknown>(given).map(
    ([name, value]) => `${name}=${isLater(value) ? `<${value.later}>` : JSON.stringify(value)}`,
  );
  return `\`${tool}(${parts.join(", ")})\``;
}

/** Numbered steps under a heading. */
export const steps = (heading: string, lines: readonly string[]): string =>
  [`## ${heading}`, ...lines.map((line, index) => `${index + 1}. ${line}`)].join("\n");

/** Points under a heading. */
export const points = (heading: string, lines: readonly string[]): string =>
  [`## ${heading}`, ...lines.map((line) => `- ${line}`)].join("\n");

export const preface = [
  "You work with the owner's own Trader Workstation through the tools of this server.",
  "Go through the steps in order. `<…>` stands for a value from an earlier step. Never make up a number: null means that TWS has not said, not zero.",
].join("\n");

/** Who may trade where; the first step of every procedure that ends in orders. */
export const checkAccess = `${call("ibkr_get_status", {})}: go on only if is_connected is true. ${call("ibkr_get_managed_accounts", {})}: with several accounts ask the user which one, and pass it as account from here on. Say whether its mode is paper or live; if live, say so again before the confirmation.`;

export const confirm =
  "Show the user a table of the exact orders (action, quantity, instrument, type, prices, worst-case cost or loss, account, mode) and wait for a clear yes. No answer, or a doubtful one, means no. Place nothing else than what was shown.";

export const ifStepsFail = (own: readonly string[] = []): string =>
  points("When a step fails", [
    "Every error has code, message and nextStep: do what nextStep says. Repeat a call only if retryable is true, at most twice.",
    `outcome_unknown: the order may be working. Never place it again; look with ${call("ibkr_get_open_orders", {})} and ${call("ibkr_get_executions", {})} and report what you find.`,
    "ambiguous_contract: show the candidates, let the user choose, go on with that conId. unknown_contract: look the name up with `ibkr_search_symbols`.",
    "trading_refused or forbidden: the owner does not allow it. Stop and say so; do not try another way round.",
    "tws_offline, tws_upstream_down or agent_offline: stop, and say which orders (if any) were placed before.",
    ...own,
    "If a tool named here is not listed, the connection shows the core toolset only: ask the user to connect without ?toolset=core.",
  ]);

export const marketRules =
  "dataType must be live for an order: with delayed or frozen data, or when the market is closed, say so and let the user decide before you go on.";
