import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Contract } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import {
  conditionOf,
  emptyQuote,
  quoteTopic,
  type StreamReason,
  type TopicEvent,
} from "../../shared/events.ts";
import { type AgentFrame, encodeFrame, parseAgentFrame } from "../../shared/protocol.ts";
import { createLog } from "../process/log.ts";
import type { TopicNews } from "./topic-batcher.ts";
import { createTopics } from "./topics.ts";

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const contractOf = (conId: number): Contract => ({
  conId,
  symbol: "X",
  secType: "STK",
  exchange: "SMART",
  primaryExchange: null,
  currency: "USD",
  localSymbol: null,
  tradingClass: null,
  expiration: null,
  strike: null,
  right: null,
  multiplier: null,
});

function start(resolve: (conId: number) => Promise<Contract> = async (conId) => contractOf(conId)) {
  const lines = new Map<number, Set<(news: TopicNews) => void>>();
  const topics = createTopics({
    async findSource(topic) {
      if (topic.kind !== "quote") throw new TypeError("not of this test");
      const { conId } = await resolve(topic.conId);
      return (listener) => {
        const listeners = lines.get(conId) ?? new Set();
        lines.set(conId, listeners.add(listener));
        return () => {
          listeners.delete(listener);
          if (listeners.size === 0) lines.delete(conId);
        };
      };
    },
    log: createLog({ level: "error", secrets: [], write: () => {}, now: Date.now }),
    now: Date.now,
  });
  const batches: TopicEvent[][] = [];
  const send = (frame: AgentFrame) => {
    // what the edge would read
    const read = parseAgentFrame(encodeFrame(frame));
    if (read.type === "event") batches.push(read.events);
  };
  const emit = (conId: number, news: TopicNews) => lines.get(conId)?.forEach((listener) => listener(news));
  return {
    topics,
    send,
    batches,
    tick: (conId: number, last: number) => emit(conId, { kind: "quote", data: { ...emptyQuote, last } }),
    emitState: (conId: number, reason: StreamReason) =>
      emit(conId, { kind: "state", ...conditionOf(reason) }),
    lines: () => [...lines.keys()],
    events: () => batches.flat(),
  };
}

const waiting = `stale: ${conditionOf("pacing").message}`;
const lost = `gap: ${conditionOf("data_lost").message}`;

const words = (events: readonly TopicEvent[]) =>
  events.map((event) => {
    if (event.kind === "state") return `${event.state}: ${event.message || event.reason}`;
    return event.kind === "quote" ? event.data.last : event.kind;
  });

const opened = () => vi.advanceTimersByTimeAsync(0);
/** What a quiet topic tells goes out with all that happens at the same time. */
const sent = opened;

