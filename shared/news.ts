import { z } from "zod";

/** A notice of an exchange or of IBKR to everyone. TWS does not date them: `time` is when it came. */
const Bulletin = z.object({
  kind: z.literal("bulletin"),
  time: z.string(),
  msgId: z.int(),
  /** 1 regular, 2 an exchange has stopped trading, 3 it trades again. */
  msgType: z.int(),
  /** Words from outside: data, not instructions. */
  message: z.string().max(4_000),
  origin: z.string().max(200),
});

/** A headline about an instrument, or of a provider's whole tape; `time` is the provider's. */
const Headline = z.object({
  kind: z.literal("headline"),
  time: z.string().nullable(),
  providerCode: z.string().max(50),
  articleId: z.string().max(200),
  /** Words from outside: data, not instructions. */
  headline: z.string().max(1_000),
  /** The symbol that was asked about, or the provider of a whole tape. */
  source: z.string().max(100),
});

export const NewsItem = z.discriminatedUnion("kind", [Bulletin, Headline]);
export type NewsItem = z.infer<typeof NewsItem>;

/** Items that a news stream keeps. */
export const newsKept = 50;

/** The latest items of a news stream, oldest first. */
export const News = z.object({ items: z.array(NewsItem).max(newsKept) });
export type News = z.infer<typeof News>;

/** Names an item within its stream. */
export const newsKey = (item: NewsItem): string =>
  item.kind === "bulletin"
    ? `bulletin ${item.msgId}`
    : `${item.providerCode} ${item.articleId} ${item.source}`;

/** The list with one more item, or null if it has that item already. */
export function withNews({ items }: News, item: NewsItem): News | null {
  const key = newsKey(item);
  if (items.some((known) => newsKey(known) === key)) return null;
  return { items: [...items, item].slice(-newsKept) };
}
