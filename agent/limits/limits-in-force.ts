import { boundsOf, limitNames, type Limits } from "./limits.ts";

const longest = 200;

/**
 * What holds every order on this host, by the name of the variable that sets it; what is not set is left out. Account
 * ids are not told, since not every client may know of every account.
 */
export function limitsInForce(limits: Limits): Readonly<Record<string, string>> {
  const bounds: Readonly<Record<string, unknown>> = { ...limits, ...boundsOf(limits) };
  const named: readonly (readonly [string, string])[] = [
    ...Object.entries(limitNames),
    ["approval", "APPROVAL"],
    ["approvalAt", "APPROVAL_AT"],
  ];
  return Object.fromEntries(
    named.flatMap(([key, name]) => {
      const value = bounds[key];
      if (value === null || value === undefined) return [];
      if (key === "accounts" && Array.isArray(value)) return [[name, `${value.length} accounts`]];
      if (key === "onlyAccount") return [[name, "one account"]];
      if (typeof value === "number" && key === "approvalWindowMs") return [[name, `${value / 60_000}m`]];
      const text = Array.isArray(value) ? value.join(", ") : JSON.stringify(value).replaceAll('"', "");
      return [[name, text.length > longest ? `${text.slice(0, longest)}…` : text]];
    }),
  );
}

/** One line for the owner: `In force: TRADING=paper, LIMIT_ORDER_VALUE=25000, APPROVAL=live`. */
export function limitsInWords(limits: Limits): string {
  const { accounts } = boundsOf(limits);
  const own = {
    ...limitsInForce(limits),
    ...(accounts !== null && { [limitNames.accounts]: accounts.join(", ") }),
    ...(limits.onlyAccount !== null && { [limitNames.onlyAccount]: limits.onlyAccount }),
  };
  const set = Object.entries(own).map(([name, value]) => `${name}=${value}`);
  return `In force: ${set.join("; ")}.`;
}
