import type { Execution } from "../model/ledger.ts";
import type { ExecutionsRequest } from "../wire/requests.ts";
import { parseStamp } from "../time/zone-time.ts";

function sideOf(text: string): Execution["side"] {
  return text.toUpperCase() === "BUY" || text.toUpperCase() === "BOT" ? "BOT" : "SLD";
}

function same(filter: string | null, value: string): boolean {
  return filter === null || filter.toUpperCase() === value.toUpperCase();
}

/** The executions a filter lets through; null when its time is unreadable. */
export function executionsMatching(
  executions: readonly Execution[],
  filter: ExecutionsRequest,
): readonly Execution[] | null {
  return executions.every(({ order }) => sinceOf(filter, order.request.instrument.timeZoneId) !== undefined)
    ? executions.filter((execution) => matches(execution, filter))
    : null;
}

/** Null without a filter, undefined when the client's time makes no sense. */
function sinceOf(filter: ExecutionsRequest, zone: string): number | null | undefined {
  return filter.since === null ? null : (parseStamp(filter.since, zone) ?? undefined);
}

function matches(execution: Execution, filter: ExecutionsRequest): boolean {
  const { request } = execution.order;
  const since = sinceOf(filter, request.instrument.timeZoneId) ?? null;
  return (
    (since === null || execution.at >= since) &&
    (filter.clientId === null || filter.clientId === request.clientId) &&
    (filter.side === null || sideOf(filter.side) === execution.side) &&
    same(filter.account, request.account) &&
    same(filter.symbol, request.instrument.symbol) &&
    same(filter.secType, request.instrument.secType) &&
    same(filter.exchange, execution.exchange)
  );
}
