import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";
import { z } from "zod";
import { StreamClient } from "../../../docs/examples/stream-client.js";
import { busyInstruments } from "../rigs/busy-instruments.ts";
import { gather } from "../clients/load-watchers.ts";
import { edgeProcess } from "../rigs/edge-process.ts";
import { startStreamingSystem } from "../rigs/streaming-system.ts";

const help = `Measures the way of a quote from the agent to many watchers, who all follow the same instruments; and beside it, in
the same run and with as many watchers, a bare Node server that sends them messages of the same length as often.

  --watchers <n>   at most 199 (100)
  --topics <n>     instruments that each follows, at most 100 (100)
  --seconds <n>    how long to measure each (5)
`;

const Sizes = z.object({ watchers: z.int(), topics: z.int(), seconds: z.number() });
type Sizes = z.infer<typeof Sizes>;

/** About as long as a quote. */
const filler = "x".repeat(330);
const roundMs = 50;

const self = fileURLToPath(import.meta.url);
const start = (role: string, ...rest: readonly string[]): ChildProcess =>
  fork(self, ["--role", role, ...rest]);

/** Asks a child how it stands. */
async function ask(child: ChildProcess): Promise<number> {
  const answer = once(child, "message");
  child.send("?");
  return z.number().parse((await answer)[0]);
}

/** Watchers in a process of their own, so that they cost nobody else time; answers with the messages they got. */
async function runWatchers(url: string, conIds: readonly number[], size: number): Promise<void> {
  const group = await gather(url, { size, conIds });
  process.on("message", () => process.send?.(group.messages()));
  process.once("disconnect", () => process.exit());
  process.send?.("ready");
}

/** The yardstick; answers with its processor time in seconds. */
async function beServer({ topics }: Sizes): Promise<void> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  server.on("connection", (socket) => {
    socket.on("message", (data) => {
      if (z.instanceof(Buffer).parse(data).includes("subscribe")) socket.send('{"type":"subscribed"}');
    });
  });
  let seq = 0;
  setInterval(() => {
    // each instrument moves some four times a second
    for (let topic = 0; topic < topics * 4 * (roundMs / 1_000); topic += 1) {
      seq += 1;
      const text = `{"type":"market_data","symbol":"X","conId":${topic + 1},"timestamp":0,"seq":${seq},"data":"${filler}"}`;
      for (const socket of server.clients) socket.send(text);
    }
  }, roundMs);
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send?.((user + system) / 1e6);
  });
  process.once("disconnect", () => process.exit());
  await once(server, "listening");
  process.send?.(z.object({ port: z.int() }).parse(server.address()).port);
}

interface Flow {
  readonly messagesPerSecond: number;
  readonly microsecondsEach: number;
}

async function measureFlow(
  group: ChildProcess,
  seconds: number,
  processorSeconds: () => Promise<number>,
): Promise<Flow> {
  await delay(1_000);
  const before = { at: performance.now(), used: await processorSeconds(), messages: await ask(group) };
  await delay(seconds * 1_000);
  const messages = (await ask(group)) - before.messages;
  const used = (await processorSeconds()) - before.used;
  return {
    messagesPerSecond: (messages / (performance.now() - before.at)) * 1_000,
    microsecondsEach: (used / messages) * 1e6,
  };
}

async function joined(url: string, conIds: readonly number[], size: number): Promise<ChildProcess> {
  const group = start("watchers", url, String(size), conIds.join(","));
  await once(group, "message");
  return group;
}

const median = (all: readonly number[]): number =>
  all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? NaN;

async function measure({ watchers, topics, seconds }: Sizes): Promise<void> {
  const streaming = await startStreamingSystem({ marketSpeed: 5 });
  const url = `${streaming.system.wsUrl}/api/v1/stream/market-data`;
  const conIds = busyInstruments(streaming.system.simulator.world, topics);
  let delays: number[] = [];
  const one = new StreamClient(url);
  const followed = conIds.map((conId) =>
    one.subscribe({ conId }, ({ at }) => {
      if (at !== null) delays.push(Date.now() - at);
    }),
  );
  while (!followed.every(({ state }) => state === "live")) await delay(50);
  delays = [];
  await delay(seconds * 1_000);
  const alone = median(delays);

  const group = await joined(url, conIds, watchers);
  delays = [];
  const edge = edgeProcess();
  const flow = await measureFlow(group, seconds, async () => edge.processorSeconds());
  const together = median(delays);
  group.disconnect();
  one.close();
  await streaming.end();
  await streaming.close();

  const server = start("server", JSON.stringify({ watchers, topics, seconds }));
  const [port] = await once(server, "message");
  const others = await joined(`ws://127.0.0.1:${String(port)}`, conIds, watchers);
  const yardstick = await measureFlow(others, seconds, () => ask(server));
  others.disconnect();
  server.disconnect();
  report({ alone, together, flow, yardstick });
}

function report(found: {
  readonly alone: number;
  readonly together: number;
  readonly flow: Flow;
  readonly yardstick: Flow;
}): void {
  const { alone, together, flow, yardstick } = found;
  const rate = ({ messagesPerSecond }: Flow) => Math.round(messagesPerSecond).toLocaleString("en");
  process.stdout.write(
    [
      `from agent to one watcher, median           ${alone} ms`,
      `the same, beside the others                 ${together} ms`,
      `messages a second, all watchers together    ${rate(flow)}`,
      `processor time of the edge for each         ${flow.microsecondsEach.toFixed(1)} µs`,
      `messages a second of the bare server        ${rate(yardstick)}`,
      `processor time of the bare server for each  ${yardstick.microsecondsEach.toFixed(1)} µs`,
      `edge to bare server, processor time         ${(flow.microsecondsEach / yardstick.microsecondsEach).toFixed(2)}`,
      "",
    ].join("\n"),
  );
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    watchers: { type: "string", default: "100" },
    topics: { type: "string", default: "100" },
    seconds: { type: "string", default: "5" },
    role: { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});
const [first = "", size = "", list = ""] = positionals;
if (values.help) process.stdout.write(help);
else if (values.role === "watchers") await runWatchers(first, list.split(",").map(Number), Number(size));
else if (values.role === "server") await beServer(Sizes.parse(JSON.parse(first)));
else {
  await measure({
    watchers: Number(values.watchers),
    topics: Number(values.topics),
    seconds: Number(values.seconds),
  });
}
