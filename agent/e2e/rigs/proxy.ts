import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { createFrameTap } from "./frame-tap.ts";

/** A stretch of network between two parts, which a test can spoil. */
export interface Proxy {
  readonly port: number;
  /** Ends every connection at once, as a router does that restarts. New ones pass. */
  cut(): void;
  /** Nothing passes in either direction, and nobody is told: connections are half-open until it is over. New ones too. */
  stall(on: boolean): void;
  /** Everything passes so much later, from now on. */
  delay(delayMs: number): void;
  /** Called with each WebSocket message before it passes; one during which the stretch is cut does not. Null ends it. */
  tap(listener: ((text: string, from: "near" | "far") => void) | null): void;
  /** Connections through here. */
  connections(): number;
  close(): Promise<void>;
}

/**
 * Stands before `targetPort` on this machine. The target need not listen yet. What passes is read for `tap` only where
 * that `isTapped`: it must be WebSockets without compression.
 */
export async function startProxy(targetPort: number, isTapped = false): Promise<Proxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let isStalled = false;
  let delayMs = 0;
  let listener: ((text: string, from: "near" | "far") => void) | null = null;

  function pass(from: Socket, to: Socket, side: "near" | "far"): void {
    const tap = createFrameTap((text) => listener?.(text, side));
    from.on("data", (chunk: Buffer) => {
      if (isTapped) tap(chunk);
      const write = () => {
        // what the far end does not take is not read from the near end either
        if (!to.destroyed && !to.write(chunk)) from.pause();
      };
      if (delayMs === 0) write();
      else setTimeout(write, delayMs);
    });
    to.on("drain", () => {
      if (!isStalled) from.resume();
    });
    from.on("error", () => {});
    from.on("close", () => to.destroy());
  }

  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host: "127.0.0.1", port: targetPort, noDelay: true });
    const pair = [near, far] as const;
    pairs.add(pair);
    pass(near, far, "near");
    pass(far, near, "far");
    if (isStalled) for (const socket of pair) socket.pause();
    near.once("close", () => pairs.delete(pair));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The proxy has no port");

  const cut = () => {
    for (const [near, far] of pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
  };
  return {
    port: address.port,
    cut,
    stall(on) {
      isStalled = on;
      for (const socket of [...pairs].flat()) {
        if (on) socket.pause();
        else socket.resume();
      }
    },
    delay(next) {
      delayMs = next;
    },
    tap(next) {
      listener = next;
    },
    connections: () => pairs.size,
    async close() {
      const closed = once(server, "close");
      server.close();
      cut();
      await closed;
    },
  };
}
