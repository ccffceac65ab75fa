import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { z } from "zod";
import { type RawClient, startedClient } from "../../simulator/test-support/raw-client.fixture.ts";
import { startSimulator } from "../../simulator/server.ts";

const help = `Measures what the simulator, in a process of its own, sends to one client, and what processor time it takes.

  --lines <n>     market data lines, the stocks first, then options (1500)
  --seconds <n>   how long to measure (8)
`;

const Ready = z.object({ port: z.int(), conIds: z.array(z.int()) });
const Usage = z.object({ cpuMicroseconds: z.number() });
/** Price, size, option computation, generic and string ticks, each with the place of its request id. */
const requestIdAt = new Map([
  ["1", 2],
  ["2", 2],
  ["21", 1],
  ["45", 2],
  ["46", 2],
]);

/** The simulator's side: serves until its parent leaves, and tells its processor time when asked. */
async function serve(lines: number): Promise<void> {
  const simulator = await startSimulator({ maxMarketDataLines: lines, maxMessagesPerSecond: 2 * lines });
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMicroseconds: user + system });
  });
  process.once("disconnect", () => void simulator.close());
  const { universe } = simulator.world;
  const options = ["AAPL", "MSFT", "SPY"].flatMap((symbol) =>
    universe.find({ ...blank, symbol, secType: "OPT" }),
  );
  const stocks = universe.listed.filter(({ secType }) => secType === "STK");
  const conIds = [...stocks, ...options].slice(0, lines).map(({ conId }) => conId);
  process.send?.({ port: simulator.port, conIds });
}

const blank = {
  conId: null,
  symbol: null,
  secType: null,
  expiration: null,
  strike: null,
  right: null,
  multiplier: null,
  exchange: null,
  primaryExchange: null,
  currency: null,
  localSymbol: null,
  tradingClass: null,
  includeExpired: false,
};

async function processorSeconds(child: ChildProcess): Promise<number> {
  const answer = once(child, "message");
  child.send("usage");
  const [usage] = await answer;
  return Usage.parse(usage).cpuMicroseconds / 1e6;
}

/** Ticks that came since, and quotes: the ticks of one line that follow each other are one. */
function count(messages: RawClient["messages"], from: number) {
  let ticks = 0;
  let quotes = 0;
  let line = "";
  for (const message of messages.slice(from)) {
    const at = requestIdAt.get(message[0] ?? "");
    if (at === undefined) continue;
    ticks += 1;
    if (message[at] !== line) quotes += 1;
    line = message[at] ?? "";
  }
  return { ticks, quotes };
}

async function measure(lines: number, seconds: number): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ["--serve", "--lines", String(lines)]);
  const [ready] = await once(child, "message");
  const { port, conIds } = Ready.parse(ready);
  const client = await startedClient(port, 193, 1);
  for (const [index, conId] of conIds.entries()) {
    client.send(1, 11, index + 1, conId, ...Array(6).fill(""), "SMART", "", "", "", "", 0, "", 0, 0, "");
  }
  const lastId = String(conIds.length);
  await client.waitFor((message) => message[0] === "81" && message[1] === lastId);
  // the running extremes of the day are made with the first quotes
  await delay(1_000);
  const from = client.messages.length;
  const startedAt = performance.now();
  const before = await processorSeconds(child);
  await delay(seconds * 1_000);
  const used = (await processorSeconds(child)) - before;
  const passed = (performance.now() - startedAt) / 1_000;
  const { ticks, quotes } = count(client.messages, from);
  client.end();
  child.disconnect();
  await once(child, "exit");
  const rate = (amount: number) => Math.round(amount).toLocaleString("en");
  process.stdout.write(
    [
      `lines open                       ${conIds.length}`,
      `quotes received per second       ${rate(quotes / passed)}`,
      `ticks received per second        ${rate(ticks / passed)}`,
      `processor seconds per second     ${(used / passed).toFixed(3)}`,
      `quotes per processor second      ${rate(quotes / used)}`,
      `ticks per processor second       ${rate(ticks / used)}`,
      "",
    ].join("\n"),
  );
}

const { values } = parseArgs({
  options: {
    lines: { type: "string", default: "1500" },
    seconds: { type: "string", default: "8" },
    serve: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const whole = (text: string): number => z.coerce.number().int().positive().parse(text);
if (values.help) process.stdout.write(help);
else if (values.serve) await serve(whole(values.lines));
else await measure(whole(values.lines), whole(values.seconds));
