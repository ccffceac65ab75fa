/** The program `tws-edge`. Each command loads only what it needs. */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const help = `tws-edge: your own Trader Workstation for MCP clients and browsers.

Usage: npm run -s tws-edge -- COMMAND

  start   the edge and the agent on this machine, and a simulator when no TWS is configured (npm start)
  agent   the agent alone, for an edge that runs elsewhere (npm run agent)
  pair    makes this machine's key known to an edge with sign-in (pair --help)
  token   tokens for scripts, signed by this machine's key (token --help)
  rotate-key  a new key for this machine, for which the old one vouches (rotate-key --help)
  passphrase  the hash of the owner's passphrase, for a deployed edge (passphrase --help)
  sim     the simulated TWS alone (npm run sim -- --help)
  doctor  looks at what the agent needs here, and says what to do (doctor --help)

The owner's commands, on the machine of the agent, whether it runs or not (each has --help):

  freeze, unfreeze   stops new orders, and lets them through again
  approvals          what waits for your approval
  approve, decline   decides on one of them
  orders unknown     orders of which it is not known whether TWS has them
  audit              shows, checks and exports the trail of every step of an order
  journal archive    moves what is old out of the order journal, to a file beside it

Configuration comes from environment variables and from the file .env; .env.example explains each of them.
`;

const commandHelp = {
  start: `tws-edge start: the edge and the agent on this machine.

It takes no arguments. Without TWS_HOST and TWS_PORT a simulator stands in for TWS. Often wanted:

  TWS_PORT=7497 npm start      your own TWS (7496 live, 7497 paper; IB Gateway 4001 live, 4002 paper)
  SERVER_PORT=9000 npm start   another port than 8000
  LOG_LEVEL=info npm start     one line for each call, on stderr
`,
  agent: `tws-edge agent: the agent alone, which connects to an edge that runs elsewhere.

It takes no arguments. Pair this machine with the edge once, then start the agent with EDGE_URL:

  npm run -s tws-edge -- pair https://tws-edge.example.workers.dev
  EDGE_URL=https://tws-edge.example.workers.dev TWS_PORT=7497 npm run agent

An edge without sign-in (AUTH=off) knows it by AGENT_TOKEN instead, the same secret on both sides.
`,
} as const;

const oldestNode = [22, 18] as const;

function isNodeTooOld(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1]);
}

/** A mistake in how we were called or configured: the message and nothing else, no stack. */
function fail(message: string, exitCode: number): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}

/** Keeps what Node has made of our code for the next run, beside the packages; a folder that is read-only keeps none. */
async function rememberCode(): Promise<void> {
  const { enableCompileCache } = await import("node:module");
  enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/tws-edge", import.meta.url)));
}

async function main([command, ...rest]: readonly string[]): Promise<void> {
  if (isNodeTooOld()) {
    return fail(`tws-edge needs Node ${oldestNode.join(".")} or later; this is ${process.versions.node}.`, 1);
  }
  await rememberCode();
  const [{ isRunByNpm }, { endWithNpm }] = await Promise.all([
    import("./config/config.ts"),
    import("./process/signals.ts"),
  ]);
  if (isRunByNpm()) endWithNpm();
  switch (command) {
    case undefined:
    case "help":
    case "--help":
    case "-h":
      process.stdout.write(help);
      return;
    case "sim": {
      // the image of the agent is without it, unless asked for
      if (!existsSync(new URL("./simulator/cli.ts", import.meta.url))) {
        return fail(
          "The simulator is not in this image. Build it with --build-arg SIMULATOR=yes, or the target `local`.",
          1,
        );
      }
      const { runSimulator } = await import("./simulator/cli.ts");
      return runSimulator([...rest]);
    }
    case "passphrase": {
      const { runPassphrase } = await import("./cli/passphrase.ts");
      const failure = await runPassphrase(rest);
      return failure === null ? undefined : fail(failure, 2);
    }
    case "pair":
    case "token":
    case "rotate-key": {
      const { runKeyCommand } = await import("./cli/key-commands.ts");
      const failure = await runKeyCommand(command, rest);
      return failure === null ? undefined : fail(failure.words, failure.exitCode);
    }
    case "freeze":
    case "unfreeze":
    case "approvals":
    case "approve":
    case "decline":
    case "audit":
    case "orders":
    case "journal": {
      const { runJournalCommand } = await import("./cli/journal-commands.ts");
      const failure = await runJournalCommand(command, rest);
      return failure === null ? undefined : fail(failure.words, failure.exitCode);
    }
    case "doctor": {
      const { runDoctor } = await import("./cli/doctor.ts");
      const failure = await runDoctor(rest);
      return failure === null ? undefined : fail(failure.words, failure.exitCode);
    }
    case "start":
    case "agent": {
      if (rest.includes("--help") || rest.includes("-h")) {
        process.stdout.write(commandHelp[command]);
        return;
      }
      if (rest.length > 0) {
        return fail(`${command} takes no arguments, so not ${rest.join(" ")}.\n\n${commandHelp[command]}`, 2);
      }
      const { runAgent, runStart } = await import("./cli/start.ts");
      const mistake = await (command === "start" ? runStart() : runAgent());
      return mistake === null ? undefined : fail(mistake, 1);
    }
    default:
      return fail(`There is no command ${JSON.stringify(command)}.\n\n${help}`, 2);
  }
}

// who reads along may leave, as `head` does; that ends no command, and no agent
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error) => {
    if (!("code" in error) || error.code !== "EPIPE") throw error;
  });
}
await main(process.argv.slice(2));
