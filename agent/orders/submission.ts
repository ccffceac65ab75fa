import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import { isFinal } from "../../shared/order.ts";
import { modeOf } from "../../shared/status.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { Reserved, SendSteps } from "../tws/orders/order-context.ts";
import { type Approvals, useApproval } from "../journal/approvals.ts";
import { digestOfOrders, digestOfSpecs, otherOrder } from "./intent-id.ts";
import { isUnsent } from "../journal/intent-states.ts";
import { type Intent, type Journal, type NewIntent, freezeOf } from "../journal/journal.ts";
import { usageOf } from "../journal/usage.ts";
import { frozen } from "../journal/kill-switch.ts";
import type { Assessment, LimitGuard, ProposedOrder } from "../limits/proposed-order.ts";
import type { Reconciler } from "./reconciler.ts";
import { wordsOf } from "./order-text.ts";
import type { Log } from "../process/log.ts";

/** A wish to trade: the same name always means the same thing, however often it arrives. */
export interface Wish extends Pick<
  NewIntent,
  "intentId" | "idempotencyKey" | "tool" | "kind" | "digest" | "account"
> {
  /** The key is the caller's own, who may repeat it after everything here is lost. */
  readonly isOwnKey: boolean;
  /** Whether the same thing once more within moments is asked about first. */
  readonly checksTwin: boolean;
}

/** How one kind of wish is carried out. */
export interface Work {
  /** What TWS shows of it from before this journal began; null for nothing. Asked only for a caller's own key. */
  readonly earlier: () => Promise<readonly Order[] | null>;
  /** The exact orders. Throws what refuses them. */
  readonly prepare: () => Promise<readonly ProposedOrder[]>;
  /** Sends them, each once. */
  readonly send: (proposed: readonly ProposedOrder[], steps: SendSteps) => Promise<readonly Order[]>;
}

/** That orders may be sent, as far as that is known before they are. */
export interface Permit {
  readonly assessment: Assessment;
  /** What the owner has approved, to be used up with the sending; null where nothing needed it. */
  readonly approval: { readonly approvalId: string; readonly digest: string } | null;
}

