import { expect, test } from "vitest";
import { hash } from "../../simulator/market/noise.ts";
import { runStretch, type StretchEnd } from "./randomised-run.ts";

/**
 * `npm run bench:faults -- --seed <seed> --faults <faults>` plays one stretch again, and `--stretches <n>` as many more as
 * there is time for.
 */
const seed = 2026;
const lanes = 4;
const stretchesOfLane = 3;
const faults = 170;

test("callers, agent and TWS agree after two thousand faults: each order once, or not at all", async () => {
  const ends = await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      const own: StretchEnd[] = [];
      for (let index = 0; index < stretchesOfLane; index += 1) {
        own.push(await runStretch({ seed: hash(seed, lane, index), faults }));
      }
      return own;
    }),
  );
  const all = ends.flat();
  const sum = (count: (end: StretchEnd) => number) => all.reduce((total, end) => total + count(end), 0);
  console.log(
    `${sum((end) => end.faults)} faults, ${sum((end) => end.intents)} intents, ${sum((end) => end.orders)} orders, ${sum((end) => end.fills)} fills, from seed ${seed}`,
  );
  const wrong = all.flatMap((end) =>
    end.wrong.map((what) => `--seed ${end.seed} --faults ${end.faults}: ${what}`),
  );
  expect(wrong.join("\n\n")).toBe("");
  expect(sum((end) => end.faults)).toBeGreaterThanOrEqual(2_000);
}, 600_000);
