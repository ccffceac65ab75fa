import { z } from "zod";
import { type BodiesUnderWay, bodiesOfStrangers } from "./bodies-under-way.ts";
import { isKnownAddress } from "./client-address.ts";

/**
 * Bodies as they arrive: workerd hands over 30 MB whole, chunked ones name no length, and a client may send a byte a
 * minute. So they are counted and timed while they are read, whoever reads them.
 */

/** A megabyte takes a third of this over a slow mobile line. */
export const bodyWithinMs = 30_000;

/** A form takes a fraction of a second. */
export const formWithinMs = 10_000;

/** The largest bodies, in bytes. */
export const bodySizes = {
  form: 4 * 1024,
  /** A list of accounts, the metadata of a client, or a signed token. */
  largeForm: 16 * 1024,
  message: 1024 * 1024,
} as const;

export type ReadBody =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /**
   * `crowded`: too many are under way, and this one has waited longest. `left`: the client has gone in the middle of its
   * own words, and nobody reads an answer.
   */
  | { readonly ok: false; readonly why: "too_large" | "too_slow" | "crowded" | "left" };

export interface BodyLimits {
  readonly mostBytes: number;
  readonly withinMs: number;
  readonly bodies: BodiesUnderWay;
  /** Whoever sends it; null where nobody knows. */
  readonly source: string | null;
}

/** The body, unless it has more than `mostBytes`, is not all there in time or has to give way to another. */
export async function readBody(
  { body }: Request,
  { mostBytes, withinMs, bodies, source }: BodyLimits,
): Promise<ReadBody> {
  if (body === null) return { ok: true, bytes: new Uint8Array() };
  const reader = body.getReader();
  const over = Promise.withResolvers<"too_slow" | "crowded">();
  const timer = setTimeout(() => over.resolve("too_slow"), withinMs);
  const underWay = bodies.begin(source, () => over.resolve("crowded"));
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const read = await Promise.race([reader.read(), over.promise]);
      if (read === "too_slow" || read === "crowded") return { ok: false, why: read };
      if (read.done) return { ok: true, bytes: joined(chunks, length) };
      const chunk = z.instanceof(Uint8Array).parse(read.value);
      length += chunk.byteLength;
      if (length > mostBytes) return { ok: false, why: "too_large" };
      chunks.push(chunk);
      underWay.arrived(chunk.byteLength);
    }
  } catch {
    return { ok: false, why: "left" };
  } finally {
    clearTimeout(timer);
    underWay.ended();
    // ends what is still on its way
    reader.cancel().catch(() => undefined);
  }
}

/** The body of a form, from an address of which nothing more is known. */
export const readForm = (request: Request, mostBytes: number, address: string): Promise<ReadBody> =>
  readBody(request, {
    mostBytes,
    withinMs: formWithinMs,
    bodies: bodiesOfStrangers,
    source: isKnownAddress(address) ? address : null,
  });

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
