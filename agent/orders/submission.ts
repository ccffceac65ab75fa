import type { DatabaseSync } from "node:sqlite";
import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import { hasEndedForGood } from "../../shared/order.ts";
import { modeOf } from "../../shared/status.ts";
import { type CallContext, requestOf } from "../call/call-context.ts";
import type { Reservation, Reserved, Transmission } from "../tws/orders/order-context.ts";
import { type Approvals, useApproval } from "../journal/approvals.ts";
import { digestOfOrders, digestOfSpecs, otherOrder } from "./intent-id.ts";
import { archivedBasket, archivedOrders, requireSameAsArchived } from "./archived-orders.ts";
import { isLost, isUnsent } from "../journal/intent-states.ts";
import { type Intent, type Journal, type NewIntent, freezeOf } from "../journal/journal.ts";
import { unapprovedValueOf, usageOf } from "../journal/usage.ts";
import { frozen } from "../journal/kill-switch.ts";
import type { Assessment, LimitGuard, ProposedOrder } from "../limits/proposed-order.ts";
import type { Duplicates } from "./duplicates.ts";
import type { Reconciler } from "./reconciler.ts";
import { orderText } from "./order-text.ts";
import type { Log } from "../process/log.ts";

/** An order intent: the same name always means the same orders, however often it arrives. */
export interface OrderIntent extends Pick<
  NewIntent,
  "intentId" | "idempotencyKey" | "tool" | "kind" | "digest" | "account"
> {
  /** The idempotency key came from the client, which may repeat it even after this journal is lost. */
  readonly hasClientKey: boolean;
  /** It has no key of the client's own, so the equal of an order on its way, unknown or just answered is refused. */
  readonly checksDuplicate: boolean;
}

/** How one kind of intent is submitted. */
export interface OrderPlan {
  /** The orders that TWS has under its references from before this journal began; null for none. Called only for a client's key. */
  readonly priorOrders: () => Promise<readonly Order[] | null>;
  /** The exact orders. Throws what refuses them. */
  readonly prepare: () => Promise<readonly ProposedOrder[]>;
  /** Gives them their ids at TWS. Throws what refuses them. */
  readonly reserve: (proposed: readonly ProposedOrder[]) => Promise<Reservation>;
}

/** Pre-trade clearance: limits passed, and the approval to consume if one was needed. */
export interface Clearance {
  readonly assessment: Assessment;
  /** The owner's approval, consumed with the sending; null where none was needed. */
  readonly approval: { readonly approvalId: string; readonly digest: string } | null;
  /** The owner's approval under which the orders are placed, used up or not; null where none was needed. */
  readonly approvalId: string | null;
}

interface PipelineDeps {
  readonly journal: Journal;
  readonly guard: LimitGuard;
  readonly approvals: Approvals;
  readonly reconciler: Reconciler;
  readonly duplicates: Duplicates;
  readonly clientId: number;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly log: Log;
}

/** A change trades nothing by itself. */
const isNewOrder = ({ kind }: Pick<NewIntent, "kind">): boolean => kind === "place" || kind === "bracket";

/** Whether the message of a call is about to be written, or has been: this process knows, whatever is on disk. */
interface Sending {
  isWritten: boolean;
}

/** TWS answered, and nothing was traded. */
const isAnswer = ({ code }: TwsError): boolean =>
  code === "order_rejected" || code === "order_not_changeable" || code === "order_not_found";

/**
 * The only way to TWS for whatever changes an order: intent, limits, approval, journal, send, acknowledge. What a crash
 * leaves open is the reconciler's.
 */
