import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { newestVersion, oldestVersion } from "./wire/handshake.ts";
import { orderFaultsHelp, type OrderFaults, parseOrderFaults } from "./faults/order-faults.ts";
import { playScenario, scenariosHelp } from "./faults/scenarios.ts";
import { type Simulator, startSimulator, type SimulatorOptions } from "./server.ts";

const help = `Simulated TWS: speaks the TWS socket protocol to any client.

  --port <n>             port to listen on (4002; 0 takes any free port)
  --host <address>       address to listen on (127.0.0.1)
  --seed <n>             seed of the market (1): the same seed gives the same prices at the same time
  --start-at <time>      begins the market's clock at this time instead of now: 2026-11-20T15:30:00Z
  --time-zone <name>     zone of the machine that TWS runs on (US/Eastern)
  --accounts <names>     names of the accounts, separated by commas (DU1234567); DU is paper
  --real-hours           orders wait for their exchange's hours; otherwise they trade at any hour
  --server-version <n>   newest protocol version to offer, ${oldestVersion} to ${newestVersion} (${newestVersion})
  --max-lines <n>        market data lines over all clients (100); each brings about 4 quotes a second
  --max-messages <n>     messages a second from one client before error 100 (50)
  --scanner-bytes <n>    length of the scanner's parameters, about (220000); a real TWS sends up to 2000000
  --scene <line>         plays a scenario at the start; may be given several times
  --input                plays the scenarios that come on standard input, one a line
  --help                 this text
${orderFaultsHelp}
${scenariosHelp}
docs/simulator.md has examples, and how to use it from code.
`;

interface Command {
  readonly options: SimulatorOptions & { readonly host: string; readonly port: number };
  readonly faults: OrderFaults;
  readonly scenarios: readonly string[];
  readonly readsInput: boolean;
}

function integer(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Error(`--${name} must be a whole number from ${min} to ${max}, not '${text}'.`);
  }
  return value;
}

/** The machine's clock, moved so that it is `text` now. */
function clockFrom(text: string): () => number {
  const startAt = Date.parse(text);
  if (Number.isNaN(startAt))
    throw new Error(`--start-at must be a time such as 2026-11-20T15:30:00Z, not '${text}'.`);
  const offset = startAt - Date.now();
  return () => Date.now() + offset;
}

function zone(name: string): string {
  try {
    Intl.DateTimeFormat("en", { timeZone: name });
    return name;
  } catch {
    throw new Error(`--time-zone must be a zone such as US/Eastern, not '${name}'.`);
  }
}

function names(text: string): string[] {
  const accounts = text.split(",").map((name) => name.trim());
  if (accounts.some((name) => !/^\w+$/.test(name)))
    throw new Error(`--accounts must be names separated by commas, not '${text}'.`);
  return accounts;
}

function parse(argv: readonly string[]): Command | "help" {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      port: { type: "string", default: "4002" },
      host: { type: "string", default: "127.0.0.1" },
      seed: { type: "string", default: "1" },
      "start-at": { type: "string" },
      "time-zone": { type: "string", default: "US/Eastern" },
      accounts: { type: "string", default: "DU1234567" },
      "real-hours": { type: "boolean", default: false },
      "server-version": { type: "string", default: String(newestVersion) },
      "max-lines": { type: "string", default: "100" },
      "max-messages": { type: "string", default: "50" },
      "scanner-bytes": { type: "string", default: "220000" },
      "order-faults": { type: "string", default: "" },
      scene: { type: "string", multiple: true, default: [] },
      input: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  const startAt = values["start-at"];
  const options = {
    port: integer("port", values.port, 0, 65_535),
    host: values.host,
    seed: integer("seed", values.seed, 0, 2 ** 31 - 1),
    ...(startAt !== undefined && { now: clockFrom(startAt) }),
    timeZone: zone(values["time-zone"]),
    accounts: names(values.accounts),
    realHours: values["real-hours"],
    serverVersion: integer("server-version", values["server-version"], oldestVersion, newestVersion),
    maxMarketDataLines: integer("max-lines", values["max-lines"], 1, 100_000),
    maxMessagesPerSecond: integer("max-messages", values["max-messages"], 1, 1_000_000),
    scannerXmlBytes: integer("scanner-bytes", values["scanner-bytes"], 1, 10_000_000),
  };
  const faults = parseOrderFaults(values["order-faults"]);
  return { options, faults, scenarios: values.scene, readsInput: values.input };
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const complain = (text: string): void => void process.stderr.write(`${text}\n`);
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function fail(message: string): void {
  complain(message);
  process.exitCode = 1;
}

function explain(error: unknown, options: Command["options"]): string {
  const code = error instanceof Error && "code" in error ? error.code : null;
  const where = `${options.host}:${options.port}`;
  if (code === "EADDRINUSE")
    return `Port taken: something already listens on ${where}. Choose another with --port.`;
  if (code === "EACCES") return `Not allowed to listen on ${where}. Choose a port above 1023 with --port.`;
  return `Cannot listen on ${where}: ${messageOf(error)}`;
}

/** Plays the scenarios that come on standard input, one after the other. */
function playInput({ faults }: Simulator): () => void {
  const lines = createInterface({ input: process.stdin });
  let last = Promise.resolve();
  lines.on("line", (line) => {
    if (line.trim() === "") return;
    last = last
      .then(() => playScenario(faults, line))
      .then(
        () => say(`Played: ${line.trim()}`),
        (error: unknown) => complain(`${messageOf(error)} See --help.`),
      );
  });
  return () => {
    lines.close();
    process.stdin.destroy();
  };
}

/** Runs a simulator until SIGINT or SIGTERM. Problems go to stderr and set the exit code. */
export async function runSimulator(argv: string[]): Promise<void> {
  let command: Command | "help";
  try {
    command = parse(argv);
  } catch (error) {
    fail(`${messageOf(error)}\nSee --help.`);
    return;
  }
  // whoever reads no further (| head) needs no more of it
  process.stdout.on("error", () => {});
  if (command === "help") {
    process.stdout.write(help);
    return;
  }
  const { options, faults, scenarios, readsInput } = command;
  let simulator: Simulator;
  try {
    simulator = await startSimulator(options);
  } catch (error) {
    fail(explain(error, options));
    return;
  }
  try {
    simulator.faults.orders(faults);
    for (const scenario of scenarios) await playScenario(simulator.faults, scenario);
    const accounts = simulator.world.ledger.accounts.join(", ");
    say(`Simulated TWS on ${simulator.host}:${simulator.port}, account ${accounts}`);
    const { promise, resolve } = Promise.withResolvers<void>();
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
    // never unasked: reading the terminal would stop a simulator that runs in its background
    const stopReading = readsInput ? playInput(simulator) : () => {};
    await promise;
    stopReading();
  } catch (error) {
    fail(`${messageOf(error)}\nSee --help.`);
  } finally {
    await simulator.close();
  }
}
