/**
 * How long a call may take, one table for every stage. Each stage waits a little longer than the one it asks, so
 * that the stage that knows most is the one that answers: TWS request < agent < edge < client.
 */
export const deadlines = {
  /** Answered from memory or by one short message. */
  quick: { twsMs: 5_000, agentMs: 7_000, edgeMs: 9_000, clientMs: 12_000 },
  /** One request to TWS. */
  normal: { twsMs: 15_000, agentMs: 20_000, edgeMs: 25_000, clientMs: 30_000 },
  /** TWS may take its time: history, chains, many contracts. */
  slow: { twsMs: 45_000, agentMs: 55_000, edgeMs: 60_000, clientMs: 70_000 },
  /** Looks on for as long as the call says in `duration_seconds`; these times come on top of that. */
  watch: { twsMs: 15_000, agentMs: 20_000, edgeMs: 25_000, clientMs: 30_000 },
} as const;

export type DeadlineClass = keyof typeof deadlines;

/** What a call of the class `watch` may ask for, in seconds. */
export const maxDurationSeconds = 300;

/** The times of one call. `input` is parsed; a single request to TWS takes no longer for a long look. */
export function deadlineOf(deadline: DeadlineClass, input: Readonly<Record<string, unknown>>) {
  const { twsMs, agentMs, edgeMs, clientMs } = deadlines[deadline];
  const seconds = deadline === "watch" ? Number(input["duration_seconds"] ?? 0) : 0;
  const lookMs = Math.min(Math.max(seconds, 0), maxDurationSeconds) * 1000;
  return { twsMs, agentMs: agentMs + lookMs, edgeMs: edgeMs + lookMs, clientMs: clientMs + lookMs };
}

/** Times of the connections themselves. */
export const linkTimes = {
  /** The agent pings the edge this often; the edge's runtime answers without waking the object. */
  pingEveryMs: 20_000,
  /** The agent gives the link up when a ping is unanswered for this long. */
  pongWithinMs: 10_000,
  /** The edge treats an agent's socket as gone when its last ping is older than this. */
  silentAfterMs: 60_000,
  /** Either end waits this long for hello or welcome. */
  helloWithinMs: 10_000,
  /**
   * How long an agent must have been gone, without having said goodbye, before one with another order journal is let in:
   * longer than it takes the first to notice, and than any order of its can still be written.
   */
  otherJournalAfterMs: 120_000,
} as const;