export function createPipeline(deps: PipelineDeps) {
  const { journal, guard, approvals, reconciler, duplicates, clientId, now, log } = deps;
  /** Intents that this process is submitting. */
  const running = new Map<string, { readonly digest: string; readonly outcome: Promise<readonly Order[]> }>();

  /** Throws while no order may be sent, before anything is asked of TWS for it. */
  function requireOpen(): void {
    const freeze = journal.file.read(freezeOf);
    if (freeze !== null) throw frozen(freeze);
  }

  const unapprovedOf = (db: DatabaseSync, grantId: string): number =>
    unapprovedValueOf(db, grantId, guard.approvalSince());

  /** The last checks of orders, within the write that makes them true; uses up their approval. */
  function clearWithin(
    db: DatabaseSync,
    clearance: Clearance,
    { account, grantId }: Pick<NewIntent, "account" | "grantId">,
  ) {
    const { assessment, approval, approvalId } = clearance;
    guard.requireHeadroom(assessment, usageOf(db, account, guard.dayBegan(), now()));
    // others of the grant may have been placed since
    if (approvalId === null) guard.requireUnapproved(assessment, unapprovedOf(db, grantId));
    if (approval !== null) useApproval(db, approval.approvalId, approval.digest, now());
  }

  /** Pre-trade clearance: checks the owner's limits, and the owner's approval where it is needed. */
  async function clear(
    intent: Pick<OrderIntent, "intentId" | "tool">,
    proposed: readonly ProposedOrder[],
    context: CallContext,
  ): Promise<Clearance> {
    const assessment = await guard.assess(proposed, requestOf(context));
    const { caller } = context;
    const unapproved = journal.file.read((db) => unapprovedOf(db, caller.grantId));
    const reason = guard.approvalReason(assessment, unapproved);
    if (reason === null) return { assessment, approval: null, approvalId: null };
    const { account } = assessment;
    const digest = digestOfOrders(proposed);
    const request = {
      intentId: intent.intentId,
      tool: intent.tool,
      digest,
      account,
      mode: modeOf(account),
      orders: proposed.map((one) => orderText(one)),
      reason,
      client: caller.client,
      grantId: caller.grantId,
    };
    const price = () => guard.price(proposed, requestOf(context));
    const approvalId = await approvals.approved(request, price, context);
    return { assessment, approval: { approvalId, digest }, approvalId };
  }

  /**
   * Submits an intent, once. Repeated, it answers with the outcome of the first time. Throws what refused it;
   * outcome_unknown when nobody can say.
   */
  async function submit(
    intent: OrderIntent,
    plan: OrderPlan,
    context: CallContext,
    cleared?: Clearance,
  ): Promise<readonly Order[]> {
    const { intentId, digest } = intent;
    const current = running.get(intentId);
    if (current !== undefined) {
      if (current.digest !== digest) throw otherOrder();
      return await current.outcome.catch((error: unknown) => {
        throw named(error, intent);
      });
    }
    // nothing is awaited until it is in the map: two at once are one
    const outcome = startOrRepeat(intent, plan, context, cleared);
    running.set(intentId, { digest, outcome });
    try {
      return await outcome;
    } catch (error) {
      throw named(error, intent);
    } finally {
      running.delete(intentId);
      tryToRecord(() => duplicates.release(intentId));
    }
  }

  async function startOrRepeat(
    intent: OrderIntent,
    plan: OrderPlan,
    context: CallContext,
    cleared?: Clearance,
  ) {
    const known = journal.intent(intent.intentId);
    if (known === null) {
      const archived = journal.archived(intent.intentId);
      if (archived !== null) return archivedOrders(archived, intent.digest);
      return start(intent, plan, context, known, cleared);
    }
    if (known.digest !== intent.digest) throw otherOrder();
    // no call is submitting it now, so what was not sent never will be
    return isUnsent(known.state) ? start(intent, plan, context, known, cleared) : finalOrders(known, context);
  }

  /** The orders of an intent that was submitted before; throws its outcome where it has none. */
  async function finalOrders(known: Intent, { signal }: CallContext): Promise<readonly Order[]> {
    const settled = await reconciler.settle(known, signal);
    const orders = reconciler.ordersOf(settled);
    if (isLost(settled.state) || reconciler.isCancelling(settled)) {
      // what is shown while the agent cancels it is no placed order
      if (orders !== null && !reconciler.isCancelling(settled)) return orders;
      throw new TwsError("outcome_unknown", reconciler.describe(settled));
    }
    if (orders !== null && settled.state !== "rejected" && settled.state !== "absent") return orders;
    if (settled.outcome !== null) throw TwsError.fromBody(settled.outcome);
    throw new TwsError("outcome_unknown", reconciler.describe(settled));
  }

  async function start(
    intent: OrderIntent,
    plan: OrderPlan,
    context: CallContext,
    known: Intent | null,
    cleared?: Clearance,
  ): Promise<readonly Order[]> {
    const newIntent = newIntentOf(intent, context);
    if (intent.hasClientKey && known === null) {
      const prior = await plan.priorOrders();
      if (prior !== null) {
        journal.adopt(newIntent, prior, clientId);
        tryToRecord(() => reconciler.follow(newIntent.intentId));
        return prior;
      }
    }
    requireOpen();
    journal.receive(newIntent);
    const sending: Sending = { isWritten: false };
    try {
      const proposed = await plan.prepare();
      if (isNewOrder(intent)) {
        const specs = proposed.map(({ spec }) => spec);
        const claim = { intentId: intent.intentId, grantId: newIntent.grantId, specs };
        duplicates.claim([claim], intent.checksDuplicate);
      }
      const clearance = cleared ?? (await clear(intent, proposed, context));
      await reconciler.whenReconciled(context.signal);
      const reservation = await plan.reserve(proposed);
      try {
        reserve(newIntent, reservation.orders, proposed, clearance);
      } catch (error) {
        reservation.release();
        throw error;
      }
      const orders = await reservation.transmit(transmissionOf(newIntent, context, sending));
      tryToRecord(() => journal.acknowledge(intent.intentId, orders, orders.every(hasEndedForGood)));
      tryToRecord(() => reconciler.follow(intent.intentId));
      return orders;
    } catch (error) {
      recordFailure(intent.intentId, error, sending);
      throw error;
    }
  }

  /** The last checks, within the write that makes them true: two orders cannot both take the last of a limit. */
  function reserve(
    intent: NewIntent,
    orders: readonly Reserved[],
    proposed: readonly ProposedOrder[],
    clearance: Clearance,
  ): void {
    const digest = (all: readonly Pick<Reserved, "spec">[]) => digestOfSpecs(all.map(({ spec }) => spec));
    if (digest(orders) !== digest(proposed)) {
      throw new TwsError("order_not_changeable", "The order has changed meanwhile, so nothing was sent.", {
        nextStep: "Look at it with ibkr_get_order_status, then change it again.",
      });
    }
    // the connection may have begun after the reconciliation run that was waited for
    if (!reconciler.isReconciled()) {
      throw new TwsError("timeout", "TWS has just begun a new session, so nothing was sent.", {
        nextStep: "Try again in a few seconds; this call has placed nothing.",
      });
    }
    const check = (db: DatabaseSync) => {
      const freeze = freezeOf(db);
      if (freeze !== null) throw frozen(freeze);
      clearWithin(db, clearance, intent);
    };
    const { assessment, approvalId } = clearance;
    journal.reserve(intent.intentId, orders.map(legOf(clientId)), assessment.value, check, approvalId);
  }

  function transmissionOf(
    { intentId, notAfter }: NewIntent,
    { signal }: CallContext,
    sending: Sending,
  ): Transmission {
    return {
      signal,
      beforeWrite() {
        if (now() > notAfter) {
          throw new TwsError("cancelled", "The call's deadline passed while it waited; nothing was sent.");
        }
        requireOpen();
        journal.sending(intentId);
        sending.isWritten = true;
      },
      beforeCancel: () => tryToRecord(() => journal.cancelling(intentId)),
      onNothingToCancel: () => tryToRecord(() => journal.notCancelling(intentId)),
    };
  }

  /** Logs a failed record instead of throwing: what TWS has taken is taken, and is found again after a restart. */
  function tryToRecord(write: () => void): void {
    try {
      write();
    } catch (error) {
      log.error("journal.not_written_failed", { error });
    }
  }

  function recordFailure(intentId: string, thrown: unknown, sending: Sending | null = null): void {
    tryToRecord(() => {
      const intent = journal.intent(intentId);
      // not by its state: a probe of TWS's lists may have moved it on meanwhile
      const hasLeft = sending?.isWritten ?? (intent !== null && intent.sentAt !== null);
      const error =
        thrown instanceof TwsError
          ? thrown
          : new TwsError(
              hasLeft ? "outcome_unknown" : "internal",
              "Something failed inside tws-edge while this order was placed.",
            );
      if (error.code === "order_rejected" || (hasLeft && isAnswer(error))) {
        const orders = intent !== null && isNewOrder(intent) ? reconciler.shownOf(intent) : [];
        journal.reject(intentId, error, orders);
        // TWS may show it after all
        if (intent !== null && isNewOrder(intent)) reconciler.follow(intentId);
      } else if (hasLeft || error.code === "outcome_unknown") {
        journal.markUnknown(intentId, error.code === "outcome_unknown" ? error : unknownAfter(error));
        reconciler.follow(intentId);
      } else journal.deny(intentId, error);
    });
  }

  const newIntentOf = (intent: OrderIntent, { caller, notAfter }: CallContext): NewIntent => {
    const { intentId, idempotencyKey, tool, kind, digest, account } = intent;
    const { grantId, client } = caller;
    return { intentId, idempotencyKey, tool, kind, digest, account, grantId, client, notAfter };
  };

  /** Changes of one order one after the other: each is held to the limits as the last one left it. */
  const queues = new Map<number, Promise<unknown>>();

  return {
    submit,

    async enqueue<T>(orderId: number, run: () => Promise<T>): Promise<T> {
      const turn = (queues.get(orderId) ?? Promise.resolve()).then(run);
      const settled = turn.catch(() => undefined);
      queues.set(orderId, settled);
      try {
        return await turn;
      } finally {
        if (queues.get(orderId) === settled) queues.delete(orderId);
      }
    },

    /** See LimitGuard. */
    assess: (proposed: readonly ProposedOrder[], context: CallContext): Promise<Assessment> =>
      guard.assess(proposed, requestOf(context)),

    /** Returns whether a repeat answers with the outcome of the first. */
    wasSubmitted({ intentId }: OrderIntent): boolean {
      const state = journal.intent(intentId)?.state;
      if (running.has(intentId) || (state !== undefined && !isUnsent(state))) return true;
      return state === undefined && journal.archived(intentId) !== null;
    },

    /** Records that a basket has come in. Throws for a key of another basket, and for rows that are new in an archived one. */
    openBasket(intent: OrderIntent, context: CallContext, hasNewRows: boolean): void {
      const known = journal.intent(intent.intentId);
      const archived = known === null ? journal.archived(intent.intentId) : null;
      if (archived !== null) {
        requireSameAsArchived(archived, intent.digest);
        if (hasNewRows) throw archivedBasket(archived);
        return;
      }
      if (known !== null && known.digest !== intent.digest) throw otherOrder();
      if (known !== null && known.state !== "refused") return;
      requireOpen();
      journal.receive(newIntentOf(intent, context));
    },

    /**
     * Clears the orders of a basket together: checks the limits, and consumes the owner's approval. Returns the
     * clearance of each.
     */
    async clearBasket(
      intent: OrderIntent,
      proposed: readonly ProposedOrder[],
      context: CallContext,
    ): Promise<readonly Clearance[]> {
      // each row is an intent of its own, by the reference of its order
      const claims = proposed.map(({ spec }) => ({
        intentId: spec.orderRef,
        grantId: context.caller.grantId,
        specs: [spec],
      }));
      try {
        duplicates.claim(claims, intent.checksDuplicate);
        const clearance = await clear(intent, proposed, context);
        const { account } = intent;
        const { grantId } = context.caller;
        journal.file.write("cleared", (db) => clearWithin(db, clearance, { account, grantId }));
        const { assessment, approvalId } = clearance;
        return assessment.parts.map((part) => ({ assessment: part, approval: null, approvalId }));
      } catch (error) {
        tryToRecord(() => {
          for (const { intentId } of claims) duplicates.release(intentId);
        });
        recordFailure(intent.intentId, error);
        throw named(error, intent);
      }
    },

    closeBasket: ({ intentId }: OrderIntent): void =>
      tryToRecord(() => {
        // an archived one is at its end
        if (journal.intent(intentId) !== null) journal.finish(intentId, "answered");
      }),

    /**
     * Cancelling is always allowed: what cannot be written down is sent all the same. `send` is given what to call right
     * before its message is written.
     */
    async cancel<T>(
      intent: OrderIntent,
      context: CallContext,
      send: (beforeWrite: () => void) => Promise<T>,
    ): Promise<T> {
      const { intentId } = intent;
      tryToRecord(() => journal.receive(newIntentOf(intent, context)));
      try {
        const answer = await send(() => tryToRecord(() => journal.sending(intentId)));
        tryToRecord(() => journal.finish(intentId, "answered"));
        return answer;
      } catch (error) {
        recordFailure(intentId, error);
        throw named(error, intent);
      }
    },
  };
}
export type Pipeline = ReturnType<typeof createPipeline>;

/** What was, or may have been, or is to be placed can be asked about by its name. */
function named(error: unknown, { intentId, idempotencyKey }: OrderIntent): unknown {
  const isNamed =
    error instanceof TwsError &&
    ["outcome_unknown", "order_rejected", "approval_required"].includes(error.code);
  return isNamed ? error.about({ intentId, idempotencyKey }) : error;
}

const unknownAfter = (cause: TwsError): TwsError =>
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
    sent: spec,
  });
