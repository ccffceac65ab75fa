import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { FrameReader } from "./frame-reader.ts";

/** What answers at an address. */
export type Probe =
  /** `isReadOnly` says whether its API takes no orders; null where it has not answered that in time. */
  | { readonly kind: "tws"; readonly serverVersion: number; readonly isReadOnly: boolean | null }
  | { readonly kind: "unreachable"; readonly error: unknown }
  /** Bytes have come that no TWS sends. */
  | { readonly kind: "foreign" }
  /** The connection was accepted and then closed, or left without an answer. */
  | { readonly kind: "closed" }
  | { readonly kind: "silent" };

/** The opening of every API client, which starts no session. */
const versions = "v100..193";
const hello = Buffer.concat([
  Buffer.from("API\0"),
  Buffer.from([0, 0, 0, versions.length]),
  Buffer.from(versions),
]);

const frame = (...fields: readonly (string | number)[]): Buffer => {
  const body = Buffer.from(fields.map((field) => `${field}\0`).join(""));
  const header = Buffer.alloc(4);
  header.writeInt32BE(body.length);
  return Buffer.concat([header, body]);
};

/** An id that no other program has, so that nobody is cut off. */
const freeClientId = (): number => 900_000_000 + Math.floor(Math.random() * 99_000_000);
const startApi = (): Buffer => frame(71, 2, freeClientId(), "");
const askOrders = frame(16, 1);

/** What a message says of the API being read-only: null for one that says nothing of it. */
function readOnlyIn(message: string): boolean | null {
  if (message.startsWith("53\0")) return false;
  return /^4\0.*\b321\0.*read-?only/i.test(message) ? true : null;
}

/**
 * Opens the API handshake, asks for the working orders, which a TWS with a read-only API refuses, and closes. It changes
 * nothing there.
 */
export function probeTws(
  target: { readonly host: string; readonly port: number },
  withinMs: number,
): Promise<Probe> {
  const { promise, resolve } = Promise.withResolvers<Probe>();
  const reader = new FrameReader();
  let isConnected = false;
  let serverVersion: number | null = null;
  const answered = (isReadOnly: boolean | null): void => {
    if (serverVersion !== null) resolve({ kind: "tws", serverVersion, isReadOnly });
  };
  const socket = connect(target);
  socket.on("connect", () => {
    isConnected = true;
    socket.write(hello);
  });
  socket.on("data", (chunk) => {
    reader.push(chunk);
    for (let read = reader.next(); read !== null; read = reader.next()) {
      if (read.kind === "fault")
        return serverVersion === null ? resolve({ kind: "foreign" }) : answered(null);
      if (read.kind === "greeting") {
        ({ serverVersion } = read);
        socket.write(startApi());
        continue;
      }
      const message = read.bytes.toString("latin1", 4);
      // TWS takes requests from its first order id on
      if (message.startsWith("9\0")) socket.write(askOrders);
      const isReadOnly = readOnlyIn(message);
      if (isReadOnly !== null) answered(isReadOnly);
    }
  });
  // the error of a connection that stood is followed by its close
  socket.on("error", (error) => {
    if (!isConnected) resolve({ kind: "unreachable", error });
  });
  socket.on("close", () => {
    answered(null);
    resolve({ kind: "closed" });
  });
  const timer = setTimeout(() => {
    answered(null);
    resolve(
      isConnected
        ? { kind: "silent" }
        : { kind: "unreachable", error: new DOMException("The connection took too long.", "TimeoutError") },
    );
  }, withinMs);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}
