import { TwsError } from "../../../shared/errors.ts";
import { currentGrant } from "./fair-share.ts";
import type { Lane } from "./api.ts";

/**
 * TWS counts more than 50 messages in a second as a fault, whatever they are, by when it reads them: what waits while TWS
 * or its machine is busy is read at once. A bucket of 8 refilled 32 times a second stays below that for delays of 0.3 s.
 */
export const twsPacing = { perSecond: 32, burst: 8, queueLimit: 750 } as const;

/** How many tokens a message of a lane must leave, so that a flood of data requests never delays an order. */
const leaves: Readonly<Record<Lane, number>> = {
  cancel: 0,
  order: 1,
  release: 2,
  account: 2,
  data: 3,
};

/** TWS hangs up at its third complaint of one connection, so there is no way back to the usual rate in it. */
const slowest = 8;
/** What a data request needs to find in the bucket. */
const smallestBurst = 1 + leaves.data;

const lanes = ["cancel", "order", "release", "account", "data"] as const satisfies readonly Lane[];

/** The lanes that refuse nothing: each message ends something that was begun, so that there is a bounded number of them. */
const unbounded: ReadonlySet<Lane> = new Set(["cancel", "release"]);

/** A grant may fill this many times what is free of a queue, so that there is always room for another one's. */
const shareOfFree = 2;

interface Waiting {
  readonly who: string;
  readonly write: () => void;
  readonly drop: (error: unknown) => void;
}

export interface Pacer {
  /**
   * Calls `write` when the rate limit allows: at once if it does now, otherwise after everything in lanes above and what
   * its grant has put before it. The grants of a lane take turns, but for orders, so that none waits for all that another one asks. `drop` is called instead if the connection ends first, or at once if too many wait already (never what cancels or releases), and with
   * what `write` throws. Returns the way to withdraw what has not been written.
   */
  submit(lane: Lane, write: () => void, drop: (error: unknown) => void): () => void;
  /** TWS has said that it read too many messages in a second: halves the rate until the connection ends. */
  slowDown(): void;
  /** Drops everything that waits, and all that comes later. */
  close(error: TwsError): void;
}

interface PacerOptions {
  readonly perSecond: number;
  readonly burst: number;
  /** How many messages of one lane may wait; of one grant two thirds of that. */
  readonly queueLimit: number;
}

/** The rate limit of one connection. It belongs to that connection, so nothing can reach another one through it. */
export function createPacer({ queueLimit, ...usual }: PacerOptions): Pacer {
  let { perSecond, burst } = usual;
  const queues: Readonly<Record<Lane, Waiting[]>> = {
    cancel: [],
    order: [],
    release: [],
    account: [],
    data: [],
  };
  /** The grants of each lane whose messages were written last, the latest at the end. */
  const served: Readonly<Record<Lane, Set<string>>> = {
    cancel: new Set(),
    order: new Set(),
    release: new Set(),
    account: new Set(),
    data: new Set(),
  };
  let tokens: number = burst;
  let refilledAt = performance.now();
  let timer: NodeJS.Timeout | null = null;
  let closed: TwsError | null = null;

  const refill = (): void => {
    const now = performance.now();
    tokens = Math.min(burst, tokens + ((now - refilledAt) / 1000) * perSecond);
    refilledAt = now;
  };

  /** Takes the oldest message of the grant that has waited longest for its turn. */
  const takeNext = (lane: Lane): Waiting | undefined => {
    const queue = queues[lane];
    // TWS takes no order whose id is below that of one before: orders are written as their ids were given out
    const index = lane === "order" ? 0 : nextTurn(queue, served[lane]);
    const [next] = queue.splice(index, 1);
    if (next === undefined) return undefined;
    served[lane].delete(next.who);
    // a lane that is empty begins anew, so that no grant of before is kept
    if (queue.length === 0) served[lane].clear();
    else served[lane].add(next.who);
    return next;
  };

  const firstLane = (): Lane | undefined => lanes.find((lane) => queues[lane].length > 0);

  const drain = (): void => {
    timer = null;
    refill();
    for (let lane = firstLane(); lane !== undefined; lane = firstLane()) {
      const needed = 1 + leaves[lane];
      if (tokens < needed) {
        timer = setTimeout(drain, Math.ceil(((needed - tokens) / perSecond) * 1000));
        return;
      }
      tokens -= 1;
      const next = takeNext(lane);
      try {
        next?.write();
      } catch (error) {
        next?.drop(error);
      }
    }
  };

  return {
    submit(lane, write, drop) {
      if (closed !== null) {
        drop(closed);
        return () => {};
      }
      const queue = queues[lane];
      const who = currentGrant();
      const isFull = () =>
        queue.filter((one) => one.who === who).length >= shareOfFree * (queueLimit - queue.length);
      if (!unbounded.has(lane) && isFull()) {
        drop(tooMany());
        return () => {};
      }
      const waiting = { who, write, drop };
      queue.push(waiting);
      // a message of a higher lane may go although the timer waits for tokens for a lower one
      if (timer !== null) clearTimeout(timer);
      drain();
      return () => {
        const index = queue.indexOf(waiting);
        if (index >= 0) queue.splice(index, 1);
      };
    },
    slowDown() {
      refill();
      perSecond = Math.max(slowest, perSecond / 2);
      burst = Math.max(smallestBurst, burst / 2);
      tokens = Math.min(tokens, 0);
      if (timer === null) return;
      clearTimeout(timer);
      drain();
    },
    close(error) {
      closed = error;
      if (timer !== null) clearTimeout(timer);
      for (const lane of lanes) for (const waiting of queues[lane].splice(0)) waiting.drop(error);
    },
  };
}

/**
 * Where the next message stands: the first of a grant that was not served yet, or else of the one whose turn was longest
 * ago. `served` has the grants by their last turn.
 */
function nextTurn(queue: readonly Waiting[], served: ReadonlySet<string>): number {
  const fresh = queue.findIndex(({ who }) => !served.has(who));
  if (fresh >= 0) return fresh;
  for (const grant of served) {
    const index = queue.findIndex(({ who }) => who === grant);
    if (index >= 0) return index;
  }
  return 0;
}

function tooMany(): TwsError {
  return new TwsError(
    "pacing",
    "Too many requests to TWS are waiting for its limit of 50 messages a second.",
    {
      retryAfterMs: 5_000,
    },
  );
}
