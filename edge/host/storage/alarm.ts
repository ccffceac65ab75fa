/** The object's one alarm, which wakes it where a timer would have kept it awake. */
export class Alarm {
  readonly #storage: DurableObjectStorage;
  readonly #times: () => readonly (number | null)[];
  /** Unix milliseconds. Undefined where an instance before this one may have set it. */
  #at: number | null | undefined;

  /** `times` says when something has to be looked at, in Unix milliseconds; null for never. */
  constructor(storage: DurableObjectStorage, times: () => readonly (number | null)[]) {
    this.#storage = storage;
    this.#times = times;
  }

  /**
   * To be called when one of the times may have become earlier, or never. One that is set for an earlier time is left:
   * each change is a write, and whoever is woken too early looks again later.
   */
  schedule(): void {
    const times = this.#times().filter((time) => time !== null);
    if (times.length === 0) {
      if (this.#at === null) return;
      this.#at = null;
      void this.#storage.deleteAlarm();
      return;
    }
    const at = Math.min(...times);
    if (typeof this.#at === "number" && this.#at <= at) return;
    this.#at = at;
    void this.#storage.setAlarm(at);
  }

  /** To be called when the first of the times has passed without need, so that nobody is woken for it. */
  reschedule(): void {
    this.#at = undefined;
    this.schedule();
  }

  /** It is not set any more. */
  wentOff(): void {
    this.#at = null;
  }
}
