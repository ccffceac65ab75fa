import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Client } from "./client.ts";
import { negotiate, readHello } from "./handshake.ts";
import { errorMessage } from "./messages.ts";
import { pacing } from "./pacing.ts";
import { decodeFields, encodeFrame, frameSplitter, type Message } from "./wire.ts";

/** Above this much unread output ticks are dropped and the client's requests wait. */
const slowReaderBytes = 1_000_000;
/** Above this much the client is not slow but gone. */
const lostReaderBytes = 64_000_000;
const lingerMs = 1000;
const startApi = "71";

/** What a connection needs from the simulator it belongs to. */
export interface Host {
  readonly newestVersion: number;
  readonly maxMessagesPerSecond: number;
  /** "20261123 09:30:00 US/Eastern" */
  connectionTime(): string;
  isMuted(): boolean;
  helloDelayMs(): number;
  /** False when the client id is taken. */
  admit(client: Client): boolean;
  received(client: Client, fields: readonly string[]): void;
  left(client: Client): void;
}

export interface Connection {
  /** Cuts the wire without a word. */
  drop(): void;
}

type State = "hello" | "greeting" | "greeted" | "open" | "closing";

/** Speaks with one socket from its first byte on. */
export function openConnection(socket: Socket, host: Host): Connection {
  const splitter = frameSplitter();
  let pace = pacing(host.maxMessagesPerSecond);
  let state: State = "hello";
  let hello = Buffer.alloc(0);
  let waiting: Buffer[] = [];
  let serverVersion = 0;
  let client: Client | null = null;
  let corked = false;
  let greeting: NodeJS.Timeout | null = null;

  function write(message: Message): void {
    if (socket.destroyed || socket.writableEnded || host.isMuted()) return;
    if (!corked) {
      corked = true;
      socket.cork();
      setImmediate(() => {
        corked = false;
        socket.uncork();
      });
    }
    socket.write(encodeFrame(message));
    if (socket.writableLength > lostReaderBytes) socket.destroy();
  }

  function hangUp(): void {
    state = "closing";
    socket.end();
    setTimeout(() => socket.destroy(), lingerMs).unref();
  }

  function newClient(clientId: number): Client {
    return {
      clientId,
      serverVersion,
      send: write,
      sendTick(message) {
        if (socket.writableLength > slowReaderBytes) return false;
        write(message);
        return true;
      },
      error: (id, code, text) => write(errorMessage(serverVersion, id, code, text)),
      unsentBytes: () => socket.writableLength,
      cut() {
        state = "closing";
        socket.destroy();
      },
      hangUp,
    };
  }

  function start(fields: readonly string[]): void {
    const clientId = Number(fields[2] ?? "");
    if (!Number.isInteger(clientId)) return;
    const candidate = newClient(clientId);
    if (!host.admit(candidate)) {
      const text = "Unable to connect as the client id is already in use. Retry with a unique client id.";
      candidate.error(-1, 326, text);
      hangUp();
      return;
    }
    client = candidate;
    state = "open";
    host.received(candidate, fields);
  }

  function receive(payload: Buffer): void {
    if (state === "closing") return;
    const fields = decodeFields(payload);
    if (client === null) {
      // TWS forgets whatever comes before startApi.
      if (fields[0] === startApi && !host.isMuted()) start(fields);
      return;
    }
    const rate = pace.count(performance.now());
    if (rate !== "fine") {
      const max = host.maxMessagesPerSecond;
      const text = `Max rate of messages per second has been exceeded:max=${max} rec=${max + 1} (${pace.strikes()})`;
      client.error(-1, 100, text);
    }
    if (rate === "expelled") hangUp();
    else host.received(client, fields);
  }

  function readFrames(chunk: Buffer): void {
    const payloads = splitter.push(chunk);
    if (payloads === null) {
      socket.destroy();
      return;
    }
    waiting.push(...payloads);
    work();
  }

  /** Takes up messages in order, but none while the client leaves the answers to earlier ones unread. */
  function work(): void {
    if (state === "greeting") return;
    let done = 0;
    for (const payload of waiting) {
      if (socket.writableLength > slowReaderBytes) break;
      receive(payload);
      done++;
    }
    waiting = waiting.slice(done);
    if (waiting.length > 0) socket.pause();
    else socket.resume();
  }

  function greet(): void {
    greeting = null;
    if (socket.destroyed) return;
    state = "greeted";
    write([serverVersion, host.connectionTime()]);
    work();
  }

  function readGreeting(chunk: Buffer): void {
    // a mute host loses all that it hears, so a hello that came then is never answered
    if (host.isMuted()) return;
    hello = Buffer.concat([hello, chunk]);
    const read = readHello(hello);
    if (read.type === "incomplete") return;
    const version = read.type === "hello" ? negotiate(read, host.newestVersion) : null;
    if (read.type === "foreign" || version === null) {
      hangUp();
      return;
    }
    serverVersion = version;
    // with +PACEAPI the client asks to be slowed down instead of warned; we simply never complain.
    if (read.options.includes("+PACEAPI")) pace = pacing(Number.POSITIVE_INFINITY);
    state = "greeting";
    const delayMs = host.helloDelayMs();
    if (delayMs > 0) greeting = setTimeout(greet, delayMs);
    else greet();
    if (read.rest.length > 0) readFrames(read.rest);
  }

  socket.setNoDelay(true);
  socket.on("data", (chunk: Buffer) => {
    if (state === "hello") readGreeting(chunk);
    else if (state !== "closing") readFrames(chunk);
  });
  socket.on("drain", work);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    if (greeting !== null) clearTimeout(greeting);
    state = "closing";
    if (client !== null) host.left(client);
  });

  return { drop: () => socket.destroy() };
}
