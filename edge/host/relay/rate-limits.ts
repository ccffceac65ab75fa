import { TwsError } from "../../../shared/errors.ts";
import type { ToolName } from "../../../shared/tools/index.ts";
import { tools } from "../../../shared/tools/index.ts";
import { createTokenBuckets } from "../../http/token-bucket.ts";

/**
 * What each grant may ask of one host, and all of them together. Far above what a person or a model does; TWS itself
 * takes 50 messages a second.
 */
export const hostRates = {
  grant: { burst: 2_000, perSecond: 100 },
  all: { burst: 6_000, perSecond: 300 },
  /** Calls under way at the agent; it takes a few more. */
  underWay: 900,
  /** How many times what is still free one grant may have under way. So some is always left for a newcomer. */
  shareOfFree: 2,
} as const;

const mostGrants = 2_000;
const everyone = "*";

/** Keeps one grant from taking a host away from the others. In memory: an evicted object had nothing to do. */
export class CallerRateLimits {
  readonly #rates = createTokenBuckets(hostRates.grant, mostGrants);
  readonly #all = createTokenBuckets(hostRates.all, 1);
  readonly #underWay = new Map<string, number>();
  #allUnderWay = 0;

  /** Counts what a grant asks. Throws `rate_limited`. */
  admit(grantId: string): void {
    const now = Date.now();
    const waitMs = this.#rates.take(grantId, now);
    if (waitMs > 0) throw tooMany("This access has asked too much in a short time.", waitMs);
    const waitForAllMs = this.#all.take(everyone, now);
    // who has asked little is not made to pay for the others
    if (waitForAllMs > 0 && this.#rates.share(grantId, now) < 0.5) {
      throw tooMany("This host is asked too much at the moment.", waitForAllMs);
    }
  }

  /** Throws `rate_limited` where a grant has as many calls under way as leaves enough to others. */
  requireShare(grantId: string): void {
    const mine = this.#underWay.get(grantId) ?? 0;
    const free = hostRates.underWay - this.#allUnderWay;
    if (mine >= hostRates.shareOfFree * free) {
      throw tooMany(`This access has ${mine} calls under way, as many as it may have now.`, 1_000);
    }
  }

  /** Counts a call that has been sent. */
  begun(grantId: string): void {
    this.#underWay.set(grantId, (this.#underWay.get(grantId) ?? 0) + 1);
    this.#allUnderWay += 1;
  }

  ended(grantId: string): void {
    const left = (this.#underWay.get(grantId) ?? 0) - 1;
    if (left > 0) this.#underWay.set(grantId, left);
    else this.#underWay.delete(grantId);
    this.#allUnderWay -= 1;
  }
}

/** What ends an order is taken however much else was asked. */
export const isNeverRefused = (tool: ToolName): boolean => tools[tool].effect === "cancels";

const tooMany = (message: string, retryAfterMs: number): TwsError =>
  new TwsError("rate_limited", message, {
    retryAfterMs,
    nextStep: "Wait a moment, then call again, and fewer at once. Orders can be cancelled all the same.",
  });
