import type { Message } from "./wire.ts";

/** A client that has said who it is, as the handlers see it. */
export interface Client {
  readonly clientId: number;
  readonly serverVersion: number;
  send(message: Message): void;
  /** For what is worthless when late: false, and nothing sent, while the client does not read. */
  sendTick(message: Message): boolean;
  /** Error 4; `id` is a request or order id, -1 for what concerns the connection. */
  error(id: number, code: number, text: string): void;
  /** Bytes written that the client has not read yet. */
  unsentBytes(): number;
  /** Ends the connection at once: what it has sent and we have not looked at is lost. */
  cut(): void;
  /** Ends the connection behind what was written. */
  hangUp(): void;
}
