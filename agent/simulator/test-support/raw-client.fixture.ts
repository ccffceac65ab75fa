import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";

/** A bare client for tests, which frames and reads by itself and can misbehave. */
export interface RawClient {
  readonly socket: Socket;
  /** Every message so far, the hello answer first. */
  readonly messages: readonly (readonly string[])[];
  readonly closed: Promise<void>;
  hello(versions: string): void;
  send(...fields: readonly (string | number)[]): void;
  write(bytes: Buffer): void;
  /** The first message, from `from` on, that `accept` takes; rejects when the connection ends before. */
  waitFor(accept: (message: readonly string[]) => boolean, from?: number): Promise<readonly string[]>;
  end(): void;
}

export function frame(text: string): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(4);
  header.writeUInt32BE(payload.length);
  return Buffer.concat([header, payload]);
}

export function helloBytes(versions: string): Buffer {
  return Buffer.concat([Buffer.from("API\0"), frame(versions)]);
}

export function messageBytes(...fields: readonly (string | number)[]): Buffer {
  return frame(fields.map((field) => `${field}\0`).join(""));
}

interface Waiter {
  readonly accept: (message: readonly string[]) => boolean;
  readonly resolve: (message: readonly string[]) => void;
  readonly reject: (error: Error) => void;
}

export async function connectRaw(port: number): Promise<RawClient> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const messages: (readonly string[])[] = [];
  let waiters: Waiter[] = [];
  let bytes: Buffer = Buffer.alloc(0);
  const closed = Promise.withResolvers<void>();

  function receive(message: readonly string[]): void {
    messages.push(message);
    const served = waiters.filter((waiter) => waiter.accept(message));
    waiters = waiters.filter((waiter) => !served.includes(waiter));
    for (const waiter of served) waiter.resolve(message);
  }

  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
      const end = 4 + bytes.readUInt32BE(0);
      receive(bytes.toString("utf8", 4, end).split("\0").slice(0, -1));
      bytes = bytes.subarray(end);
    }
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    for (const waiter of waiters) waiter.reject(new Error("the connection ended"));
    waiters = [];
    closed.resolve();
  });

  const connected = Promise.withResolvers<void>();
  socket.once("connect", () => connected.resolve());
  socket.once("close", () => connected.reject(new Error("could not connect")));
  await connected.promise;

  return {
    socket,
    messages,
    closed: closed.promise,
    hello: (versions) => void socket.write(helloBytes(versions)),
    send: (...fields) => void socket.write(messageBytes(...fields)),
    write: (raw) => void socket.write(raw),
    waitFor(accept, from = 0) {
      const known = messages.slice(from).find(accept);
      if (known !== undefined) return Promise.resolve(known);
      if (socket.destroyed) return Promise.reject(new Error("the connection has ended"));
      const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
      waiters.push({ accept, resolve, reject });
      return promise;
    },
    end: () => socket.destroy(),
  };
}

/** Takes messages with this id, and with these values at these places. */
export function message(id: number, where: Readonly<Record<number, string | number>> = {}) {
  return (fields: readonly string[]): boolean =>
    fields[0] === String(id) &&
    Object.entries(where).every(([at, value]) => fields[Number(at)] === String(value));
}

/** An error under this id with this code. */
export function errorMessage(id: number, code: number): (fields: readonly string[]) => boolean {
  return message(4, { 2: id, 3: code });
}

/** A client that speaks one version and is through with the startup messages. */
export async function startedClient(port: number, version: number, clientId: number): Promise<RawClient> {
  const client = await connectRaw(port);
  client.hello(`v100..${version}`);
  await client.waitFor((fields) => fields.length === 2);
  client.send(71, 2, clientId, "");
  await client.waitFor(errorMessage(-1, 2158));
  return client;
}

function tokenText(token: unknown): string {
  if (typeof token === "boolean") return token ? "1" : "0";
  return typeof token === "number" || typeof token === "string" ? String(token) : "";
}

/** The fields a client library means by the tokens of one message. */
export function tokenFields(tokens: readonly unknown[]): string[] {
  return tokens.flat(Number.POSITIVE_INFINITY).map(tokenText);
}
