/**
 * Reads the text messages out of one direction of a WebSocket, chunk by chunk, the handshake before them passed over.
 * Nothing is compressed on the link, and no message of either end comes in pieces.
 */
export function createFrameTap(onText: (text: string) => void) {
  let rest = Buffer.alloc(0);
  let isOpen = false;

  /** The first frame in `rest`; null until it is whole. */
  function next(): { readonly opcode: number; readonly payload: Buffer; readonly bytes: number } | null {
    if (rest.length < 2) return null;
    const [first = 0, second = 0] = rest;
    const short = second & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const isMasked = (second & 0x80) !== 0;
    const from = 2 + lengthBytes + (isMasked ? 4 : 0);
    if (rest.length < from) return null;
    // eight bytes of which the first two are 0: no frame is that long
    const length =
      lengthBytes === 0 ? short : lengthBytes === 2 ? rest.readUInt16BE(2) : rest.readUIntBE(4, 6);
    const bytes = from + length;
    if (rest.length < bytes) return null;
    const payload = Buffer.from(rest.subarray(from, bytes));
    const mask = rest.subarray(from - 4, from);
    if (isMasked)
      for (let at = 0; at < length; at += 1) payload[at] = (payload[at] ?? 0) ^ (mask[at % 4] ?? 0);
    return { opcode: first & 0x0f, payload, bytes };
  }

  return (chunk: Buffer): void => {
    rest = Buffer.concat([rest, chunk]);
    if (!isOpen) {
      const end = rest.indexOf("\r\n\r\n");
      if (end < 0) return;
      isOpen = true;
      rest = rest.subarray(end + 4);
    }
    for (let frame = next(); frame !== null; frame = next()) {
      rest = rest.subarray(frame.bytes);
      if (frame.opcode === 1) onText(frame.payload.toString("utf8"));
    }
  };
}
