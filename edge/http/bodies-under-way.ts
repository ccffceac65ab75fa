/** How many bodies may be on their way at one time, and how many bytes of them may have arrived. */
interface Bounds {
  readonly ofSource: number;
  readonly all: number;
  readonly bytesOfSource: number;
  readonly bytes: number;
}

interface Body {
  readonly source: string;
  readonly giveWay: () => void;
  bytes: number;
}

/** One body while it is read. */
export interface UnderWay {
  arrived(bytes: number): void;
  ended(): void;
}

/**
 * Bodies that have begun and not come to their end. A connection with half a body costs the runtime some 200 kB, so
 * their number is bounded. Above it the oldest gives way: a body that arrives in one piece is read in a moment, and
 * needs no place among those that never end.
 */
export class BodiesUnderWay {
  readonly #bounds: Bounds;
  /** The oldest first. */
  readonly #bodies = new Set<Body>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** `source` is whoever sends it, null where nobody knows. `giveWay` is called when it is to be read no further. */
  begin(source: string | null, giveWay: () => void): UnderWay {
    const body: Body = { source: source ?? "", giveWay, bytes: 0 };
    this.#bodies.add(body);
    this.#keepBounds(body);
    return {
      arrived: (bytes) => {
        body.bytes += bytes;
        this.#keepBounds(body);
      },
      ended: () => void this.#bodies.delete(body),
    };
  }

  #keepBounds({ source }: Body): void {
    const { ofSource, all, bytesOfSource, bytes } = this.#bounds;
    if (source !== "") this.#keep(() => this.#of(source), ofSource, bytesOfSource);
    this.#keep(() => (this.#isOver([...this.#bodies], all, bytes) ? this.#ofLargestSource() : []), 0, 0);
  }

  /** Ends the oldest of `bodies` until they are within their bounds. */
  #keep(bodies: () => readonly Body[], count: number, bytes: number): void {
    for (let some = bodies(); this.#isOver(some, count, bytes); some = bodies()) {
      const [oldest] = some;
      if (oldest === undefined) return;
      this.#bodies.delete(oldest);
      oldest.giveWay();
    }
  }

  #isOver(bodies: readonly Body[], count: number, bytes: number): boolean {
    return bodies.length > count || bytesOf(bodies) > bytes;
  }

  #of(source: string): readonly Body[] {
    return [...this.#bodies].filter((body) => body.source === source);
  }

  /** Who has most under way pays for all. */
  #ofLargestSource(): readonly Body[] {
    const share = (bodies: readonly Body[]): number =>
      Math.max(bodies.length / this.#bounds.all, bytesOf(bodies) / this.#bounds.bytes);
    const bySource = [...Map.groupBy(this.#bodies, ({ source }) => source).values()];
    return bySource.toSorted((one, other) => share(other) - share(one))[0] ?? [];
  }
}

const bytesOf = (bodies: readonly Body[]): number => bodies.reduce((sum, body) => sum + body.bytes, 0);

const mebibyte = 1024 * 1024;

/** Bodies of those of whom nothing is known yet, each a few KiB at most. */
export const strangersBounds = {
  ofSource: 32,
  all: 128,
  bytesOfSource: mebibyte,
  bytes: 2 * mebibyte,
} as const;

/** Bodies of clients with a good token. */
export const callersBounds = {
  ofSource: 300,
  all: 600,
  bytesOfSource: 24 * mebibyte,
  bytes: 48 * mebibyte,
} as const;

// facts about this isolate, not about a request
export const bodiesOfStrangers = new BodiesUnderWay(strangersBounds);
export const bodiesOfCallers = new BodiesUnderWay(callersBounds);
