/** Proxies close what is silent for longer. */
const keepAliveMs = 15_000;

/** An SSE body. `onEnd` runs once, whichever side ends it. */
export function eventStream(onEnd: () => void) {
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  const write = (text: string): void => controller?.enqueue(encoder.encode(text));
  const keepAlive = setInterval(() => write(": keepalive\n\n"), keepAliveMs);
  const finish = (): void => {
    if (controller === null) return;
    controller = null;
    clearInterval(keepAlive);
    onEnd();
  };
  const readable = new ReadableStream<Uint8Array>({
    start(opened) {
      controller = opened;
      // the headers leave with the first byte, and the client waits for them
      write(": open\n\n");
    },
    cancel: finish,
  });
  return {
    readable: withoutRepeats(readable),
    send: (message: unknown): void => write(`event: message\ndata: ${JSON.stringify(message)}\n\n`),
    end: (): void => {
      const open = controller;
      finish();
      open?.close();
    },
  };
}

/**
 * The same events, each of which is one chunk of `events`, for a client that may read slowly or not at all: one that
 * still waits is not kept a second time. So what waits is bounded by what there is to say.
 */
export function withoutRepeats(events: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = events.getReader();
  const decoder = new TextDecoder();
  const waiting = new Map<string, Uint8Array>();
  let hasEnded = false;
  let wake = (): void => undefined;

  const take = async (): Promise<void> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      waiting.set(decoder.decode(value), value);
      wake();
    }
  };
  const taken = take()
    .catch(() => undefined)
    .finally(() => {
      hasEnded = true;
      wake();
    });

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (waiting.size === 0 && !hasEnded) await new Promise<void>((resolve) => (wake = resolve));
        const [first] = waiting;
        if (first === undefined) return controller.close();
        waiting.delete(first[0]);
        controller.enqueue(first[1]);
      },
      async cancel(reason) {
        await reader.cancel(reason);
        await taken;
      },
    },
    { highWaterMark: 0 },
  );
}
