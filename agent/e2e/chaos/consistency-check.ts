import { z } from "zod";
import { trader } from "../../handlers/handlers.fixture.ts";
import { verifyChain } from "../../journal/audit-trail.ts";
import type { Intent, Journal } from "../../journal/journal.ts";
import type { Order } from "../../simulator/model/ledger.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { FaultHost } from "../rigs/restartable-agent.ts";
import { Rows, type WorkloadIntent } from "./workload.ts";

interface Run {
  readonly simulator: Simulator;
  readonly host: FaultHost;
  readonly intents: readonly WorkloadIntent[];
}

const Status = z.object({ status: z.string(), filled: z.number(), orderId: z.int().nullable() });

/** News that comes in reverse ends with the first state of what works. */
const plain = (status: string): string => (status === "PreSubmitted" ? "Submitted" : status);

/** The end of an order's reference tells the leg of a bracket. */
const intentOf = (ref: string): string => ref.replace(/:[PTS]$/, "");

/**
 * Compares what the callers were told, the agent's journal and order book, and TWS's own ledger. Returns all that does
 * not agree, in words, each with the history of its intent.
 */
export async function disagreements({ simulator, host, intents }: Run): Promise<string[]> {
  const { ledger } = simulator.world;
  const orders = [...ledger.openOrders(), ...ledger.completedOrders()];
  const { journal } = host.agent().orders;
  const under = (ref: string) => orders.filter(({ request }) => request.orderRef === ref);
  const wrong: string[] = [];
  const say = (what: string, history: readonly string[]) => wrong.push([what, ...history].join("\n    "));

  for (const intent of intents)
    for (const what of wrongOf(intent, under))
      say(`${intent.tool} ${intent.refs.join(" ")}: ${what}`, intent.history);

  const intentUnder = new Map(intents.flatMap((intent) => intent.refs.map((ref) => [ref, intent] as const)));
  for (const order of orders) {
    const { orderRef } = order.request;
    const history = intentUnder.get(orderRef)?.history ?? [];
    const recorded = journal.intent(intentOf(orderRef));
    if (recorded === null) say(`TWS has an order ${orderRef} that the journal does not know`, history);
    else
      for (const what of againstJournal(order, recorded))
        say(`${orderRef}: ${what}`, [...history, ...stepsOf(journal, recorded)]);
    const fills = ledger.executions().filter((one) => one.order.request.orderRef === orderRef);
    const filled = fills.reduce((sum, { shares }) => sum + shares, 0);
    const shown = await shownOf(host, order, recorded);
    if (shown === null || shown.filled !== filled || plain(shown.status) !== plain(order.status)) {
      say(
        `${orderRef} has filled ${filled} and is ${order.status}; the agent says ${JSON.stringify(shown)}`,
        history,
      );
    }
  }
  const { inFlight, chain } = host.agent().orders.journal.file.read((db) => ({
    inFlight: db.prepare("SELECT intent_id FROM intent WHERE state IN ('sending', 'unknown')").all(),
    chain: verifyChain(db),
  }));
  for (const { intent_id } of inFlight) {
    const recorded = journal.intent(String(intent_id));
    if (recorded !== null)
      say(`${recorded.kind} ${recorded.intentId} is still ${recorded.state}`, stepsOf(journal, recorded));
  }
  if (chain !== null) say(`the audit chain is ${chain.fault} at ${chain.seq}`, []);
  return wrong;
}

function stepsOf(journal: Journal, { intentId }: Intent): string[] {
  return journal.audit
    .after(0, 100_000)
    .filter((entry) => entry.intentId === intentId)
    .map(({ at, step, outcome }) => `${at} ${step} ${outcome}`);
}

