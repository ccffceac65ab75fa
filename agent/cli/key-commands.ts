import { resolve } from "node:path";
import { type KeyConfig, loadConfig, parseKeyConfig } from "../config/config.ts";
import { type Failure, failureOf, plain, terminal } from "./output.ts";
import { exitCodes } from "./confirmation.ts";
import { isOurs, runningAgents } from "../process/running-agents.ts";
import { pair, pairHelp, parsePairArgs } from "./pair.ts";
import { rotateKey, rotateKeyHelp } from "./rotate-key.ts";
import { runTokenCommand, tokenHelp } from "./token.ts";

const helps = { pair: pairHelp, token: tokenHelp, "rotate-key": rotateKeyHelp } as const;

/** The commands about this machine's key. */
export async function runKeyCommand(command: keyof typeof helps, args: readonly string[]): Promise<Failure> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(helps[command]);
    return null;
  }
  try {
    const config = loadConfig(parseKeyConfig);
    if (command === "pair") {
      await pair(parsePairArgs(args, config), { config, say: terminal.out });
      return keyOfAgents(config);
    }
    if (command === "token") {
      await runTokenCommand(args, config, terminal);
      return null;
    }
    await rotateKey(args, { config, say: terminal.out });
    return null;
  } catch (error) {
    return failureOf(error);
  }
}

/**
 * A key is paired and an agent may run here all the same that proves itself by another: with another home, or as another
 * user. Then it is the wrong key that was paired.
 */
function keyOfAgents({ keyFile, isKeyNamed, agentsFolder }: KeyConfig): Failure {
  const agents = runningAgents(agentsFolder).flatMap((agent) =>
    agent.keyFile === null ? [] : [{ ...agent, keyFile: agent.keyFile }],
  );
  if (agents.length === 0) return null;
  const own = agents.find((agent) => isOurs(agent.uid) && agent.keyFile === resolve(keyFile));
  if (own !== undefined) {
    terminal.out(`The agent that runs (process ${own.pid}) uses this key: it connects within a minute.`);
    return null;
  }
  const others = agents.map(
    (agent) => `  process ${agent.pid} of the user ${plain(agent.user)}: ${plain(agent.keyFile)}`,
  );
  if (isKeyNamed) {
    terminal.out(
      ["No agent that runs on this machine uses this key yet. These use another:", ...others].join("\n"),
    );
    return null;
  }
  return {
    words: [
      `The key was paired, and no agent that runs on this machine uses it. These use another:`,
      ...others,
      "Pair that key, as that user and with TWS_EDGE_KEY as that agent has it, or start the agent anew with this one.",
    ].join("\n"),
    exitCode: exitCodes.notConfirmed,
  };
}