test("sends the first tick of a quiet topic at once, and then one batch every 50 ms with the latest value", async () => {
  const agent = start();
  agent.topics.linked([quoteTopic(1)], agent.send);
  await opened();
  agent.tick(1, 100);
  await sent();
  expect(agent.batches).toHaveLength(1);
  for (let last = 101; last <= 200; last += 1) {
    agent.tick(1, last);
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(words(agent.events())).toEqual([100, 150, 200]);
  expect(agent.events().map(({ seq }) => seq)).toEqual([1, 2, 3]);
});

test("merges topics into one batch, each with its own numbers", async () => {
  const agent = start();
  agent.topics.linked([quoteTopic(1), quoteTopic(2)], agent.send);
  await opened();
  agent.tick(1, 10);
  await sent();
  agent.tick(2, 20);
  await sent();
  agent.tick(1, 11);
  agent.tick(2, 21);
  await vi.advanceTimersByTimeAsync(50);
  expect(agent.batches.map((batch) => batch.map(({ topic, seq }) => [topic, seq]))).toEqual([
    [["quote/1", 1]],
    [["quote/2", 1]],
    [
      ["quote/1", 2],
      ["quote/2", 2],
    ],
  ]);
});

test("a topic that was quiet does not wait for the batch of a busy one", async () => {
  const agent = start();
  agent.topics.linked([quoteTopic(1), quoteTopic(2)], agent.send);
  await opened();
  agent.tick(2, 1);
  for (let n = 0; n < 120; n += 1) {
    agent.tick(1, n);
    agent.topics.ack(quoteTopic(1), 1_000);
    await vi.advanceTimersByTimeAsync(10);
  }
  agent.tick(1, 999);
  agent.batches.length = 0;
  agent.tick(2, 2);
  await sent();
  expect(words(agent.events())).toContain(2);
});

test("keeps every change of state, in order, around the latest value", async () => {
  const agent = start();
  agent.topics.linked([quoteTopic(1)], agent.send);
  await opened();
  agent.tick(1, 1);
  await sent();
  agent.emitState(1, "pacing");
  agent.tick(1, 2);
  agent.emitState(1, "data_lost");
  agent.tick(1, 3);
  agent.emitState(1, "ok");
  await vi.advanceTimersByTimeAsync(50);
  expect(words(agent.events())).toEqual([1, waiting, lost, 3, "live: ok"]);
});

test("holds back past eight unacknowledged batches and then sends the latest value only", async () => {
  const agent = start();
  agent.topics.linked([quoteTopic(1), quoteTopic(2)], agent.send);
  await opened();
  agent.emitState(2, "pacing");
  await sent();
  for (let last = 1; last <= 1_000; last += 1) {
    agent.tick(1, last);
    await vi.advanceTimersByTimeAsync(50);
  }
  expect(agent.batches).toHaveLength(8);
  expect(words(agent.events())).toEqual([waiting, 1, 2, 3, 4, 5, 6, 7]);
  agent.topics.ack(quoteTopic(1), 1);
  await sent();
  expect(words(agent.events()).slice(8)).toEqual([1_000]);
  expect(agent.events().at(-1)?.seq).toBe(8);
});

test("an acknowledgement covers every batch before it", async () => {
  const agent = start();
  agent.topics.linked([quoteTopic(1)], agent.send);
  await opened();
  for (let last = 1; last <= 20; last += 1) {
    agent.tick(1, last);
    await vi.advanceTimersByTimeAsync(50);
  }
  agent.topics.ack(quoteTopic(1), 8);
  for (let last = 21; last <= 40; last += 1) {
    agent.tick(1, last);
    await vi.advanceTimersByTimeAsync(50);
  }
  expect(agent.batches).toHaveLength(16);
});

test("closes the line when the edge lets the topic go, and says nothing more of it", async () => {
  const agent = start();
  agent.topics.linked([quoteTopic(1)], agent.send);
  await opened();
  agent.tick(1, 1);
  await sent();
  agent.tick(1, 2);
  agent.topics.unsubscribe(quoteTopic(1));
  expect(agent.lines()).toEqual([]);
  await vi.advanceTimersByTimeAsync(100);
  expect(words(agent.events())).toEqual([1]);
});

test("opens no line for a topic that was let go while it was looked up", async () => {
  const lookup = Promise.withResolvers<Contract>();
  const agent = start(() => lookup.promise);
  agent.topics.linked([quoteTopic(1)], agent.send);
  agent.topics.unsubscribe(quoteTopic(1));
  lookup.resolve(contractOf(1));
  await opened();
  expect(agent.lines()).toEqual([]);
});

test("a new link keeps what it names, drops the rest, opens the new, and numbers from one again", async () => {
  const agent = start();
  agent.topics.linked([quoteTopic(1), quoteTopic(2)], agent.send);
  await opened();
  agent.tick(1, 1);
  await vi.advanceTimersByTimeAsync(1_000);
  agent.tick(1, 2);
  agent.emitState(1, "pacing");
  agent.topics.unlinked();
  expect(agent.lines()).toEqual([1, 2]);
  agent.batches.length = 0;
  agent.topics.linked([quoteTopic(1), quoteTopic(3)], agent.send);
  await opened();
  expect(agent.lines()).toEqual([1, 3]);
  await vi.advanceTimersByTimeAsync(50);
  expect(words(agent.events())).toEqual([2, waiting]);
  expect(agent.events().map(({ seq }) => seq)).toEqual([1, 2]);
});

test("lets its lines go when no new link comes for a minute", async () => {
  const agent = start();
  agent.topics.linked([quoteTopic(1)], agent.send);
  await opened();
  agent.topics.unlinked();
  await vi.advanceTimersByTimeAsync(59_000);
  expect(agent.lines()).toEqual([1]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(agent.lines()).toEqual([]);
});

test.each(["quote/0", "portfolio/", "news", "__proto__"])(
  "ends the unknown topic %s with a reason",
  async (topic) => {
    const agent = start();
    agent.topics.linked([], agent.send);
    agent.topics.subscribe(topic);
    await sent();
    expect(words(agent.events())).toEqual(["ended: The agent knows no such stream."]);
    expect(agent.topics.open()).toBe(0);
  },
);

test("ends a topic that TWS refuses, with TWS's reason in our words", async () => {
  const agent = start(() => Promise.reject(new TwsError("unknown_contract", "There is no conId 1.")));
  agent.topics.linked([quoteTopic(1)], agent.send);
  await opened();
  expect(words(agent.events())).toEqual(["ended: There is no conId 1."]);
});

test("tells nothing of an unexpected failure", async () => {
  const agent = start(() => Promise.reject(new TypeError("inner")));
  agent.topics.linked([quoteTopic(1)], agent.send);
  await opened();
  expect(words(agent.events())).toEqual(["ended: The agent failed to open this stream."]);
});

test("a topic asked for while TWS is away is stale, and not live before TWS has told it anew", async () => {
  let isAway = true;
  const agent = start(async (conId) => {
    if (isAway) throw new TwsError("tws_offline", "There is no session with TWS.");
    return contractOf(conId);
  });
  agent.topics.linked([quoteTopic(1)], agent.send);
  await opened();
  expect(words(agent.events())).toEqual(["stale: There is no session with TWS."]);
  isAway = false;
  agent.topics.retry();
  await opened();
  expect(agent.lines()).toEqual([1]);
  await vi.advanceTimersByTimeAsync(50);
  const gap = `gap: ${conditionOf("new_session").message}`;
  expect(words(agent.events())).toEqual(["stale: There is no session with TWS.", gap]);
  // the value ends the gap, for who comes later too
  agent.tick(1, 7);
  agent.batches.length = 0;
  agent.topics.unlinked();
  agent.topics.linked([quoteTopic(1)], agent.send);
  await sent();
  expect(words(agent.events())).toEqual([7]);
});

test("holds no more topics than its bound", async () => {
  const agent = start();
  agent.topics.linked([], agent.send);
  for (let conId = 1; conId <= 1_001; conId += 1) agent.topics.subscribe(quoteTopic(conId));
  await opened();
  expect(agent.topics.open()).toBe(1_000);
  expect(words(agent.events())).toEqual(["ended: Too many streams are open."]);
});
