import type { Client } from "../wire/client.ts";
import type { Message } from "../wire/wire.ts";

/** One price or size of a quote line, as a client was sent it. */
export interface SentTick {
  /** Unix milliseconds. */
  readonly at: number;
  readonly clientId: number;
  /** Of the line: the id that the client gave it. */
  readonly reqId: number;
  /** TWS's number for what it is: 1 bid, 2 ask, 4 last… */
  readonly tick: number;
  readonly value: number;
}

export interface TickRecord {
  readonly ticks: readonly SentTick[];
  /** The same client, whose ticks are written down. */
  wrap(client: Client): Client;
}

const tickPrice = 1;
const tickSize = 2;
/** A price tells its size too: bid, ask, last, and the same of delayed data. */
const sizeOf: ReadonlyMap<number, number> = new Map([
  [1, 0],
  [2, 3],
  [4, 5],
  [66, 69],
  [67, 70],
  [68, 71],
]);

/** Writes down every tick of every quote line: what a client may show, and nothing else. It grows without end. */
export function createTickRecord(isMuted: () => boolean): TickRecord {
  const ticks: SentTick[] = [];

  function note(clientId: number, message: Message): void {
    const [id, , reqId, tick, value, size] = message.map(Number);
    if (reqId === undefined || tick === undefined || value === undefined || isMuted()) return;
    const head = { at: Date.now(), clientId, reqId };
    if (id === tickPrice || id === tickSize) ticks.push({ ...head, tick, value });
    const sizeTick = sizeOf.get(tick);
    if (id === tickPrice && sizeTick !== undefined && size !== undefined)
      ticks.push({ ...head, tick: sizeTick, value: size });
  }

  return {
    ticks,
    wrap: (client) => ({
      ...client,
      send(message) {
        note(client.clientId, message);
        client.send(message);
      },
      sendTick(message) {
        const isSent = client.sendTick(message);
        if (isSent) note(client.clientId, message);
        return isSent;
      },
    }),
  };
}
