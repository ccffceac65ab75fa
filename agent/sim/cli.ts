import { parseArgs } from "node:util";
import { NEWEST_VERSION, OLDEST_VERSION } from "./handshake.ts";
import { ORDER_FAULTS_HELP, type OrderFaults, parseOrderFaults } from "./order-faults.ts";
import { startSimulator, type SimulatorOptions } from "./server.ts";

const HELP = `Simulated TWS: speaks the TWS socket protocol to any client.

  --port <n>             port to listen on (4002; 0 takes any free port)
  --host <address>       address to listen on (127.0.0.1)
  --seed <n>             seed of the market (1): the same seed gives the same prices
  --server-version <n>   newest protocol version to offer, ${OLDEST_VERSION} to ${NEWEST_VERSION} (${NEWEST_VERSION})
  --max-lines <n>        market data lines over all clients (100); each brings about 4 quotes a second
  --help                 this text
${ORDER_FAULTS_HELP}`;

interface Command {
  readonly options: SimulatorOptions & { readonly host: string; readonly port: number };
  readonly faults: OrderFaults;
}

function integer(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Error(`--${name} must be a whole number from ${min} to ${max}, not '${text}'.`);
  }
  return value;
}

function parse(argv: readonly string[]): Command | "help" {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      port: { type: "string", default: "4002" },
      host: { type: "string", default: "127.0.0.1" },
      seed: { type: "string", default: "1" },
      "server-version": { type: "string", default: String(NEWEST_VERSION) },
      "max-lines": { type: "string", default: "100" },
      "order-faults": { type: "string", default: "" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const options = {
    port: integer("port", values.port, 0, 65_535),
    host: values.host,
    seed: integer("seed", values.seed, 0, 2 ** 31 - 1),
    serverVersion: integer("server-version", values["server-version"], OLDEST_VERSION, NEWEST_VERSION),
    maxMarketDataLines: integer("max-lines", values["max-lines"], 1, 100_000),
  };
  return { options, faults: parseOrderFaults(values["order-faults"]) };
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

function explain(error: unknown, options: Command["options"]): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  const where = `${options.host}:${options.port}`;
  if (code === "EADDRINUSE")
    return `Port taken: something already listens on ${where}. Choose another with --port.`;
  if (code === "EACCES") return `Not allowed to listen on ${where}. Choose a port above 1023 with --port.`;
  return `Cannot listen on ${where}: ${error instanceof Error ? error.message : String(error)}`;
}

/** Runs a simulator until SIGINT or SIGTERM. Problems go to stderr and set the exit code. */
export async function runSimulator(argv: string[]): Promise<void> {
  let command: Command | "help";
  try {
    command = parse(argv);
  } catch (error) {
    fail(`${error instanceof Error ? error.message : String(error)}\nSee --help.`);
    return;
  }
  if (command === "help") {
    process.stdout.write(HELP);
    return;
  }
  const { options, faults } = command;
  try {
    const simulator = await startSimulator(options);
    simulator.faults.orders(faults);
    const accounts = simulator.world.ledger.accounts.join(", ");
    process.stdout.write(`Simulated TWS on ${simulator.host}:${simulator.port}, account ${accounts}\n`);
    const { promise, resolve } = Promise.withResolvers<void>();
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
    await promise;
    await simulator.close();
  } catch (error) {
    fail(explain(error, options));
  }
}
