import { z } from "zod";
import type { Caller } from "../../../shared/caller.ts";
import type { AgentFrame } from "../../../shared/protocol.ts";
import type { ToolName } from "../../../shared/tools/index.ts";
import { trader } from "../../handlers/handlers.fixture.ts";
import { nameOf } from "../../orders/intent-id.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { isPassing } from "./crash-operations.ts";

/** One thing that a caller wants once, and all that was heard of it. */
export interface WorkloadIntent {
  readonly kind: "place" | "bracket" | "basket";
  readonly tool: ToolName;
  readonly input: Readonly<Record<string, unknown>>;
  readonly caller: Caller;
  /** Unix milliseconds. */
  readonly firstAskedAt: number;
  /** Which of the agents it is asked of. */
  readonly agent: number;
  /** The references of its orders at TWS, or of those of its legs; none while its key is not known. */
  refs: readonly string[];
  /** It may be asked for again: it has a key of its own. */
  readonly isKeyed: boolean;
  answer: AgentFrame | null;
  /** What a change may have left its limit price at. */
  limits: readonly number[];
  /** Limits of changes that a dialog may have held when they were answered, so that they may come at any time. */
  heldLimits: readonly number[];
  /** TWS has confirmed that it is cancelled, or that it had ended. */
  isEnded: boolean;
  /** Somebody has tried to. */
  isCancelled: boolean;
  readonly history: string[];
}

/** The accounts of the login, among which the callers choose. */
export const accounts = ["DU1234567", "DU7654321"] as const;

const grants: readonly Caller[] = ["grant-1", "grant-2", "grant-3"].map((grantId) => ({
  ...trader,
  grantId,
}));
const stocks = [265_598, 272_093] as const;

const Named = z.object({ idempotencyKey: z.string() });

/** A new intent of any kind, for one of so many agents. */
export function newIntent(random: SeededRandom, number: number, agents: number): WorkloadIntent {
  const caller = random.oneOf(grants) ?? trader;
  const isKeyed = random.happens(0.85);
  const key = `intent-${number}`;
  const common = {
    caller,
    agent: random.integer(agents),
    firstAskedAt: Date.now(),
    isKeyed,
    answer: null,
    limits: [1],
    heldLimits: [],
    isEnded: false,
    isCancelled: false,
    history: [],
  };
  const conId = random.oneOf(stocks) ?? stocks[0];
  const quantity = 1 + random.integer(3);
  const account = random.oneOf(accounts) ?? accounts[0];
  const keyed = isKeyed ? { idempotencyKey: key } : {};
  const { intentId } = nameOf(caller.grantId, key);
  const rest = { account, conId, action: "BUY", quantity, orderType: "LMT", limitPrice: 1 };
  const market = { account, conId, action: random.oneOf(["BUY", "SELL"]), quantity, orderType: "MKT" };
  const kind = random.integer(10);
  if (kind < 6) {
    const input = { ...(kind < 3 ? rest : market), ...keyed };
    const refs = isKeyed ? [intentId] : [];
    return { ...common, kind: "place", tool: "ibkr_place_order", input, refs };
  }
  if (kind < 8) {
    const entryPrice = random.happens(0.5) ? 10 : 5_000;
    const prices = { entryPrice, takeProfitPrice: 9_000, stopLossPrice: 5 };
    const input = { account, conId, action: "BUY", quantity, ...prices, ...keyed };
    const refs = isKeyed ? ["P", "T", "S"].map((leg) => `${intentId}:${leg}`) : [];
    return { ...common, kind: "bracket", tool: "ibkr_place_bracket_order", input, refs };
  }
  const orders = [rest, market].slice(0, 1 + random.integer(2));
  const input = { orders, oneCancelsOther: false, idempotencyKey: key };
  const refs = orders.map((_, row) => nameOf(caller.grantId, key, row).intentId);
  return { ...common, kind: "basket", tool: "ibkr_place_orders", input, refs, isKeyed: true };
}

/**
 * Takes in what a call for it was answered. An answer that is for good stays. Returns what is wrong with another one
 * behind it, in words; null for nothing.
 */
export function hear(intent: WorkloadIntent, answer: AgentFrame, at: number): string | null {
  const before = isSettled(intent) && !isRevisable(intent) ? intent.answer : null;
  intent.history.push(`${Math.round(at)} ms: ${JSON.stringify(answer).slice(0, 400)}`);
  if (before === null) intent.answer = answer;
  const named = Named.safeParse(
    answer.type === "result" ? answer.output : answer.type === "error" ? answer.error.intent : null,
  ).data;
  const isOther = before !== null && before.type !== answer.type && isSettled({ ...intent, answer });
  const wrong = isOther ? "was answered for good in two ways" : null;
  // that names the other one
  const isDuplicate = answer.type === "error" && answer.error.code === "duplicate_order";
  if (intent.refs.length > 0 || named === undefined || isDuplicate) return wrong;
  const { intentId } = nameOf(intent.caller.grantId, named.idempotencyKey);
  intent.refs = intent.kind === "bracket" ? ["P", "T", "S"].map((leg) => `${intentId}:${leg}`) : [intentId];
  return wrong;
}

/** A code that nobody knows refuses only by TWS's lists, and what these show later takes that back. */
export const isRevisable = ({ answer }: Pick<WorkloadIntent, "answer">): boolean =>
  answer?.type === "error" && answer.error.message.includes("which is not known here");

const Basket = z.object({ unknown: z.int() });
export const Rows = z.object({
  orders: z.array(
    z.object({ orderId: z.int().optional(), error: z.object({ code: z.string() }).optional() }),
  ),
});

/** Whether it is known for good what became of it. */
export function isSettled({ answer, kind }: Pick<WorkloadIntent, "answer" | "kind">): boolean {
  if (answer === null) return false;
  if (answer.type !== "result") return answer.type === "error" && !isPassing(answer.error.code);
  if (kind !== "basket") return true;
  const rows = Rows.parse(answer.output).orders;
  return (
    Basket.parse(answer.output).unknown === 0 &&
    rows.every(({ error }) => error === undefined || !isPassing(error.code))
  );
}
