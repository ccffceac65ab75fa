import type { ProposedOrder } from "./proposed-order.ts";
import { limitNames } from "./limits.ts";
import type { Bounds, Finding } from "./limits.ts";
import { isBond } from "../tws/contracts/bond-facts.ts";

type Contract = ProposedOrder["spec"]["contract"];

/** How orders stand to the limits that need nothing of TWS: what is traded, how, and how many. */
export const ruleFindings = (bounds: Bounds, orders: readonly ProposedOrder[]): Finding[] => [
  ...orders.flatMap((order) => [
    ...secTypeFindings(bounds, order),
    ...symbolFindings(bounds, order),
    ...orderTypeFindings(bounds, order),
  ]),
  ...quantityFindings(bounds, orders),
];

function secTypeFindings({ secTypes }: Bounds, { spec: { contract } }: ProposedOrder): Finding[] {
  if (secTypes === null) return [];
  const asked = contract.secType ?? "";
  // TWS calls a Treasury bill BILL, and treats it as a bond
  const ok = secTypes.includes(asked) || (isBond(asked) && secTypes.includes("BOND"));
  const limit = secTypes.join(", ");
  const sentence = `This TWS host trades ${limit}, and ${nameOf(contract)} is ${asked === "" ? "of no known type" : asked}.`;
  return [{ name: limitNames.secTypes, limit, asked, ok, sentence }];
}

function symbolFindings(
  { symbols, symbolsDenied }: Bounds,
  { spec: { contract } }: ProposedOrder,
): Finding[] {
  const asked = nameOf(contract);
  const findings: Finding[] = [];
  if (symbols !== null) {
    const sentence = `${asked} is not among the symbols that this TWS host trades.`;
    const ok = isNamed(contract, symbols);
    findings.push({ name: limitNames.symbols, limit: symbols.join(", "), asked, ok, sentence });
  }
  if (symbolsDenied !== null) {
    const sentence = `${asked} is among the symbols that this TWS host does not trade.`;
    // what has no name might be any of them
    const ok = contract.symbol !== undefined && !isNamed(contract, symbolsDenied);
    findings.push({ name: limitNames.symbolsDenied, limit: symbolsDenied.join(", "), asked, ok, sentence });
  }
  return findings;
}

/** "BRK B", "BRK.B" and "brk b" are one. */
const plain = (name: string): string => name.toUpperCase().replaceAll(/[\s./-]/g, "");

function isNamed({ symbol, localSymbol, secType, currency }: Contract, names: readonly string[]): boolean {
  const own = [symbol, localSymbol, secType === "CASH" ? `${symbol}.${currency}` : null];
  const known = new Set(own.flatMap((name) => (name == null || name === "" ? [] : [plain(name)])));
  return names.some((name) => known.has(plain(name)));
}

export const nameOf = ({ symbol, currency, secType, conId }: Contract): string =>
  symbol === undefined ? `conId ${conId}` : secType === "CASH" ? `${symbol}.${currency}` : symbol;

function orderTypeFindings({ orderTypes }: Bounds, { spec }: ProposedOrder): Finding[] {
  if (orderTypes === null) return [];
  const { orderType: asked } = spec;
  const limit = orderTypes.join(", ");
  const sentence = `This TWS host takes orders of type ${limit}, and this one is ${asked}.`;
  return [{ name: limitNames.orderTypes, limit, asked, ok: orderTypes.includes(asked), sentence }];
}

function quantityFindings({ orderQuantity }: Bounds, orders: readonly ProposedOrder[]): Finding[] {
  if (orderQuantity === null) return [];
  /** Orders of one call for the same thing count together, or several would do what one may not. */
  const sums = new Map<string, { readonly contract: Contract; readonly quantity: number }>();
  for (const { spec, isExit } of orders) {
    const { contract, action, quantity } = spec;
    const key = `${contract.conId} ${action} ${isExit}`;
    // the exits of a bracket exclude each other
    const before = sums.get(key)?.quantity ?? 0;
    sums.set(key, { contract, quantity: isExit ? Math.max(before, quantity) : before + quantity });
  }
  return [...sums.values()].map(({ contract, quantity }) => ({
    name: limitNames.orderQuantity,
    limit: String(orderQuantity),
    asked: String(quantity),
    // sums such as 0.1 + 0.2 may be off in the last digit
    ok: quantity <= orderQuantity * (1 + 1e-12),
    sentence: `An order may have a quantity of ${orderQuantity}, and this one of ${nameOf(contract)} has ${quantity}.`,
  }));
}
