import type { Store } from "../storage/store.ts";

/** Numbers that only ever rise, even across evictions. */
export interface SequenceNumbers {
  next(): number;
}

const blockSize = 10_000;
const factName = "sequence_reserved";

/**
 * One row is written for each block of numbers and not for each number. What is left of a block when the object is
 * evicted is skipped.
 */
export function createSequence(store: Pick<Store, "fact" | "setFact">): SequenceNumbers {
  let last = 0;
  let reserved = 0;
  return {
    next() {
      if (last >= reserved) {
        last = Math.max(last, Number(store.fact(factName) ?? 0));
        reserved = last + blockSize;
        store.setFact(factName, String(reserved));
      }
      last += 1;
      return last;
    },
  };
}
