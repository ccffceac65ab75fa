import { TwsError } from "../shared/errors.ts";
import { ConfigError, loadConfig, parseKeyConfig } from "./config.ts";
import { pair, pairHelp, parsePairArgs } from "./pair.ts";
import { runTokenCommand, tokenHelp } from "./tokens.ts";

/** The commands about this machine's key. */

const out = (text: string): void => void process.stdout.write(`${text}\n`);
const note = (text: string): void => void process.stderr.write(`${text}\n`);

/** What went wrong, and the program's exit code for it; null when nothing did. */
export type Failure = { readonly words: string; readonly exitCode: number } | null;

export async function runKeyCommand(command: "pair" | "token", args: readonly string[]): Promise<Failure> {
  const help = command === "pair" ? pairHelp : tokenHelp;
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(help);
    return null;
  }
  try {
    const config = loadConfig(parseKeyConfig);
    if (command === "pair") await pair(parsePairArgs(args, config), { config, say: out });
    else await runTokenCommand(args, config, { out, note });
    return null;
  } catch (error) {
    if (error instanceof ConfigError) return { words: error.mistakes.join("\n"), exitCode: 1 };
    if (!(error instanceof TwsError)) throw error;
    return {
      words: `${error.message}\n${error.toBody().nextStep}`,
      exitCode: error.code === "invalid_input" ? 2 : 1,
    };
  }
}
