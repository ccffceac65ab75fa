import { ContractSelector } from "../../shared/contract.ts";
import { TwsError } from "../../shared/errors.ts";
import type { newsTools } from "../../shared/tools/news.ts";
import type { RequestContext } from "../tws/session/api.ts";
import { resolveContract } from "../tws/contracts/contracts.ts";
import { historicalNews, newsArticle, newsProviders } from "../tws/news/news.ts";
import { requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";
import { readInstant } from "./input-times.ts";

/** As JSON: quotes and line breaks count twice. */
const articleCharacters = 17_000;

interface Search extends ContractSelector {
  readonly providerCodes: string;
  readonly startDateTime?: string | undefined;
  readonly endDateTime?: string | undefined;
  readonly totalResults: number;
}

export function createNewsHandlers({ session, now }: Pick<HandlerDeps, "session" | "now">) {
  async function headlines(input: Search, context: RequestContext) {
    const { startDateTime, endDateTime, totalResults } = input;
    const providerCodes = codesOf(input.providerCodes);
    const startAt = readInstant("startDateTime", startDateTime);
    const endAt = readInstant("endDateTime", endDateTime);
    if (startAt !== undefined && endAt !== undefined && startAt >= endAt)
      throw new TwsError("invalid_input", "startDateTime: it must be before endDateTime.");
    const contract = await resolveContract(session, ContractSelector.parse(input), context);
    const request = { contract, providerCodes, startAt, endAt, totalResults };
    const { articles, hasMore } = await historicalNews(session, request, context);
    const asOf = new Date(now()).toISOString();
    return { articles, count: articles.length, contract, hasMore, asOf };
  }

  return {
    async ibkr_get_news_providers(_input, context) {
      const providers = await newsProviders(session, requestOf(context));
      return { providers, count: providers.length };
    },
    ibkr_get_news_articles: (input, context) => headlines(input, requestOf(context)),
    ibkr_get_historical_news: (input, context) => headlines(input, requestOf(context)),
    async ibkr_get_news_article({ providerCode, articleId, offset }, context) {
      const article = await newsArticle(session, providerCode, articleId, requestOf(context));
      const shown = { source: "news" as const, providerCode, articleId };
      if (article.kind === "pdf")
        return {
          ...shown,
          articleText: null,
          format: "pdf" as const,
          pdfBytes: article.bytes,
          totalCharacters: 0,
          truncated: false,
          nextOffset: null,
        };
      const { text } = article;
      if (offset > text.length)
        throw new TwsError("invalid_input", `offset: the article has ${text.length} characters.`);
      const articleText = partOf(text, offset);
      const end = offset + articleText.length;
      return {
        ...shown,
        articleText,
        format: "text" as const,
        pdfBytes: null,
        totalCharacters: text.length,
        truncated: end < text.length,
        nextOffset: end < text.length ? end : null,
      };
    },
  } satisfies HandlersFor<typeof newsTools>;
}

function codesOf(text: string): string[] {
  const codes = text.split(/[+,\s]+/).filter((code) => code !== "");
  const wrong = codes.find((code) => !/^[A-Za-z0-9_.-]{1,20}$/.test(code));
  if (wrong !== undefined || codes.length === 0)
    throw new TwsError("invalid_input", "providerCodes: name codes such as BRFG+DJNL.", {
      nextStep: "Call ibkr_get_news_providers for the codes.",
    });
  return [...new Set(codes.map((code) => code.toUpperCase()))];
}

/** As much of the text as may go out at once, but never half a character. */
function partOf(text: string, offset: number): string {
  let part = text.slice(offset, offset + articleCharacters);
  for (let size = jsonSize(part); size > articleCharacters; size = jsonSize(part))
    part = part.slice(0, Math.floor((part.length * articleCharacters) / size));
  const last = part.charCodeAt(part.length - 1);
  const isCut = last >= 0xd8_00 && last <= 0xdb_ff && part.length > 1;
  return isCut ? part.slice(0, -1) : part;
}

const jsonSize = (text: string): number => JSON.stringify(text).length;
