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
} as const;

export type DeadlineClass = keyof typeof deadlines;

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
} as const;
