import { loadConfig, parseKeyConfig } from "../config/config.ts";
import { type Failure, failureOf, terminal } from "./output.ts";
import { pair, pairHelp, parsePairArgs } from "./pair.ts";
import { runTokenCommand, tokenHelp } from "./token.ts";

/** The commands about this machine's key. */
export async function runKeyCommand(command: "pair" | "token", args: readonly string[]): Promise<Failure> {
  const help = command === "pair" ? pairHelp : tokenHelp;
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(help);
    return null;
  }
  try {
    const config = loadConfig(parseKeyConfig);
    if (command === "pair") await pair(parsePairArgs(args, config), { config, say: terminal.out });
    else await runTokenCommand(args, config, terminal);
    return null;
  } catch (error) {
    return failureOf(error);
  }
}
