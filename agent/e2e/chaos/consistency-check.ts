import { z } from "zod";
import type { AuditEntry } from "../../../shared/audit.ts";
import { trader } from "../../handlers/handlers.fixture.ts";
import { verifyChain } from "../../journal/audit-trail.ts";
import { isLost } from "../../journal/intent-states.ts";
import type { Intent, Journal } from "../../journal/journal.ts";
import type { Order } from "../../simulator/model/ledger.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { FaultHost } from "../rigs/restartable-agent.ts";
import { isPassing } from "./crash-operations.ts";
import type { FaultTrace } from "./fault-injection.ts";
import { isSettled, Rows, type WorkloadIntent } from "./workload.ts";

export interface Books {
  readonly simulator: Simulator;
  readonly hosts: readonly FaultHost[];
  readonly intents: readonly WorkloadIntent[];
  readonly trace: FaultTrace;
}

const Status = z.object({ status: z.string(), filled: z.number(), orderId: z.int().nullable() });
const Working = z.object({ orders: z.array(z.object({ permId: z.int(), status: z.string() })) });

/** News that comes in reverse ends with the first state of what works. */
const plain = (status: string): string => (status === "PreSubmitted" ? "Submitted" : status);

/** The end of an order's reference tells the leg of a bracket. */
export const intentOf = (ref: string): string => ref.replace(/:[PTS]$/, "");

/**
 * Compares what the callers were told, the agents' journals, trails and tools, and TWS's own ledger. Returns all that does
 * not agree, in words, each with the history of its intent.
 */
export async function disagreements(books: Books): Promise<string[]> {
  const { simulator, hosts, intents, trace } = books;
  const { orders } = simulator.world.ledger.history();
  const wrong: string[] = [];
  const say = (what: string, history: readonly string[]) => wrong.push([what, ...history].join("\n    "));

  const byRef = Map.groupBy(orders, ({ request }) => request.orderRef);
  const isHeld = (order: Order) => trace.refusedLate.has(order.permId);
  const under = (ref: string) =>
    (byRef.get(ref) ?? []).map((order) => ({ order, wasTaken: isHeld(order) || hasOrder(order) }));
  for (const intent of intents)
    for (const what of wrongOf(intent, under))
      say(`${intent.tool} ${intent.refs.join(" ")}: ${what}`, [
        ...intent.history,
        ...intent.refs.flatMap((ref) =>
          (byRef.get(ref) ?? []).flatMap((order) => messagesOf(simulator, order)),
        ),
      ]);

  const byId = Map.groupBy(
    orders,
    ({ request: { clientId, orderId } }) => `${orderId} of client ${clientId}`,
  );
  for (const [id, some] of byId)
    if (some.length > 1 && !id.startsWith("0 "))
      say(`TWS has had ${some.map(({ request }) => request.orderRef).join(" and ")} under the id ${id}`, []);

  const intentUnder = new Map(intents.flatMap((intent) => intent.refs.map((ref) => [ref, intent] as const)));
  const trails = hosts.map((host) => Map.groupBy(trailOf(host), ({ intentId }) => intentId));
  for (const order of orders.filter(({ request }) => request.orderRef !== "")) {
    const { orderRef } = order.request;
    const history = intentUnder.get(orderRef)?.history ?? [];
    const at = hosts.findIndex((one) => journalOf(one).intent(intentOf(orderRef)) !== null);
    const host = hosts[at];
    const recorded = host === undefined ? null : journalOf(host).intent(intentOf(orderRef));
    if (host === undefined || recorded === null) {
      say(`TWS has an order ${orderRef} that no journal knows`, history);
      continue;
    }
    const trail = trails[at]?.get(recorded.intentId) ?? [];
    const found = [
      ...againstJournal(order, recorded, trace),
      ...againstTrail(trail),
      ...againstTool(order, await shownOf(host, order, recorded), trace),
    ];
    for (const what of found)
      say(`${orderRef}: ${what}`, [...history, ...linesOf(trail), ...messagesOf(simulator, order)]);
  }
  for (const host of hosts) for (const what of await wrongAgent(books, host)) say(what, []);
  return wrong;
}

const placeOrder = 3;
const cancelOrder = 4;

/** What TWS has had about an order. */
function messagesOf(simulator: Simulator, { request: { clientId, orderId } }: Order): string[] {
  return simulator
    .received()
    .filter((one) => one.clientId === clientId && (one.id === placeOrder || one.id === cancelOrder))
    .filter(({ fields }) => Number(fields[1]) === orderId)
    .map(
      ({ at, id }) =>
        `${new Date(at).toISOString()} ${id === placeOrder ? "placeOrder" : "cancelOrder"} ${orderId} of client ${clientId}`,
    );
}