/** What TWS has under an intent is what its caller was told. */
function wrongOf(intent: WorkloadIntent, under: (ref: string) => readonly Order[]): string[] {
  const found = intent.refs.map((ref) => under(ref));
  const double = found.filter((some) => some.length > 1);
  if (double.length > 0) return [`${double.length} of its orders are there more than once`];
  const orders = found.map(([order]) => order ?? null);
  const { answer } = intent;
  if (answer === null || (!intent.isKeyed && intent.refs.length === 0)) return [];
  switch (intent.kind) {
    case "place":
      return [...wrongPlace(intent, orders[0] ?? null), ...wrongEnd(intent, orders[0] ?? null)];
    case "bracket":
      return wrongBracket(intent, orders);
    case "basket": {
      const rows = answer.type === "result" ? Rows.parse(answer.output).orders : [];
      return orders.flatMap((order, row) =>
        hasOrder(order) === (rows[row]?.orderId !== undefined)
          ? []
          : [`row ${row}: TWS has ${order?.status ?? "none"}`],
      );
    }
    default:
      return intent.kind satisfies never;
  }
}

/** What TWS has refused is in its list of ended orders too. */
const hasOrder = (order: Order | null): boolean =>
  order !== null && (order.status !== "Inactive" || order.filled > 0);

function wrongPlace({ answer, isKeyed, limits }: WorkloadIntent, order: Order | null): string[] {
  const isPlaced = answer?.type === "result";
  const price = order?.request.limitPrice ?? null;
  return [
    ...((isKeyed || isPlaced) && isPlaced !== hasOrder(order)
      ? [`answered ${isPlaced ? "placed" : "refused"}, and TWS has ${order?.status ?? "none"}`]
      : []),
    ...(order?.request.orderType === "LMT" && price !== null && !limits.includes(price)
      ? [`its limit is ${price}, not ${limits.join(" or ")}`]
      : []),
  ];
}

const wrongEnd = ({ isEnded }: WorkloadIntent, order: Order | null): string[] =>
  isEnded && order?.completedAt === null ? [`was said to have ended, and is ${order.status}`] : [];

function wrongBracket(
  { answer, isCancelled, isKeyed }: WorkloadIntent,
  [entry = null, ...exits]: readonly (Order | null)[],
): string[] {
  const isWorking = (order: Order | null) => order !== null && order.completedAt === null;
  const isKept = exits.every((exit) => isWorking(exit)) || exits.some((exit) => (exit?.filled ?? 0) > 0);
  const isThere = isWorking(entry) || (entry?.filled ?? 0) > 0;
  const isSaid = answer?.type === "error" && /position/.test(answer.error.message);
  return [
    ...(isThere && !isKept && !isSaid && !isCancelled ? ["has an entry without its exits"] : []),
    ...(answer?.type === "error" && isKeyed && isThere && !isSaid
      ? ["was refused, and its entry is there"]
      : []),
    ...(answer?.type === "result" && !isThere && !isCancelled
      ? [`was placed, and its entry is ${entry?.status ?? "not there"}`]
      : []),
  ];
}

/** The journal's last word of an order is TWS's. */
function againstJournal(order: Order, { state, kind, outcome }: Intent): string[] {
  const isOpen = order.completedAt === null;
  // a bracket that failed may leave an exit, which its caller was told by name
  const { orderId } = order.request;
  const isLeftExit = kind === "bracket" && state === "rejected" && order.request.parentId !== 0;
  const isTold = isLeftExit && new RegExp(`has only .*\\b${orderId}\\b`).test(outcome?.message ?? "");
  const fits = isOpen
    ? state === "acked" || isTold
    : state === "done" || state === "acked" || state === "rejected";
  return fits ? [] : [`is ${order.status} at TWS, and ${state} in the journal`];
}

/** What ibkr_get_order_status says of it to the grant that asked for it. */
async function shownOf(host: FaultHost, { request, permId }: Order, recorded: Intent | null) {
  if (recorded === null) return null;
  const ask = host.askAs({ ...trader, grantId: recorded.grantId });
  // a leg of a bracket has no name of its own
  const name = recorded.kind === "bracket" ? { permId } : { intentId: request.orderRef };
  const answer = await ask("ibkr_get_order_status", name);
  return answer.type === "result" ? (Status.safeParse(answer.output).data ?? null) : null;
}
