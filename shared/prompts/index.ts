import { TwsError } from "../errors.ts";
import type { Prompt, PromptArgument } from "./define.ts";
import { optionPrompts, strategies } from "./options.ts";
import { orderPrompts } from "./orders.ts";
import { portfolioPrompts } from "./portfolio.ts";

/** Every prompt, in the order in which clients see them. */
export const prompts: Readonly<Record<string, Prompt>> = {
  setup_trading_workspace: portfolioPrompts.setup_trading_workspace,
  rebalance_portfolio: portfolioPrompts.rebalance_portfolio,
  assess_portfolio_risk: portfolioPrompts.assess_portfolio_risk,
  execute_bracket_order: orderPrompts.execute_bracket_order,
  execute_options_strategy: optionPrompts.execute_options_strategy,
  analyze_market_conditions: portfolioPrompts.analyze_market_conditions,
};

/** Undefined for a name that is not a prompt, whatever it is (`__proto__` included). */
export const findPrompt = (name: string): Prompt | undefined =>
  Object.hasOwn(prompts, name) ? prompts[name] : undefined;

export { strategies };

/**
 * The text of a prompt for the arguments given; those left out or empty have their defaults. Throws invalid_input
 * naming an argument that does not exist or is wrong.
 */
export function promptText(prompt: Prompt, given: Readonly<Record<string, string>>): string {
  const known = Object.keys(prompt.arguments);
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new TwsError(
      "invalid_input",
      `There is no argument "${unknown.slice(0, 60)}"; the arguments are ${known.join(", ")}.`,
    );
  }
  const read = Object.entries(prompt.arguments).map(([name, argument]) => {
    const text = given[name]?.trim() ?? "";
    return [name, text === "" ? argument.default : parsed(name, argument, text)];
  });
  return prompt.text(Object.fromEntries(read));
}

function parsed(name: string, { kind }: PromptArgument, text: string): string {
  const refuse = (allowed: string) => new TwsError("invalid_input", `${name} must be ${allowed}.`);
  switch (kind) {
    case "symbol":
      if (/^[\w. /-]{1,32}$/.test(text)) return text.toUpperCase();
      throw refuse("a symbol, such as AAPL or BRK B");
    case "price": {
      const price = Number(text);
      if (Number.isFinite(price) && price >= 0) return String(price);
      throw refuse("a price, or 0 to derive it");
    }
    case "strategy": {
      const strategy = text.toLowerCase().replaceAll(/[\s-]+/g, "_");
      if (strategies.some((one) => one === strategy)) return strategy;
      throw refuse(`one of ${strategies.join(", ")}`);
    }
    case "text":
      if (text.length <= 2000) return text;
      throw refuse("at most 2000 characters long");
    default:
      return kind satisfies never;
  }
}