const journalOf = (host: FaultHost): Journal => host.agent().orders.journal;
const trailOf = (host: FaultHost): readonly AuditEntry[] => journalOf(host).audit.after(0, 1_000_000);
const linesOf = (trail: readonly AuditEntry[]): string[] =>
  trail.map(({ at, step, outcome }) => `${at} ${step} ${outcome}`);

/** What is left open in an agent's journal, a trail that does not hold, and a list of working orders that is not TWS's. */
async function wrongAgent(books: Books, host: FaultHost): Promise<string[]> {
  const { simulator } = books;
  const journal = journalOf(host);
  const chain = journal.file.read(verifyChain);
  const working = new Map(simulator.world.ledger.openOrders().map((order) => [order.permId, order.status]));
  const answer = await host.askAs(trader)("ibkr_get_open_orders", {});
  const shown = answer.type === "result" ? Working.safeParse(answer.output).data : undefined;
  return [
    ...journal
      .unfinished()
      .filter((intent) => isLost(intent.state) && !mayStayOpen(books, intent))
      .map(({ kind, intentId, state }) => `${kind} ${intentId} is still ${state}`),
    ...(chain === null ? [] : [`the audit chain is ${chain.fault} at ${chain.seq}`]),
    ...(shown === undefined ? [`open orders are answered with ${JSON.stringify(answer).slice(0, 300)}`] : []),
    ...(shown?.orders ?? [])
      .filter(({ permId, status }) => plain(working.get(permId) ?? "none") !== plain(status))
      .map(({ permId, status }) => `order ${permId} is listed as ${status}, at TWS ${working.get(permId)}`),
  ];
}

/** What was sent before the lists of the day began is unknown for good, if nothing shows it; in Unix milliseconds. */
const isBeforeLists = (sentAt: number, { dayBeganAt }: FaultTrace): boolean => sentAt <= dayBeganAt;

/**
 * Nobody can say what became of it: it was sent before the lists of the day began, or its entry cannot be cancelled, since
 * another client's order works under its id.
 */
export function mayStayOpen({ simulator, trace }: Books, { createdAt, legs }: Intent): boolean {
  const isShared = ({ request: { orderId, clientId } }: Order) =>
    legs.some((leg) => leg.orderId === orderId && leg.clientId !== clientId);
  return isBeforeLists(createdAt, trace) || simulator.world.ledger.openOrders().some(isShared);
}

interface Taken {
  readonly order: Order;
  /** TWS had it, for a time at least. */
  readonly wasTaken: boolean;
}

/** What TWS has under an intent is what its caller was told. */
function wrongOf(intent: WorkloadIntent, under: (ref: string) => readonly Taken[]): string[] {
  const found = intent.refs.map(under);
  const double = found.filter((some) => some.length > 1);
  if (double.length > 0) return [`${double.length} of its orders are there more than once`];
  const orders = found.map(([order]) => order ?? null);
  const { answer } = intent;
  if (answer === null || (!intent.isKeyed && intent.refs.length === 0)) return [];
  switch (intent.kind) {
    case "place":
      return [...wrongPlace(intent, orders[0] ?? null), ...wrongEnd(intent, orders[0]?.order ?? null)];
    case "bracket":
      return wrongBracket(
        intent,
        orders.map((one) => one?.order ?? null),
      );
    case "basket": {
      const rows = answer.type === "result" ? Rows.parse(answer.output).orders : [];
      return rows.flatMap(({ orderId, error }, row) => {
        const taken = orders[row] ?? null;
        const isOpen = error !== undefined && isPassing(error.code);
        return isOpen || (taken?.wasTaken ?? false) === (orderId !== undefined)
          ? []
          : [`row ${row}: TWS has ${taken?.order.status ?? "none"}`];
      });
    }
    default:
      return intent.kind satisfies never;
  }
}

/** What TWS has refused is in its list of ended orders too. */
const hasOrder = (order: Order): boolean => order.status !== "Inactive" || order.filled > 0;

/** What a caller was told, in the three ways that matter to whoever acts on it. */
function toldOf(intent: WorkloadIntent): "placed" | "not placed" | "open" {
  if (!isSettled(intent)) return "open";
  return intent.answer?.type === "result" ? "placed" : "not placed";
}

