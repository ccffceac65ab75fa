import type { Client } from "../wire/client.ts";
import type { Field, Message } from "../wire/wire.ts";

/** How messages of one number differ from what they should be. */
interface Alteration {
  /** So many fields are missing at the end, as in a TWS of another version. */
  readonly missing?: number;
  /** Other values of fields, by their place from 0, or from the end with -1, such as TWS's marks for "not set". */
  readonly fields?: Readonly<Record<number, Field>>;
}

/** By the number of the message. */
export type AlteredMessages = Readonly<Record<number, Alteration>>;

/** Stands between the handlers and the wire, and alters messages. */
export function createAlteredMessages() {
  let altered: AlteredMessages = {};
  const alter = (message: Message): Message => {
    const alteration = altered[Number(message[0])];
    if (alteration === undefined) return message;
    const { missing = 0, fields = {} } = alteration;
    return message
      .map((field, place) => fields[place] ?? fields[place - message.length] ?? field)
      .slice(0, Math.max(1, message.length - missing));
  };
  return {
    set(next: AlteredMessages): void {
      altered = next;
    },
    /** The client as it hears altered messages. */
    wrap(client: Client): Client {
      return {
        ...client,
        send: (message) => client.send(alter(message)),
        sendTick: (message) => client.sendTick(alter(message)),
      };
    },
  };
}
