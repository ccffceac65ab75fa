import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { FrameReader } from "./frame-reader.ts";

/** What answers at an address. */
export type Probe =
  | { readonly kind: "tws"; readonly serverVersion: number }
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

/** Opens the API handshake and closes when it is answered, before TWS would know a client. */
export function probeTws(
  target: { readonly host: string; readonly port: number },
  withinMs: number,
): Promise<Probe> {
  const { promise, resolve } = Promise.withResolvers<Probe>();
  const reader = new FrameReader();
  let isConnected = false;
  const socket = connect(target);
  socket.on("connect", () => {
    isConnected = true;
    socket.write(hello);
  });
  socket.on("data", (chunk) => {
    reader.push(chunk);
    const frame = reader.next();
    if (frame?.kind === "greeting") resolve({ kind: "tws", serverVersion: frame.serverVersion });
    else if (frame !== null) resolve({ kind: "foreign" });
  });
  // the error of a connection that stood is followed by its close
  socket.on("error", (error) => {
    if (!isConnected) resolve({ kind: "unreachable", error });
  });
  socket.on("close", () => resolve({ kind: "closed" }));
  const timer = setTimeout(
    () =>
      resolve(
        isConnected
          ? { kind: "silent" }
          : { kind: "unreachable", error: new DOMException("The connection took too long.", "TimeoutError") },
      ),
    withinMs,
  );
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}
