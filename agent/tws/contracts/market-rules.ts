import { EventName } from "@stoqey/ib";
import { TwsError } from "../../../shared/errors.ts";
import type { contractTools } from "../../../shared/tools/contracts.ts";
import type { OutputOf } from "../../../shared/tools/define.ts";
import type { RequestContext, TwsNotice, TwsSession } from "../session/api.ts";
import { twsErrorFor } from "../session/errors.ts";
import { figureOf, positiveOf } from "../session/figures.ts";

type PriceIncrement = OutputOf<(typeof contractTools)["ibkr_get_market_rule"]>["priceIncrements"][number];

const dayMs = 86_400_000;

interface RuleCache {
  readonly known: Map<number, { readonly rule: PriceIncrement[]; readonly until: number }>;
  /** Ends when no rule is being asked for. */
  last: Promise<unknown>;
}

const caches = new WeakMap<TwsSession, RuleCache>();

function ruleCacheOf(session: TwsSession): RuleCache {
  const existing = caches.get(session);
  if (existing !== undefined) return existing;
  const cache: RuleCache = { known: new Map(), last: Promise.resolve() };
  caches.set(session, cache);
  return cache;
}

/** The price steps of a rule, ascending by the price they hold from. Throws no_data for a rule that does not exist. */
export async function marketRule(
  session: TwsSession,
  ruleId: number,
  context: RequestContext,
): Promise<PriceIncrement[]> {
  const cache = ruleCacheOf(session);
  const known = cache.known.get(ruleId);
  if (known !== undefined && known.until > Date.now()) return known.rule;
  // a refusal names no rule and no request, so there is only ever one that it can be about
  const turn = cache.last.then(() => ask(session, ruleId, context));
  cache.last = turn.catch(() => {});
  const rule = await turn;
  cache.known.set(ruleId, { rule, until: Date.now() + dayMs });
  return rule;
}

function ask(session: TwsSession, ruleId: number, context: RequestContext): Promise<PriceIncrement[]> {
  const what = `market rule ${ruleId}`;
  return session.request<PriceIncrement[]>(
    {
      lane: "data",
      what,
      start: (ib) => ib.reqMarketRule(ruleId),
      on: {
        [EventName.marketRule]: (control, id, increments) => {
          if (id === ruleId) control.resolve(increments.map(incrementFrom));
        },
      },
      notice(notice, control) {
        const isRefused = isRefusal(notice);
        if (isRefused) control.reject(noSuchRule(notice, what));
        return isRefused;
      },
    },
    context,
  );
}

const isRefusal = ({ id, code, text }: TwsNotice): boolean =>
  id === -1 && code === 321 && /market rule/i.test(text);

function noSuchRule(notice: TwsNotice, what: string): TwsError {
  return new TwsError("no_data", `TWS knows no ${what}.`, {
    nextStep: "Take an id from marketRuleIds of ibkr_get_contract_details.",
    ...twsErrorFor(notice, what).detail,
  });
}

/** Throws for a step that TWS has not set: without it the rule would tell another price step. */
function incrementFrom(row: {
  readonly lowEdge?: number | undefined;
  readonly increment?: number | undefined;
}): PriceIncrement {
  const [lowEdge, increment] = [figureOf(row.lowEdge), positiveOf(row.increment)];
  if (lowEdge === null || increment === null) throw new Error("TWS has not set a step of a market rule");
  return { lowEdge, increment };
}
