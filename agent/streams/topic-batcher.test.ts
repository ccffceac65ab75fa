import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { conditionOf, type TopicEvent, type TopicValue } from "../../shared/events.ts";
import { encodeFrame } from "../../shared/protocol.ts";
import { createTopicBatcher } from "./topic-batcher.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const long = (text: string): TopicValue => {
  const headline = text.padEnd(1_000, "x");
  const item = { kind: "headline" as const, time: null, providerCode: "P", headline, source: "S" };
  const items = Array.from({ length: 50 }, (_, index) => ({ ...item, articleId: String(index) }));
  return { kind: "news", data: { items } };
};

test("sends many long values in several frames, none of them too large, and loses none", async () => {
  const batches: TopicEvent[][] = [];
  const batcher = createTopicBatcher({
    send: (events) => {
      batches.push(events);
      // as the edge does, a moment later
      setTimeout(() => events.forEach(({ topic, seq }) => batcher.ack(topic, seq)), 1);
    },
    now: Date.now,
  });
  const topics = Array.from({ length: 40 }, (_, index) => `tick-news/${index + 1}`);
  for (const topic of topics) {
    batcher.push(topic, { kind: "state", ...conditionOf("pacing") });
    await vi.advanceTimersByTimeAsync(2);
  }
  batches.length = 0;
  // none of them is quiet any more, so they wait for one batch
  for (const topic of topics) batcher.push(topic, long(topic));
  await vi.advanceTimersByTimeAsync(900);
  for (const events of batches) expect(() => encodeFrame({ type: "event", events })).not.toThrow();
  const told = batches.flat().flatMap(({ kind, topic }) => (kind === "news" ? topic : []));
  expect(told).toEqual(topics);
});

test("keeps only the latest value of a topic that waits, whatever its kind", async () => {
  const batches: TopicEvent[][] = [];
  const batcher = createTopicBatcher({ send: (events) => batches.push(events), now: Date.now });
  batcher.push("broadtape", long("a"));
  await vi.advanceTimersByTimeAsync(0);
  for (const text of ["b", "c"]) batcher.push("broadtape", long(text));
  await vi.advanceTimersByTimeAsync(100);
  const heads = batches
    .flat()
    .map(
      (event) =>
        event.kind === "news" && event.data.items[0]?.kind === "headline" && event.data.items[0].headline[0],
    );
  expect(heads).toEqual(["a", "c"]);
});

test("what happens in one breath goes into one batch, the state behind the value", async () => {
  const batches: TopicEvent[][] = [];
  const batcher = createTopicBatcher({ send: (events) => batches.push(events), now: Date.now });
  batcher.push("broadtape", long("a"));
  batcher.push("broadtape", long("b"));
  batcher.push("broadtape", { kind: "state", ...conditionOf("ok") });
  expect(batches).toEqual([]);
  await vi.advanceTimersByTimeAsync(0);
  expect(batches.map((events) => events.map(({ kind, seq }) => `${kind} ${seq}`))).toEqual([
    ["news 1", "state 2"],
  ]);
});
