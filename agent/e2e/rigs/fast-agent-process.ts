import { createInterface } from "node:readline";
import { z } from "zod";
import { createAgent } from "../../agent.ts";
import { createLog } from "../../process/log.ts";
import { openJournalFile } from "../../journal/database.ts";
import { closeOnSignal } from "../../process/signals.ts";

/**
 * The agent as `tws-edge agent` runs it, with other times: what takes it minutes is tested in seconds. A line on
 * standard input says at which write to its journal it is to be killed.
 */

const times = z.record(z.string(), z.number()).default({});
const Orders = z.object({
  edgeUrl: z.string(),
  token: z.string(),
  twsPort: z.int(),
  linkTimes: times,
  sessionTimes: times,
  quoteTimes: times,
  reconcileTimes: times,
  journal: z.string(),
  /** How far the market's clock is ahead of the machine's. */
  marketAheadMs: z.number().default(0),
});

const {
  edgeUrl,
  token,
  twsPort,
  linkTimes,
  sessionTimes,
  quoteTimes,
  reconcileTimes,
  journal,
  marketAheadMs,
} = Orders.parse(JSON.parse(process.argv[2] ?? ""));
const Death = z.object({
  step: z.string(),
  phase: z.enum(["before", "after"]),
  /** The write of that name, counted from now on. */
  nth: z.int().positive(),
});
let death: z.infer<typeof Death> | null = null;

function observe(step: string, phase: "before" | "after"): void {
  if (death?.step !== step || death.phase !== phase) return;
  death = { ...death, nth: death.nth - 1 };
  if (death.nth === 0) process.kill(process.pid, "SIGKILL");
}

// hurried tests place more orders in a minute than an owner would let anybody
const limits = { trading: "paper", onlyAccount: null, ordersPerMinute: 10_000 } as const;
const agent = createAgent({
  config: { clientId: 1, limits },
  tws: { host: "127.0.0.1", port: twsPort, isSimulator: false },
  edge: { url: edgeUrl, authorization: () => Promise.resolve(`Bearer ${token}`) },
  log: createLog({
    level: "error",
    secrets: [token],
    write: (line) => process.stderr.write(line),
    now: Date.now,
  }),
  journalFile: openJournalFile({ path: journal, exclusive: true, observe }),
  linkTimes,
  sessionTimes,
  reconcileTimes,
  quoteOptions: { times: quoteTimes, now: () => Date.now() + marketAheadMs },
});
closeOnSignal(() => agent.close());
createInterface({ input: process.stdin })
  .on("line", (line) => {
    death = Death.parse(JSON.parse(line));
  })
  // a test that was itself killed could not end us
  .on("close", () => process.exit());
