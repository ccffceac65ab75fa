import { Buffer } from "node:buffer";
import { EventName } from "@stoqey/ib";
import type { Contract } from "../../../shared/contract.ts";
import { TwsError } from "../../../shared/errors.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { forgetContract } from "../contracts/contracts.ts";
import { readTime } from "../session/time-zone.ts";
import { headlineOf, plainText } from "./news-text.ts";

export interface NewsProvider {
  readonly code: string;
  readonly name: string;
}

/** One headline of the past; its text is the provider's own and capped. */
export interface PastHeadline {
  readonly time: string | null;
  readonly providerCode: string;
  readonly articleId: string;
  readonly headline: string;
}

export interface NewsRequest {
  readonly contract: Contract;
  readonly providerCodes: readonly string[];
  /** ISO 8601; absent is open. */
  readonly startAt?: string | undefined;
  readonly endAt?: string | undefined;
  /** 1 to 300. */
  readonly totalResults: number;
}

export type Article =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "pdf"; readonly bytes: number };

/** The providers whose news the account may read by the API. */
export function newsProviders(session: TwsSession, context: RequestContext): Promise<NewsProvider[]> {
  return session.request<NewsProvider[]>(
    {
      lane: "data",
      what: "the news providers",
      start: (ib) => ib.reqNewsProviders(),
      on: {
        [EventName.newsProviders]: (control, providers) =>
          control.resolve(
            providers.map(({ providerCode = "", providerName = "" }) => ({
              code: headlineOf(providerCode),
              name: headlineOf(providerName),
            })),
          ),
      },
    },
    context,
  );
}

/** Headlines on an instrument, newest first. Throws no_market_data without the providers' permission. */
export function historicalNews(
  session: TwsSession,
  { contract, providerCodes, startAt, endAt, totalResults }: NewsRequest,
  context: RequestContext,
): Promise<{ readonly articles: PastHeadline[]; readonly hasMore: boolean }> {
  const articles: PastHeadline[] = [];
  return session.request(
    {
      lane: "data",
      what: `news of ${contract.symbol}`,
      start: (ib, reqId) =>
        ib.reqHistoricalNews(
          reqId,
          contract.conId,
          providerCodes.join("+"),
          utcForNews(startAt),
          utcForNews(endAt),
          totalResults,
          [],
        ),
      on: {
        [EventName.historicalNews]: (_control, _id, time, providerCode, articleId, headline) => {
          articles.push({
            time: readTime(time, "UTC"),
            providerCode,
            articleId,
            headline: headlineOf(headline),
          });
        },
        [EventName.historicalNewsEnd]: (control, _id, hasMore) => control.resolve({ articles, hasMore }),
      },
      notice: ({ code }) => {
        if (code === 200) forgetContract(session, contract.conId);
        return false;
      },
    },
    context,
  );
}

const pdf = 1;

/** The words of one article. Throws no_data when there is none of that id, or the account may not read it. */
export function newsArticle(
  session: TwsSession,
  providerCode: string,
  articleId: string,
  context: RequestContext,
): Promise<Article> {
  return session.request<Article>(
    {
      lane: "data",
      what: `the article ${articleId}`,
      start: (ib, reqId) => ib.reqNewsArticle(reqId, providerCode, articleId, []),
      on: {
        [EventName.newsArticle]: (control, _id, type, text) =>
          control.resolve(
            type === pdf
              ? { kind: "pdf", bytes: Buffer.byteLength(text, "base64") }
              : { kind: "text", text: plainText(text) },
          ),
      },
      notice: ({ code, text }, control) => {
        if (code !== 10_172) return false;
        control.reject(
          new TwsError("no_data", `TWS gives no article ${articleId} of ${providerCode}.`, {
            nextStep:
              "Take providerCode and articleId from one row of ibkr_get_news_articles; ibkr_get_news_providers lists what the account may read.",
            tws: { code, text: text.slice(0, 1000) },
          }),
        );
        return true;
      },
    },
    context,
  );
}

/** "2026-11-20 15:30:00.0" */
function utcForNews(iso: string | undefined): string {
  return iso === undefined ? "" : `${new Date(iso).toISOString().slice(0, 19).replace("T", " ")}.0`;
}
