import { describe, expect, it, vi } from "vitest";
import { eventStream, withoutRepeats } from "./event-stream.ts";

const encoder = new TextEncoder();

async function textOf(events: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(events).text();
}

describe("an event stream", () => {
  it("keeps an event once for a client that does not read, in the order of their first time", async () => {
    const source = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let round = 0; round < 1_000; round += 1) {
          for (const name of ["a", "b", "c"]) controller.enqueue(encoder.encode(`data: ${name}\n\n`));
        }
        controller.close();
      },
    });
    const events = withoutRepeats(source);
    // each turn lets it take what there is
    for (let turn = 0; turn < 10_000; turn += 1) await Promise.resolve();
    expect(await textOf(events)).toBe("data: a\n\ndata: b\n\ndata: c\n\n");
  });

  it("says an event again to a client that has read it", async () => {
    const stream = eventStream(() => undefined);
    const reader = stream.readable.getReader();
    const next = async () => new TextDecoder().decode((await reader.read()).value);
    expect(await next()).toBe(": open\n\n");
    for (let count = 0; count < 3; count += 1) {
      stream.send({ uri: "x" });
      expect(await next()).toBe('event: message\ndata: {"uri":"x"}\n\n');
    }
    stream.end();
    expect((await reader.read()).done).toBe(true);
  });

  it("ends once, when its client leaves", async () => {
    const onEnd = vi.fn();
    const stream = eventStream(onEnd);
    await stream.readable.cancel();
    stream.end();
    expect(onEnd).toHaveBeenCalledOnce();
  });
});
