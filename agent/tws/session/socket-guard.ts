import { Socket } from "node:net";
import type { IBApi } from "@stoqey/ib";
import { FrameReader } from "./frame-reader.ts";

/** Counts events in windows of fixed length. */
export class EventRate {
  readonly #most: number;
  readonly #windowMs: number;
  #since = -Infinity;
  #count = 0;

  constructor(most: number, windowMs: number) {
    this.#most = most;
    this.#windowMs = windowMs;
  }

  /** Counts one event; true when there were more than the most within the window. */
  isExceeded(atMs: number): boolean {
    if (atMs - this.#since >= this.#windowMs) {
      this.#since = atMs;
      this.#count = 0;
    }
    this.#count += 1;
    return this.#count > this.#most;
  }
}

interface GuardOptions {
  /** Called at most once, with what was wrong; `isForeign` where no TWS has answered on this connection. */
  readonly onFault: (fault: { readonly reason: string; readonly isForeign: boolean }) => void;
  readonly isEnded: () => boolean;
}

/**
 * Puts itself between the socket and the library, which gets one well-formed frame at a time. There is no public way
 * in, so the private method is wrapped; a release of the library without it must not run unguarded.
 */
export function guardSocket(ib: IBApi, { onFault, isEnded }: GuardOptions): void {
  const librarySocket = librarySocketOf(ib);
  const onData: unknown = Reflect.get(librarySocket, "onData");
  if (typeof onData !== "function") throw new Error("@stoqey/ib has no onData any more: guard it anew.");
  const reader = new FrameReader();
  Reflect.set(librarySocket, "onData", (chunk: Buffer) => {
    if (isEnded()) return;
    reader.push(chunk);
    // a message may end the connection, and then nothing behind it counts
    for (let frame = reader.next(); frame !== null && !isEnded(); frame = reader.next()) {
      if (frame.kind === "fault") return onFault(frame);
      onData.call(librarySocket, frame.bytes);
    }
  });
}

/** Sends each message at once: a message behind one that TWS leaves unanswered would wait 40 ms for its answer. */
export const sendWithoutDelay = (ib: IBApi): void => void socketOf(librarySocketOf(ib))?.setNoDelay(true);

function librarySocketOf(ib: IBApi): object {
  const controller: unknown = Reflect.get(ib, "controller");
  const socket: unknown =
    typeof controller === "object" && controller !== null ? Reflect.get(controller, "socket") : null;
  if (typeof socket === "object" && socket !== null) return socket;
  throw new Error("@stoqey/ib has no socket any more: guard it anew.");
}

/** The TCP socket; null before the library dials. */
function socketOf(librarySocket: object): Socket | null {
  const client: unknown = Reflect.get(librarySocket, "client");
  return client instanceof Socket ? client : null;
}
