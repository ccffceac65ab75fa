import { z } from "zod";

/**
 * Bodies as they arrive: workerd hands over 30 MB whole, chunked ones name no length, and a client may send a byte a
 * minute. So they are counted and timed while they are read, whoever reads them.
 */

/** A megabyte takes a third of this over a slow mobile line. */
export const bodyWithinMs = 30_000;

export type ReadBody =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /** `left`: the client has gone in the middle of its own words, and nobody reads an answer. */
  | { readonly ok: false; readonly why: "too_large" | "too_slow" | "left" };

/** The body, unless it has more than `mostBytes` or is not all there in `bodyWithinMs`. */
export async function readBody({ body }: Request, mostBytes: number): Promise<ReadBody> {
  if (body === null) return { ok: true, bytes: new Uint8Array() };
  const reader = body.getReader();
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), bodyWithinMs);
  });
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const read = await Promise.race([reader.read(), late]);
      if (read === "late") return { ok: false, why: "too_slow" };
      if (read.done) return { ok: true, bytes: joined(chunks, length) };
      const chunk = z.instanceof(Uint8Array).parse(read.value);
      length += chunk.byteLength;
      if (length > mostBytes) return { ok: false, why: "too_large" };
      chunks.push(chunk);
    }
  } catch {
    return { ok: false, why: "left" };
  } finally {
    clearTimeout(timer);
    // ends what is still on its way
    reader.cancel().catch(() => undefined);
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

/** The text of a body; null where it is not UTF-8. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    return null;
  }
}