function wrongPlace(intent: WorkloadIntent, taken: Taken | null): string[] {
  const told = toldOf(intent);
  const order = taken?.order ?? null;
  const price = order?.request.limitPrice ?? null;
  const isTaken = taken?.wasTaken ?? false;
  // what has no key of its own is not asked for again, so that a refusal of one call says nothing of another's order
  const isThere = order !== null && hasOrder(order);
  const isFalse = told === "placed" ? !isTaken : told === "not placed" && intent.isKeyed && isThere;
  return [
    ...(isFalse ? [`was told as ${told}, and TWS has ${order?.status ?? "none"}`] : []),
    ...(order?.request.orderType === "LMT" &&
    price !== null &&
    ![...intent.limits, ...intent.heldLimits].includes(price)
      ? [`its limit is ${price}, not ${intent.limits.join(" or ")}`]
      : []),
  ];
}

const wrongEnd = ({ isEnded }: WorkloadIntent, order: Order | null): string[] =>
  isEnded && order?.completedAt === null ? [`was said to have ended, and is ${order.status}`] : [];

function wrongBracket(intent: WorkloadIntent, [entry = null, ...exits]: readonly (Order | null)[]): string[] {
  const { answer, isCancelled, isKeyed } = intent;
  const told = toldOf(intent);
  const isWorking = (order: Order | null) => order !== null && order.completedAt === null;
  const isKept = exits.every((exit) => isWorking(exit)) || exits.some((exit) => (exit?.filled ?? 0) > 0);
  const isThere = isWorking(entry) || (entry?.filled ?? 0) > 0;
  const isSaid = answer?.type === "error" && /position/.test(answer.error.message);
  return [
    ...(told !== "open" && isThere && !isKept && !isSaid && !isCancelled
      ? [
          `has an entry without its exits: ${[entry, ...exits].map((order) => order?.completedStatus || order?.status || "none").join(", ")}`,
        ]
      : []),
    ...(told === "not placed" && isKeyed && isThere && !isSaid
      ? ["was told as not placed, and its entry is there"]
      : []),
    ...(told === "placed" && !isThere && !isCancelled && !isSaidToHaveEnded(answer)
      ? [`was told as placed, and its entry is ${entry?.status ?? "not there"}`]
      : []),
  ];
}

/** The answer itself says that its entry has ended without a fill. */
const isSaidToHaveEnded = (answer: WorkloadIntent["answer"]): boolean =>
  answer?.type === "result" && answer.output["status"] === "Cancelled" && answer.output["filled"] === 0;

/** The journal's last word of an order is TWS's. */
function againstJournal(
  order: Order,
  { state, kind, outcome, createdAt }: Intent,
  trace: FaultTrace,
): string[] {
  if (isLost(state) && isBeforeLists(createdAt, trace)) return [];
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

/** An order is at TWS only behind the one step that says so; one that is taken back at once was never sent. */
function againstTrail(trail: readonly AuditEntry[]): string[] {
  const sent = trail.filter(({ step }, at) => step === "sending" && trail[at + 1]?.step !== "refused").length;
  return sent === 1 ? [] : [`is at TWS, and was sent ${sent} times by the trail`];
}

type Told = z.infer<typeof Status>;

function againstTool(order: Order, told: Told, trace: FaultTrace): string[] {
  // how an order of an earlier day has ended no list shows any more
  const isUnlisted = order.completedAt !== null && isBeforeLists(order.completedAt, trace);
  if (isUnlisted && told.status === "Unknown") return [];
  // what is left of a bracket that was not placed is told as not working, whoever has ended it
  const isOver = order.status === "Cancelled" && told.status === "Inactive";
  const isSame = told.filled === order.filled && (isOver || plain(told.status) === plain(order.status));
  return isSame
    ? []
    : [`has filled ${order.filled} and is ${order.status}; the agent says ${JSON.stringify(told)}`];
}

/** What ibkr_get_order_status says of it to the grant that asked for it. */
async function shownOf(host: FaultHost, { request }: Order, recorded: Intent): Promise<Told> {
  const ask = host.askAs({ ...trader, grantId: recorded.grantId });
  // a leg of a bracket has no name of its own
  const name = recorded.kind === "bracket" ? { orderId: request.orderId } : { intentId: request.orderRef };
  for (let tries = 50; ; tries -= 1) {
    const answer = await ask("ibkr_get_order_status", name);
    if (answer.type === "result") return Status.parse(answer.output);
    // a machine that is short of time may have no answer of TWS yet
    const isOpen = tries > 0 && answer.type === "error" && isPassing(answer.error.code);
    if (!isOpen) return { status: JSON.stringify(answer).slice(0, 300), filled: 0, orderId: null };
  }
}
