/** The same line within a window, and lines of the same event that differ. */
const mostSame = 3;
const mostOfEvent = 100;
/** Lines of one event with one code, whose texts are TWS's and may differ each time. */
const mostOfCode = 10;
/** Characters of the lines of one event: a stranger may make each as long as a line can be. */
const longestOfEvent = 8_000;
const windowMs = 1_000;

interface Suppressed<Level> {
  readonly level: Level;
  readonly event: string;
  /** What the line says besides; empty for lines that differ. */
  readonly fields: Readonly<Record<string, unknown>>;
  count: number;
}

type Tell<Level> = (level: Level, event: string, fields: Readonly<Record<string, unknown>>) => void;

/**
 * Keeps a log readable and small while something repeats itself: in each second a line is written three times, and lines
 * of one event a hundred times, of one code ten times, and no more than some kilobytes of each event. The others are
 * counted, and told at the end of the second.
 */
export class RepeatedLines<Level extends string> {
  readonly #tell: Tell<Level>;
  #isOpen = false;
  readonly #events = new Map<string, number>();
  readonly #lines = new Map<string, number>();
  readonly #codes = new Map<string, number>();
  readonly #lengths = new Map<string, number>();
  readonly #suppressed = new Map<string, Suppressed<Level>>();

  constructor(tell: Tell<Level>) {
    this.#tell = tell;
  }

  /** The fields of a line that is written; null for one that is counted. An event beyond its share costs no cleaning. */
  admit(
    level: Level,
    event: string,
    fields: () => Readonly<Record<string, unknown>>,
  ): Readonly<Record<string, unknown>> | null {
    this.#open();
    const name = `${level} ${event}`;
    const isTooLong = (this.#lengths.get(name) ?? 0) > longestOfEvent;
    if (increment(this.#events, name) > mostOfEvent || isTooLong) {
      this.#suppress(name, { level, event, fields: {}, count: 0 });
      return null;
    }
    const cleaned = fields();
    const line = JSON.stringify([level, event, cleaned]);
    if (increment(this.#lines, line) > mostSame) {
      this.#suppress(line, { level, event, fields: cleaned, count: 0 });
      return null;
    }
    const { code } = cleaned;
    if (typeof code === "number" && increment(this.#codes, `${name} ${code}`) > mostOfCode) {
      this.#suppress(`${name} ${code}`, { level, event, fields: { code }, count: 0 });
      return null;
    }
    increment(this.#lengths, name, line.length);
    return cleaned;
  }

  #suppress(key: string, first: Suppressed<Level>): void {
    const known = this.#suppressed.get(key) ?? first;
    known.count += 1;
    this.#suppressed.set(key, known);
  }

  #open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    setTimeout(() => this.#close(), windowMs).unref();
  }

  #close(): void {
    this.#isOpen = false;
    const suppressed = [...this.#suppressed.values()];
    this.#events.clear();
    this.#lines.clear();
    this.#codes.clear();
    this.#lengths.clear();
    this.#suppressed.clear();
    for (const { level, event, fields, count } of suppressed) {
      this.#tell(level, event, { ...fields, repeated: `… repeated ${count} times` });
    }
  }
}

function increment(counts: Map<string, number>, key: string, by = 1): number {
  const count = (counts.get(key) ?? 0) + by;
  counts.set(key, count);
  return count;
}
