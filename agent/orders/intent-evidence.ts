import type { Intent } from "../journal/journal.ts";
import { hasEnded } from "../../shared/order.ts";
import { hasExits } from "./bracket-repair.ts";
import type { ListSnapshot } from "./list-snapshot.ts";
import type { ObservedOrders } from "./observed-orders.ts";
import type { FateEvidence, Shown } from "./order-fate.ts";

type Own = Pick<
  FateEvidence,
  "shown" | "isFirstShown" | "hasExits" | "isRefused" | "isCancelling" | "isMoot"
>;

/** What TWS shows of the orders of an intent by now. */
export function shownEvidence(intent: Intent, observed: ObservedOrders): Own {
  const { kind, legs } = intent;
  if (kind === "modify") return changeEvidence(intent, observed);
  const live = legs.map((leg) => observed.live(leg));
  const count = live.filter((order) => order !== null).length;
  const shown: Shown = count === 0 ? "none" : count === legs.length ? "all" : "some";
  const isCancelling = intent.cancellingAt !== null;
  const [first] = live;
  const hasFill = live.some((order) => order !== null && order.filled > 0);
  const isOver = first !== undefined && first !== null && hasEnded(first);
  const isRefused = isOver && !hasFill && (first.status === "Inactive" || isCancelling);
  const isFirstShown = first !== undefined && first !== null;
  return { shown, isFirstShown, hasExits: hasExits(legs, observed), isRefused, isCancelling, isMoot: false };
}

/** TWS shows the order with the new terms, or as it was: one that ends does so either way. */
function changeEvidence({ legs }: Intent, observed: ObservedOrders): Own {
  const [leg] = legs;
  const order = leg === undefined ? null : observed.live(leg);
  const asked = leg?.sent ?? null;
  const isChanged =
    order !== null &&
    asked !== null &&
    order.quantity === asked.quantity &&
    (asked.limitPrice === null || order.limitPrice === asked.limitPrice) &&
    (asked.auxPrice === null || order.auxPrice === asked.auxPrice);
  const isMoot = order !== null && hasEnded(order) && !isChanged;
  const shown = isChanged ? "all" : "none";
  const unasked = { hasExits: false, isRefused: false, isCancelling: false };
  return { shown, isFirstShown: isChanged, ...unasked, isMoot };
}

/** The instrument of an intent, by what was sent or shown. */
export function conIdOf({ legs: [leg] }: Intent): number | null {
  if (leg === undefined) return null;
  return leg.sent?.contract.conId ?? leg.shown?.contract.conId ?? null;
}

/** What one reading of all lists says of an intent that TWS does not show. */
export function listEvidence(intent: Intent, snapshot: ListSnapshot) {
  const { account, sentAt, createdAt } = intent;
  const conId = conIdOf(intent);
  return {
    lists: snapshot.proofFor(sentAt ?? createdAt),
    position: conId === null ? null : snapshot.positionOf(account, conId),
    positionBefore: conId === null ? null : snapshot.positionBefore(account, conId),
  };
}
