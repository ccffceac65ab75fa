import { once } from "node:events";
import { WebSocket } from "ws";
import { z } from "zod";
import { usualTimes } from "../../../docs/examples/stream-client.js";
import { Quote } from "../../../shared/events.ts";

/** Many watchers of the same instruments that do as little else as they can, so that the edge is what a test loads. */
export interface LoadWatchers {
  /** Messages with a value that any of them was told. */
  messages(): number;
  /** The latest quote that each was told of an instrument, one entry for each of them. */
  latest(conId: number): (Quote | null)[];
  /** How many have been closed by the edge or the network. */
  lost(): number;
  close(): void;
}

const Value = z.object({ data: Quote });

interface LoadOptions {
  readonly size: number;
  readonly conIds: readonly number[];
  /** Whether they say what they have taken. */
  readonly acknowledges?: boolean;
}

/** Resolves when all of them have subscribed to everything. */
export async function gather(
  url: string,
  { size, conIds, acknowledges = true }: LoadOptions,
): Promise<LoadWatchers> {
  let messages = 0;
  let lost = 0;
  async function join() {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    const latest = new Map<number, string>();
    const { promise: isComplete, resolve } = Promise.withResolvers<void>();
    let confirmed = 0;
    let taken = 0;
    let timer: NodeJS.Timeout | undefined;
    const acknowledge = () => {
      timer = undefined;
      socket.send(JSON.stringify({ action: "ack", seq: taken }));
    };
    socket.on("message", (data) => {
      const text = z.instanceof(Buffer).parse(data).toString();
      // parsed only when somebody asks for it
      const [, conId, seq] = /^\{"type":"market_data".*?"conId":(\d+).*?"seq":(\d+)/.exec(text) ?? [];
      if (conId === undefined) {
        if (text.startsWith('{"type":"subscribed"')) confirmed += 1;
        if (confirmed === conIds.length) resolve();
        return;
      }
      messages += 1;
      latest.set(Number(conId), text);
      taken = Math.max(taken, Number(seq));
      if (acknowledges) timer ??= setTimeout(acknowledge, usualTimes.ackEveryMs);
    });
    socket.on("close", () => (lost += 1));
    await once(socket, "open");
    for (const conId of conIds) socket.send(JSON.stringify({ action: "subscribe", conId }));
    await isComplete;
    return {
      latest,
      leave() {
        clearTimeout(timer);
        socket.terminate();
      },
    };
  }
  const all = await Promise.all(Array.from({ length: size }, join));
  return {
    messages: () => messages,
    latest: (conId) =>
      all.map(({ latest }) => {
        const text = latest.get(conId);
        return text === undefined ? null : Value.parse(JSON.parse(text)).data;
      }),
    lost: () => lost,
    close() {
      for (const one of all) one.leave();
    },
  };
}
