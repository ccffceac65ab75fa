import type { Client } from "../wire/client.ts";
import type { Message } from "../wire/wire.ts";

/** How many fields are missing at the end of each message of a number. */
export type ShortRows = Readonly<Record<number, number>>;

/** Stands between the handlers and the wire, and ends messages too early, as a TWS of another version may. */
export function createShortRows() {
  let fault: ShortRows = {};
  return {
    set(next: ShortRows): void {
      fault = next;
    },
    /** The client as it is under the fault. */
    wrap(client: Client): Client {
      const cut = (message: Message): Message => {
        const missing = fault[Number(message[0])] ?? 0;
        return missing === 0 ? message : message.slice(0, Math.max(1, message.length - missing));
      };
      return {
        ...client,
        send: (message) => client.send(cut(message)),
        sendTick: (message) => client.sendTick(cut(message)),
      };
    },
  };
}
