import { z } from "zod";
import { createAgent } from "../agent.ts";
import { createLog } from "../log.ts";
import { openJournalFile } from "../orders/journal-file.ts";
import { closeOnSignal } from "../signals.ts";

/** The agent as `tws-edge agent` runs it, with other times: what takes it minutes is tested in seconds. */

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
const agent = createAgent({
  config: { clientId: 1, limits: { trading: "paper", onlyAccount: null } },
  tws: { host: "127.0.0.1", port: twsPort, isSimulator: false },
  edge: { url: edgeUrl, authorization: () => Promise.resolve(`Bearer ${token}`) },
  log: createLog({
    level: "error",
    secrets: [token],
    write: (line) => process.stderr.write(line),
    now: Date.now,
  }),
  journalFile: openJournalFile({ path: journal, exclusive: true }),
  linkTimes,
  sessionTimes,
  reconcileTimes,
  quoteOptions: { times: quoteTimes, now: () => Date.now() + marketAheadMs },
});
closeOnSignal(() => agent.close());
// a test that was itself killed could not end us
process.stdin.on("end", () => process.exit()).resume();
