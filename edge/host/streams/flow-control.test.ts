import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FlowControl, flowLimits, throttleTiers } from "./flow-control.ts";
import { inboxOf } from "../host.fixture.ts";
import { SendBudget, sendBudgetLimits } from "./send-budget.ts";

const message = (seq: number, part = "") => ({ seq, text: String(seq), part });

function openFlow(budget = new SendBudget()) {
  const { 0: theirs, 1: ours } = new WebSocketPair();
  ours.accept();
  const inbox = inboxOf(theirs);
  const giveUp = vi.fn();
  const remember = vi.fn();
  const flow = new FlowControl({ socket: ours, budget, note: null, remember, giveUp });
  return {
    flow,
    ours,
    giveUp,
    remember,
    closed: inbox.closed,
    /** All that has been sent until now. */
    sent: async (): Promise<unknown[]> => {
      ours.send("mark");
      const sent: unknown[] = [];
      for (let text = await inbox.next(); text !== "mark"; text = await inbox.next()) sent.push(text);
      return sent;
    },
  };
}

/** Each message in a round of its own. */
async function offerRounds(flow: FlowControl, from: number, to: number, topic = "a"): Promise<void> {
  for (let seq = from; seq <= to; seq += 1) {
    flow.offer(topic, message(seq));
    await Promise.resolve();
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
});
afterEach(() => {
  vi.useRealTimers();
});

const full = flowLimits.ackWindow;

