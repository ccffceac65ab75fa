import { parseArgs } from "node:util";
import { runStretch } from "../chaos/randomised-run.ts";
import { hash } from "../../simulator/market/noise.ts";

const help = `Many callers place, repeat, change and cancel orders while everything goes wrong, in stretches of so many faults; after
each, the callers, the agent's journal and TWS's own ledger must agree. Ends with 1 when they do not.

  --seed <n>       of the first stretch (1): the same seed makes the same choices
  --faults <n>     in a stretch (170)
  --stretches <n>  one after the other (1)
`;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    faults: { type: "string", default: "170" },
    stretches: { type: "string", default: "1" },
    help: { type: "boolean", default: false },
  },
});

async function run(): Promise<void> {
  let seed = Number(values.seed);
  for (let left = Number(values.stretches); left > 0; left -= 1) {
    const end = await runStretch({ seed, faults: Number(values.faults), leavesDialogsOpen: true });
    const kinds = [...end.injected].map(([name, count]) => `${count} ${name}`).join(", ");
    process.stdout.write(
      `seed ${seed}: ${end.intents} intents, ${end.orders} orders, ${end.fills} fills, ${end.unknown} unknown; ${kinds}\n`,
    );
    for (const wrong of end.wrong) process.stdout.write(`  WRONG: ${wrong}\n`);
    if (end.wrong.length > 0) process.exitCode = 1;
    seed = hash(seed, 1);
  }
}

if (values.help) process.stdout.write(help);
else await run();
