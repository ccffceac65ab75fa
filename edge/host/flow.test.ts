import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Flow, flowLimits } from "./flow.ts";
import { inboxOf } from "./scripted.ts";

const message = (seq: number, part = "") => ({ seq, text: String(seq), part });

function openFlow() {
  const { 0: theirs, 1: ours } = new WebSocketPair();
  ours.accept();
  const inbox = inboxOf(theirs);
  const giveUp = vi.fn();
  return { flow: new Flow(ours, giveUp), inbox, ours, giveUp };
}

describe("the flow to one watcher", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("caps the rate of a watcher that never acknowledges, and ends with the latest of each topic", async () => {
    const { flow, inbox, ours } = openFlow();
    const most = flowLimits.messagesPerSecond;
    for (let seq = 1; seq <= most * 2; seq += 1) flow.offer(seq % 2 === 0 ? "a" : "b", message(seq));
    ours.send("mark");
    const sent: unknown[] = [];
    for (let text = await inbox.next(); text !== "mark"; text = await inbox.next()) sent.push(text);
    expect(sent).toHaveLength(most);
    await vi.advanceTimersByTimeAsync(flowLimits.retryMs);
    expect([await inbox.next(), await inbox.next()].toSorted((a, b) => Number(a) - Number(b))).toEqual([
      String(most * 2 - 1),
      String(most * 2),
    ]);
    flow.close();
  });

  it("sends a state after the value that waits, so that the older is not seen last", async () => {
    const { flow, inbox } = openFlow();
    flow.acknowledge(0);
    for (let seq = 1; seq <= flowLimits.ackWindow + 1; seq += 1) flow.offer("a", message(seq));
    flow.say("a", "stale");
    const all = [];
    for (let count = 0; count < flowLimits.ackWindow + 2; count += 1) all.push(await inbox.next());
    expect(all.slice(-2)).toEqual([String(flowLimits.ackWindow + 1), "stale"]);
  });

  it("merges a part of a topic by itself, and sends the parts in the order of their numbers", async () => {
    const { flow, inbox, ours } = openFlow();
    flow.acknowledge(0);
    for (let seq = 1; seq <= flowLimits.ackWindow; seq += 1) flow.offer("a", message(seq, "x"));
    flow.offer("a", message(20, "x"));
    flow.offer("a", message(21, "y"));
    flow.offer("a", message(22, "x"));
    flow.offer("b", message(23, "x"));
    flow.acknowledge(flowLimits.ackWindow);
    ours.send("mark");
    for (let count = 0; count < flowLimits.ackWindow; count += 1) await inbox.next();
    const rest: unknown[] = [];
    for (let text = await inbox.next(); text !== "mark"; text = await inbox.next()) rest.push(text);
    expect(rest).toEqual(["21", "22", "23"]);
  });

  it("forgets what waits for a topic that was unsubscribed", async () => {
    const { flow, inbox, ours } = openFlow();
    flow.acknowledge(0);
    for (let seq = 1; seq <= flowLimits.ackWindow + 1; seq += 1) flow.offer("a", message(seq));
    flow.forget("a");
    flow.acknowledge(flowLimits.ackWindow);
    ours.send("mark");
    for (let count = 0; count < flowLimits.ackWindow; count += 1) await inbox.next();
    expect(await inbox.next()).toBe("mark");
  });

  it("closes a watcher with 1013 that has stopped acknowledging", async () => {
    const { flow, inbox, giveUp } = openFlow();
    flow.acknowledge(0);
    for (let seq = 1; seq <= flowLimits.ackWindow + 1; seq += 1) flow.offer("a", message(seq));
    vi.setSystemTime(Date.now() + flowLimits.stuckAfterMs + 1);
    expect(giveUp).not.toHaveBeenCalled();
    flow.offer("a", message(100));
    expect(await inbox.closed).toMatchObject({ code: 1013 });
    expect(giveUp).toHaveBeenCalledOnce();
  });

  it("keeps a watcher that acknowledges, however slowly", () => {
    const { flow, giveUp } = openFlow();
    flow.acknowledge(0);
    for (let seq = 1; seq <= 100; seq += 1) {
      flow.offer("a", message(seq));
      vi.setSystemTime(Date.now() + flowLimits.stuckAfterMs - 1);
      flow.acknowledge(Math.max(0, seq - flowLimits.ackWindow));
    }
    expect(giveUp).not.toHaveBeenCalled();
  });

  it("does not close a watcher for what it did before anything waited", () => {
    const { flow, giveUp } = openFlow();
    flow.acknowledge(0);
    for (let seq = 1; seq <= flowLimits.ackWindow; seq += 1) flow.offer("a", message(seq));
    vi.setSystemTime(Date.now() + flowLimits.stuckAfterMs * 10);
    flow.offer("a", message(100));
    expect(giveUp).not.toHaveBeenCalled();
  });
});