describe("the flow to a watcher that acknowledges", () => {
  it("merges what comes while eight rounds are unacknowledged, and goes on with the latest", async () => {
    const { flow, sent } = openFlow();
    flow.acknowledge(0);
    await offerRounds(flow, 1, full + 5);
    expect(await sent()).toEqual(["1", "2", "3", "4", "5", "6", "7", "8"]);
    flow.acknowledge(1);
    expect(await sent()).toEqual(["13"]);
    flow.close();
  });

  it("takes what is sent in one go for one round, however many messages it has", async () => {
    const { flow, sent } = openFlow();
    flow.acknowledge(0);
    for (let seq = 1; seq <= 100; seq += 1) flow.offer(`topic ${seq}`, message(seq));
    await Promise.resolve();
    expect(await sent()).toHaveLength(100);
    await offerRounds(flow, 101, 99 + full - 1);
    expect(await sent()).toHaveLength(full - 2);
    // the last one that it may have
    for (const seq of [201, 202, 203]) flow.offer(`topic ${seq}`, message(seq));
    await Promise.resolve();
    expect(await sent()).toEqual(["201", "202", "203"]);
    flow.offer("a", message(204));
    // not yet all of the first round
    flow.acknowledge(99);
    expect(await sent()).toEqual([]);
    flow.acknowledge(100);
    expect(await sent()).toEqual(["204"]);
    flow.close();
  });

  it("sends a state after the value that waits, so that the older is not seen last", async () => {
    const { flow, sent } = openFlow();
    flow.acknowledge(0);
    await offerRounds(flow, 1, full + 1);
    flow.sendUnmerged("a", "stale");
    expect((await sent()).slice(-2)).toEqual([String(full + 1), "stale"]);
  });

  it("merges a part of a topic by itself, and sends the parts in the order of their numbers", async () => {
    const { flow, sent } = openFlow();
    flow.acknowledge(0);
    await offerRounds(flow, 1, full);
    await sent();
    flow.offer("a", message(20, "x"));
    flow.offer("a", message(21, "y"));
    flow.offer("a", message(22, "x"));
    flow.offer("b", message(23, "x"));
    flow.acknowledge(full);
    expect(await sent()).toEqual(["21", "22", "23"]);
  });

  it("forgets what waits for a topic that was unsubscribed", async () => {
    const { flow, sent } = openFlow();
    flow.acknowledge(0);
    await offerRounds(flow, 1, full + 1);
    await sent();
    flow.forget("a");
    flow.acknowledge(full);
    expect(await sent()).toEqual([]);
  });

  it("ends with 1013 after 30 s without an acknowledgement, also when nothing new is offered", async () => {
    const { flow, closed, giveUp } = openFlow();
    flow.acknowledge(0);
    await offerRounds(flow, 1, full + 1);
    await vi.advanceTimersByTimeAsync(flowLimits.stuckAfterMs - 1);
    expect(giveUp).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(await closed).toMatchObject({ code: 1013, reason: expect.stringContaining("30 s") });
    expect(giveUp).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("goes on as long as it acknowledges, however slowly", async () => {
    const { flow, giveUp } = openFlow();
    flow.acknowledge(0);
    for (let seq = 1; seq <= 100; seq += 1) {
      await offerRounds(flow, seq, seq);
      await vi.advanceTimersByTimeAsync(flowLimits.stuckAfterMs - 1);
      flow.acknowledge(Math.max(0, seq - full));
    }
    expect(giveUp).not.toHaveBeenCalled();
    flow.close();
  });

  it("asks nothing of it for what it did before anything waited", async () => {
    const { flow, giveUp } = openFlow();
    flow.acknowledge(0);
    await offerRounds(flow, 1, full);
    await vi.advanceTimersByTimeAsync(flowLimits.stuckAfterMs * 10);
    flow.offer("a", message(100));
    expect(giveUp).not.toHaveBeenCalled();
    flow.close();
  });

  it("has no timer while nothing waits, though it has stopped to acknowledge, and one while something does", async () => {
    const { flow } = openFlow();
    flow.acknowledge(0);
    await offerRounds(flow, 1, full);
    expect(vi.getTimerCount()).toBe(0);
    await offerRounds(flow, full + 1, full + 3);
    expect(vi.getTimerCount()).toBe(1);
    flow.acknowledge(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("refuses a number that was never sent", () => {
    const { flow } = openFlow();
    flow.offer("a", message(5));
    flow.acknowledge(5);
    expect(() => flow.acknowledge(6)).toThrow("No message with this seq");
  });
});

describe("the flow to a watcher that never acknowledges", () => {
  it("is capped in its rate, and ends with the latest of each topic", async () => {
    const { flow, sent } = openFlow();
    const most = flowLimits.messagesPerSecond;
    for (let seq = 1; seq <= most * 2; seq += 1) flow.offer(seq % 2 === 0 ? "a" : "b", message(seq));
    expect(await sent()).toHaveLength(most);
    await vi.advanceTimersByTimeAsync(flowLimits.retryMs);
    expect(new Set(await sent())).toEqual(new Set([String(most * 2 - 1), String(most * 2)]));
    flow.close();
  });

  it.each(throttleTiers)(
    "pauses $ms ms between rounds once $fill of what may be unacknowledged is",
    async ({ fill, ms }) => {
      const { flow, sent } = openFlow();
      flow.answer("x".repeat(fill * sendBudgetLimits.watcherBytes));
      await sent();
      flow.offer("a", message(1));
      expect(await sent()).toEqual(["1"]);
      flow.offer("a", message(2));
      flow.offer("b", message(3));
      flow.offer("a", message(4));
      await vi.advanceTimersByTimeAsync(ms - 1);
      expect(await sent()).toEqual([]);
      await vi.advanceTimersByTimeAsync(1);
      expect(await sent()).toEqual(["4", "3"]);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  it("lasts for hours where little is followed, and is closed with 1013 and advice in the end", async () => {
    const { flow, closed, giveUp } = openFlow();
    // ten times a quote, so that the test is done in a tenth of the steps
    const text = "x".repeat(4_500);
    const beganAt = Date.now();
    for (let seq = 1; giveUp.mock.calls.length === 0; seq += 1) {
      flow.offer("a", { seq, text, part: "" });
      // twenty a second, of which the pauses leave one or less
      vi.advanceTimersByTime(flow.unacked.bytes < sendBudgetLimits.watcherBytes / 4 ? 50 : 1_000);
    }
    const hours = (Date.now() - beganAt) / 3_600_000;
    expect(hours).toBeGreaterThan(2);
    expect(await closed).toMatchObject({ code: 1013, reason: expect.stringContaining("send ack") });
    expect(flow.unacked.bytes).toBeLessThan(sendBudgetLimits.watcherBytes + 5_000);
  });
});

describe("what a watcher has unacknowledged", () => {
  it("is what was sent since the message that it acknowledged last", () => {
    const { flow } = openFlow();
    const size = 10_000 + sendBudgetLimits.messageBytes;
    const big = (seq: number) => ({ seq, text: "x".repeat(10_000), part: "" });
    for (let seq = 1; seq <= 4; seq += 1) flow.offer(`topic ${seq}`, big(seq));
    flow.answer("x".repeat(10_000));
    expect(flow.unacked.bytes).toBe(5 * size);
    flow.acknowledge(3);
    expect(flow.unacked.bytes).toBe(2 * size);
    // the answer came after it
    flow.acknowledge(4);
    expect(flow.unacked.bytes).toBe(size);
    flow.offer("a", big(5));
    flow.acknowledge(5);
    expect(flow.unacked.bytes).toBe(0);
  });

  it("is known to 8 KiB, so that not every message needs to be remembered", () => {
    const { flow } = openFlow();
    const size = 1_000 + sendBudgetLimits.messageBytes;
    for (let seq = 1; seq <= 20; seq += 1) {
      flow.offer(`topic ${seq}`, { seq, text: "x".repeat(1_000), part: "" });
    }
    flow.acknowledge(19);
    expect(flow.unacked.bytes).toBe(3 * size);
  });

  it("is counted in bytes and not in characters", () => {
    const { flow } = openFlow();
    flow.answer("\u{65e5}\u{672c}");
    expect(flow.unacked.bytes).toBe(6 + sendBudgetLimits.messageBytes);
  });

  it("closes the one with most when all have too much together, and leaves the others", async () => {
    const budget = new SendBudget();
    const flows = Array.from({ length: 6 }, () => openFlow(budget));
    const chunk = "x".repeat(1024 * 1024);
    for (const [index, { flow }] of flows.entries()) {
      for (let count = 0; count < 10 + (index === 2 ? 5 : 0); count += 1) flow.answer(chunk);
    }
    expect(flows.map(({ giveUp }) => giveUp.mock.calls.length)).toEqual([0, 0, 1, 0, 0, 0]);
    expect(await flows[2]?.closed).toMatchObject({ code: 1013 });
  });

  it("closes none that has little, whatever the others have", () => {
    const budget = new SendBudget();
    budget.leaving(new WebSocketPair()[0], sendBudgetLimits.hostBytes);
    const { flow, giveUp } = openFlow(budget);
    flow.answer("x".repeat(sendBudgetLimits.smallBytes / 2));
    expect(giveUp).not.toHaveBeenCalled();
    flow.answer("x".repeat(sendBudgetLimits.smallBytes));
    expect(giveUp).toHaveBeenCalledOnce();
  });

  it("is written down soon enough, and not for each message", async () => {
    const { flow, remember } = openFlow();
    for (let seq = 1; seq <= 64; seq += 1) flow.answer("x".repeat(1024 - sendBudgetLimits.messageBytes));
    expect(remember).toHaveBeenCalledTimes(4);
    await vi.advanceTimersByTimeAsync(1_000);
    flow.answer("x".repeat(4 * 1024));
    expect(remember).toHaveBeenCalledTimes(5);
    await vi.advanceTimersByTimeAsync(1_000);
    flow.answer("x");
    expect(remember).toHaveBeenCalledTimes(5);
  });
});
