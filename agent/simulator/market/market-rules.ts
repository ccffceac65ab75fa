export interface PriceIncrement {
  readonly lowEdge: number;
  readonly increment: number;
}

const rules: ReadonlyMap<number, readonly PriceIncrement[]> = new Map([
  [26, [{ lowEdge: 0, increment: 0.01 }]],
  [28, [{ lowEdge: 0, increment: 0.01 }]],
  [32, [{ lowEdge: 0, increment: 0.00005 }]],
  [59, [{ lowEdge: 0, increment: 0.005 }]],
  [67, [{ lowEdge: 0, increment: 0.25 }]],
  [
    83,
    [
      { lowEdge: 0, increment: 0.005 },
      { lowEdge: 0.5, increment: 0.01 },
    ],
  ],
  [
    109,
    [
      { lowEdge: 0, increment: 0.05 },
      { lowEdge: 3, increment: 0.1 },
    ],
  ],
  [
    110,
    [
      { lowEdge: 0, increment: 0.01 },
      { lowEdge: 3, increment: 0.05 },
    ],
  ],
  [
    111,
    [
      { lowEdge: 0, increment: 0.05 },
      { lowEdge: 10, increment: 0.25 },
    ],
  ],
  [
    144,
    [
      { lowEdge: 0, increment: 0.01 },
      { lowEdge: 100, increment: 0.1 },
      { lowEdge: 1_000, increment: 1 },
      { lowEdge: 10_000, increment: 2 },
    ],
  ],
  [155, [{ lowEdge: 0, increment: 0.25 }]],
  [
    186,
    [
      { lowEdge: 0, increment: 0.01 },
      { lowEdge: 20, increment: 0.02 },
      { lowEdge: 100, increment: 0.1 },
      { lowEdge: 200, increment: 0.2 },
      { lowEdge: 500, increment: 0.5 },
    ],
  ],
  [
    193,
    [
      { lowEdge: 0, increment: 0.1 },
      { lowEdge: 3_000, increment: 0.5 },
    ],
  ],
  [239, [{ lowEdge: 0, increment: 0.00005 }]],
  [1386, [{ lowEdge: 0, increment: 0.0001 }]],
]);

export function marketRule(id: number): readonly PriceIncrement[] | undefined {
  return rules.get(id);
}

/** The price step of a rule at a price; one cent for a rule that does not exist. */
export function incrementAt(id: number, price: number): number {
  let step = 0.01;
  for (const { lowEdge, increment } of rules.get(id) ?? []) if (price >= lowEdge) step = increment;
  return step;
}

/** The nearest double of a decimal price, free of the dust of multiplication. */
export function cleanPrice(price: number): number {
  return Math.round(price * 1e8) / 1e8;
}

/** Whether a price is a whole number of its rule's steps. */
export function conforms(id: number, price: number): boolean {
  const steps = price / incrementAt(id, Math.abs(price));
  // no more than what the division itself leaves
  const slack = Math.max(1e-9, Math.abs(steps) * 1e-14);
  return price === 0 || (Math.round(steps) !== 0 && Math.abs(steps - Math.round(steps)) <= slack);
}