interface PipelineDeps {
  readonly journal: Journal;
  readonly guard: LimitGuard;
  readonly approvals: Approvals;
  readonly reconciler: Reconciler;
  readonly clientId: number;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/** So soon after the first, the same order again is asked about instead of doubled. */
const twinMs = 10_000;

/** TWS has answered what was sent to it, and it came to nothing. */
const isAnswer = ({ code }: TwsError): boolean =>
  code === "order_rejected" || code === "order_not_changeable" || code === "order_not_found";

/**
 * The only way to TWS for whatever changes an order: intent, limits, approval, journal, send, acknowledge. What a crash
 * leaves open is the reconciler's.
 */
export function createPipeline({ journal, guard, approvals, reconciler, clientId, now, log }: PipelineDeps) {
  /** Wishes that this process is carrying out. */
  const running = new Map<string, { readonly digest: string; readonly outcome: Promise<readonly Order[]> }>();

  /** Throws while no order may be sent, before anything is asked of TWS for it. */
  function requireOpen(): void {
    const freeze = journal.file.read(freezeOf);
    if (freeze !== null) throw frozen(freeze);
  }

  /** Holds orders to the owner's limits, and to the owner's approval where they need it. */
  async function admit(
    wish: Pick<Wish, "intentId" | "tool">,
    proposed: readonly ProposedOrder[],
    context: CallContext,
  ): Promise<Permit> {
    const assessment = await guard.assess(proposed, requestOf(context));
    const reason = guard.approvalReason(assessment);
    if (reason === null) return { assessment, approval: null };
    const { caller } = context;
    const { account } = assessment;
    const digest = digestOfOrders(proposed);
    const petition = {
      intentId: wish.intentId,
      tool: wish.tool,
      digest,
      account,
      mode: modeOf(account),
      orders: proposed.map((one) => wordsOf(one)),
      value: assessment.valueText,
      reason,
      client: caller.client,
      grantId: caller.grantId,
    };
    const approvalId = await approvals.approved(petition, context);
    return { assessment, approval: { approvalId, digest } };
  }

  /**
   * Carries a wish out, once. Repeated, it answers with what became of it the first time. Throws what refused it;
   * outcome_unknown when nobody can say.
   */
  async function carryOut(
    wish: Wish,
    work: Work,
    context: CallContext,
    given?: Permit,
  ): Promise<readonly Order[]> {
    const { intentId, digest } = wish;
    const current = running.get(intentId);
    if (current !== undefined) {
      if (current.digest !== digest) throw otherOrder();
      return await current.outcome.catch((error: unknown) => {
        throw named(error, wish);
      });
    }
    // nothing is awaited until it is in the map: two at once are one
    const outcome = startOrRepeat(wish, work, context, given);
    running.set(intentId, { digest, outcome });
    try {
      return await outcome;
    } catch (error) {
      throw named(error, wish);
    } finally {
      running.delete(intentId);
    }
  }

  async function startOrRepeat(wish: Wish, work: Work, context: CallContext, given?: Permit) {
    const known = journal.intent(wish.intentId);
    if (known === null) return start(wish, work, context, known, given);
    if (known.digest !== wish.digest) throw otherOrder();
    // nobody is carrying it out now, so that what was not sent never will be
    return isUnsent(known.state) ? start(wish, work, context, known, given) : outcomeOf(known, context);
  }

  /** What became of a wish that was acted upon before. */
  async function outcomeOf(known: Intent, { signal }: CallContext): Promise<readonly Order[]> {
    const settled = await reconciler.settle(known, signal);
    const orders = reconciler.ordersOf(settled);
    if (orders !== null && settled.state !== "rejected" && settled.state !== "absent") return orders;
    if (settled.outcome !== null) throw TwsError.fromBody(settled.outcome);
    throw new TwsError("outcome_unknown", reconciler.wordsOn(settled));
  }

  async function start(
    wish: Wish,
    work: Work,
    context: CallContext,
    known: Intent | null,
    given?: Permit,
  ): Promise<readonly Order[]> {
    const intent = intentOf(wish, context);
    if (wish.isOwnKey && known === null) {
      const earlier = await work.earlier();
      if (earlier !== null) {
        journal.adopt(intent, earlier, clientId);
        noteDown(() => reconciler.follow(intent.intentId));
        return earlier;
      }
    }
    if (wish.checksTwin) requireNoTwin(wish, context);
    requireOpen();
    journal.receive(intent);
    try {
      const proposed = await work.prepare();
      const permit = given ?? (await admit(wish, proposed, context));
      await reconciler.whenReconciled(context.signal);
      const orders = await work.send(proposed, stepsOf(intent, proposed, permit));
      noteDown(() =>
        journal.acknowledge(
          wish.intentId,
          orders,
          orders.every(({ status }) => isFinal(status)),
        ),
      );
      noteDown(() => reconciler.follow(wish.intentId));
      return orders;
    } catch (error) {
      noteFailure(wish.intentId, error);
      throw error;
    }
  }

  function requireNoTwin(wish: Wish, { caller }: CallContext): void {
    const { intentId, digest } = wish;
    const twin = journal.twin({ intentId, grantId: caller.grantId, digest }, now() - twinMs);
    if (twin === null || cameToNothing(twin)) return;
    const ids = twin.legs.map(({ orderId }) => orderId).join(", ");
    const seconds = Math.max(1, Math.round((now() - twin.createdAt) / 1000));
    throw new TwsError(
      "duplicate_order",
      `The same was asked for ${seconds} s ago${ids === "" ? "" : ` (order ${ids})`}, so nothing was placed now.`,
      { intent: { intentId: twin.intentId, idempotencyKey: twin.idempotencyKey } },
    );
  }

  /** Its orders have ended without a fill, so that the same again doubles nothing. */
  function cameToNothing(twin: Intent): boolean {
    const orders = reconciler.ordersOf(twin);
    // an Inactive one may be parked, and wake
    const isOver = (status: Order["status"]) => isFinal(status) && status !== "Inactive";
    return orders?.every(({ status, filled }) => isOver(status) && filled === 0) ?? false;
  }

  /** The last checks, each within the write that makes it true: two orders cannot both take the last of a limit. */
  function stepsOf(intent: NewIntent, proposed: readonly ProposedOrder[], permit: Permit): SendSteps {
    const { intentId, account, notAfter } = intent;
    const expected = digestOfSpecs(proposed.map(({ spec }) => spec));
    return {
      reserved(orders) {
        if (digestOfSpecs(orders.map(({ spec }) => spec)) !== expected) {
          throw new TwsError(
            "order_not_changeable",
            "The order has changed meanwhile, so nothing was sent.",
            {
              nextStep: "Look at it with ibkr_get_order_status, then change it again.",
            },
          );
        }
        // the connection may have begun after the pass that was waited for
        if (!reconciler.isReconciled()) {
          throw new TwsError("timeout", "TWS has just begun a new session, so nothing was sent.", {
            nextStep: "Try again in a few seconds; this call has placed nothing.",
          });
        }
        const { assessment, approval } = permit;
        journal.reserve(intentId, orders.map(legOf(clientId)), assessment.value, (db) => {
          const freeze = freezeOf(db);
          if (freeze !== null) throw frozen(freeze);
          guard.requireRoom(assessment, usageOf(db, account, guard.dayBegan(), now()));
          if (approval !== null) useApproval(db, approval.approvalId, approval.digest, now());
        });
      },
      sending() {
        if (now() > notAfter) {
          throw new TwsError(
            "cancelled",
            "The time of the call had passed before its turn came; nothing was sent.",
          );
        }
        requireOpen();
        journal.sending(intentId);
      },
    };
  }

  /** What TWS has taken is taken, whatever the journal can be told of it: after a restart it is found again. */
  function noteDown(write: () => void): void {
    try {
      write();
    } catch (error) {
      log.error("journal.not_written_failed", { error });
    }
  }

  function noteFailure(intentId: string, thrown: unknown): void {
    noteDown(() => {
      const intent = journal.intent(intentId);
      // not by its state: a look at TWS's lists may have moved it on meanwhile
      const hasLeft = intent !== null && intent.sentAt !== null;
      const error =
        thrown instanceof TwsError
          ? thrown
          : new TwsError(
              hasLeft ? "outcome_unknown" : "internal",
              "Something failed inside tws-edge while this order was placed.",
            );
      if (error.code === "order_rejected" || (hasLeft && isAnswer(error))) {
        // a change trades nothing by itself
        const isOrder = intent?.kind === "place" || intent?.kind === "bracket";
        journal.reject(intentId, error, isOrder ? reconciler.shownOf(intent) : []);
      } else if (hasLeft || error.code === "outcome_unknown") {
        journal.lose(intentId, error.code === "outcome_unknown" ? error : lostBy(error));
        reconciler.follow(intentId);
      } else journal.refuse(intentId, error);
    });
  }

  const intentOf = (wish: Wish, { caller, notAfter }: CallContext): NewIntent => {
    const { intentId, idempotencyKey, tool, kind, digest, account } = wish;
    const { grantId, client } = caller;
    return { intentId, idempotencyKey, tool, kind, digest, account, grantId, client, notAfter };
  };

  /** Changes of one order one after the other: each is held to the limits as the last one left it. */
  const turns = new Map<number, Promise<unknown>>();

  return {
    carryOut,

    async inTurn<T>(orderId: number, run: () => Promise<T>): Promise<T> {
      const turn = (turns.get(orderId) ?? Promise.resolve()).then(run);
      const settled = turn.catch(() => undefined);
      turns.set(orderId, settled);
      try {
        return await turn;
      } finally {
        if (turns.get(orderId) === settled) turns.delete(orderId);
      }
    },

    /** See LimitGuard. */
    assess: (proposed: readonly ProposedOrder[], context: CallContext): Promise<Assessment> =>
      guard.assess(proposed, requestOf(context)),

    /** Whether a repeat answers with what became of the first. */
    wasActedUpon({ intentId }: Wish): boolean {
      const state = journal.intent(intentId)?.state;
      return running.has(intentId) || (state !== undefined && !isUnsent(state));
    },

    /** Writes down that a basket has come in. Throws for a key that stands for another, and for a twin. */
    openBasket(wish: Wish, context: CallContext): void {
      const known = journal.intent(wish.intentId);
      if (known !== null && known.digest !== wish.digest) throw otherOrder();
      if (known !== null && known.state !== "refused") return;
      if (wish.checksTwin) requireNoTwin(wish, context);
      requireOpen();
      journal.receive(intentOf(wish, context));
    },

    /** Holds the orders of a basket, all together, to the limits, and uses up the owner's approval of them. */
    async admitBasket(
      wish: Wish,
      proposed: readonly ProposedOrder[],
      context: CallContext,
    ): Promise<Assessment> {
      try {
        const { assessment, approval } = await admit(wish, proposed, context);
        journal.file.write("admitted", (db) => {
          guard.requireRoom(assessment, usageOf(db, wish.account, guard.dayBegan(), now()));
          if (approval !== null) useApproval(db, approval.approvalId, approval.digest, now());
        });
        return assessment;
      } catch (error) {
        noteFailure(wish.intentId, error);
        throw named(error, wish);
      }
    },

    closeBasket: ({ intentId }: Wish): void => noteDown(() => journal.finish(intentId, "answered")),

    /**
     * Cancelling is always allowed: what cannot be written down is sent all the same. `send` is given what to call right
     * before its message is written.
     */
    async cancel<T>(wish: Wish, context: CallContext, send: (sending: () => void) => Promise<T>): Promise<T> {
      const { intentId } = wish;
      noteDown(() => journal.receive(intentOf(wish, context)));
      try {
        const answer = await send(() => noteDown(() => journal.sending(intentId)));
        noteDown(() => journal.finish(intentId, "answered"));
        return answer;
      } catch (error) {
        noteFailure(intentId, error);
        throw named(error, wish);
      }
    },
  };
}
export type Pipeline = ReturnType<typeof createPipeline>;

/** What was, or may have been, or is to be placed can be asked about by its name. */
function named(error: unknown, { intentId, idempotencyKey }: Wish): unknown {
  const isNamed =
    error instanceof TwsError &&
    ["outcome_unknown", "order_rejected", "approval_required"].includes(error.code);
  return isNamed ? error.about({ intentId, idempotencyKey }) : error;
}

const lostBy = (cause: TwsError): TwsError =>
  new TwsError("outcome_unknown", `${cause.message} It may have reached TWS before that.`, { cause });

const legNames: readonly string[] = ["entry", "takeProfit", "stopLoss"];

const legOf =
  (clientId: number) =>
  ({ orderId, spec }: Reserved, index: number, all: readonly Reserved[]) => ({
    leg:
      all.length === legNames.length
        ? (legNames[index] ?? String(index))
        : index === 0
          ? "order"
          : String(index),
    orderId,
    clientId,
    orderRef: spec.orderRef,
    spec: JSON.stringify(spec),
  });
