/** The few globals that Node, Workers and browsers share; everything else of theirs stays out of this folder. */
declare const crypto: { randomUUID(): string };
declare class TextEncoder {
  encode(text: string): Uint8Array;
}
