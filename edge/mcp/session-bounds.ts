import { TwsError } from "../../shared/errors.ts";
import type { Caller } from "../../shared/caller.ts";
import { createTokenBuckets } from "../http/token-bucket.ts";

/** What a grant may have of sessions of the 2025 revisions, as far as one Worker sees it. */
export const sessionBounds = {
  /** Sessions begun. Each may come to keep something. */
  begun: { burst: 60, perSecond: 1 / 10 },
  /** Event streams that are open at one time. */
  streams: 50,
} as const;

const mostGrants = 10_000;

// facts about grants, not about a request
const begun = createTokenBuckets(sessionBounds.begun, mostGrants);
const streams = new Map<string, number>();

type Who = Pick<Caller, "grantId" | "expiresAt">;

/** Counts a session that begins. Throws `rate_limited`. Without sign-in there is one owner, who is not counted. */
export function admitSession({ grantId, expiresAt }: Who): void {
  if (expiresAt === null) return;
  const waitMs = begun.take(grantId, Date.now());
  if (waitMs === 0) return;
  throw new TwsError("rate_limited", "This access has begun too many sessions.", {
    retryAfterMs: waitMs,
    nextStep: "Go on with a session that there is, or begin another after that time.",
  });
}

/** Counts an event stream that opens; returns what to call once it has ended. Throws `rate_limited`. */
export function admitStream({ grantId }: Who): () => void {
  const open = streams.get(grantId) ?? 0;
  if (open >= sessionBounds.streams) {
    throw new TwsError("rate_limited", `This access has ${open} event streams open, as many as it may.`, {
      retryAfterMs: 10_000,
      nextStep: "Close streams that nobody reads, then try again.",
    });
  }
  streams.set(grantId, open + 1);
  let hasEnded = false;
  return () => {
    if (hasEnded) return;
    hasEnded = true;
    const left = (streams.get(grantId) ?? 1) - 1;
    if (left > 0) streams.set(grantId, left);
    else streams.delete(grantId);
  };
}
