/** Sends to a socket that may have just closed; what it would have been told no longer matters then. */
export function trySend(socket: WebSocket, text: string): void {
  try {
    socket.send(text);
  } catch {
    // its close event follows
  }
}

/** Closes a socket that may have closed already. The reason is cut to what a close frame can carry. */
export function tryClose(socket: WebSocket, code: number, reason: string): void {
  try {
    socket.close(code, reason.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 120));
  } catch {
    // closed already
  }
}
