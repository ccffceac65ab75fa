import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { TopicEvent } from "../../shared/events.ts";
import { type AgentFrame, encodeFrame, parseAgentFrame } from "../../shared/protocol.ts";
import { startSimulator, type Simulator } from "../simulator/server.ts";
import { createTopicSources } from "./topic-sources.ts";
import { createTopics, type Topics } from "./topics.ts";
import { createOrderBook } from "../tws/orders/order-book.ts";
import { createQuoteStreams } from "../tws/market-data/quotes.ts";
import { createSession } from "../tws/session/session.ts";
import { silentLog } from "../process/log.fixture.ts";

const account = "DU1234567";
let sim: Simulator;
let topics: Topics;
let events: TopicEvent[];
let close: () => Promise<void>;

beforeEach(async () => {
  // late on a Monday in New York, so that the day has had its bulletins
  sim = await startSimulator({ port: 0, now: () => Date.UTC(2026, 10, 23, 22) });
  const target = { host: "127.0.0.1", port: sim.port, clientId: 1, isSimulator: true };
  const session = createSession({ ...target, log: silentLog, times: { retryFirstMs: 20 } });
  const orderBook = createOrderBook(session, silentLog);
  const quotes = createQuoteStreams(session, { log: silentLog });
  topics = createTopics({
    findSource: createTopicSources({ session, quotes, orderBook, log: silentLog }),
    log: silentLog,
    now: Date.now,
  });
  events = [];
  close = async () => {
    topics.close();
    orderBook.close();
    await session.close();
    await sim.close();
  };
  await session.whenConnected(5_000);
});
afterEach(() => close());

function link(...names: string[]): void {
  topics.linked(names, (frame: AgentFrame) => {
    // what the edge would read
    const read = parseAgentFrame(encodeFrame(frame));
    if (read.type !== "event") return;
    events.push(...read.events);
    for (const { topic, seq } of read.events) topics.ack(topic, seq);
  });
}

const of = (topic: string) => events.filter((event) => event.topic === topic);
const valueOf = (topic: string) => of(topic).findLast(({ kind }) => kind !== "state");

test("every kind of topic tells a whole value", async () => {
  const kinds = {
    "quote/265598": "quote",
    [`portfolio/${account}`]: "portfolio",
    [`orders/${account}`]: "orders",
    bulletins: "news",
    "tick-news/265598": "news",
    "tick-news/*": "news",
    broadtape: "news",
  };
  link(...Object.keys(kinds));
  for (const [topic, kind] of Object.entries(kinds)) {
    await vi.waitFor(() => expect([topic, valueOf(topic)?.kind]).toEqual([topic, kind]), 10_000);
  }
  expect(topics.open()).toBe(7);
});

test("bulletins of today come with the value, and only with all messages", async () => {
  link("bulletins", "bulletins/new");
  const items = (topic: string) => {
    const value = valueOf(topic);
    return value?.kind === "news" ? value.data.items : null;
  };
  await vi.waitFor(() => expect(items("bulletins")?.length).toBeGreaterThan(1), 10_000);
  expect(items("bulletins")?.[0]).toMatchObject({ kind: "bulletin", message: expect.any(String) });
  link("bulletins");
  topics.unsubscribe("bulletins");
  events = [];
  topics.subscribe("bulletins/new");
  await vi.waitFor(() => expect(items("bulletins/new")).toEqual([]));
});

test("an account that TWS does not have is refused", async () => {
  link("portfolio/DU9", "orders/DU9");
  await vi.waitFor(() => expect(events).toHaveLength(2));
  expect(events).toMatchObject([
    {
      topic: "portfolio/DU9",
      kind: "state",
      state: "ended",
      reason: "refused",
      message: "TWS has no account DU9.",
    },
    { topic: "orders/DU9", kind: "state", state: "ended" },
  ]);
});

test("a topic that is let go ends its subscription at TWS, and the joined news have none of their own", async () => {
  link("tick-news/265598", "tick-news/*", "bulletins");
  await vi.waitFor(() => expect(sim.received().filter(({ id }) => id === 1)).toHaveLength(1), 10_000);
  await vi.waitFor(() => expect(sim.received().filter(({ id }) => id === 12)).toHaveLength(1), 10_000);
  for (const topic of ["tick-news/265598", "tick-news/*", "bulletins"]) topics.unsubscribe(topic);
  await vi.waitFor(() => expect(sim.received().filter(({ id }) => id === 2)).toHaveLength(1), 10_000);
  await vi.waitFor(() => expect(sim.received().filter(({ id }) => id === 13)).toHaveLength(1), 10_000);
});

test("the news say what became of the session", async () => {
  link("bulletins");
  await vi.waitFor(() => expect(valueOf("bulletins")).toBeDefined());
  sim.faults.dropConnections();
  const states = () => of("bulletins").flatMap((event) => (event.kind === "state" ? event.state : []));
  await vi.waitFor(() => expect(states().slice(0, 2)).toEqual(["stale", "gap"]), 10_000);
  await vi.waitFor(() => expect(states().at(-1)).toBe("live"), 10_000);
});
