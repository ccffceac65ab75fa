import { TwsError } from "../../shared/errors.ts";
import type { Order } from "../../shared/order.ts";
import type { ArchivedIntent, Intent } from "../journal/journal.ts";
import { otherOrder } from "./intent-id.ts";

/** A key that was used before its intent was archived is answered by the archive, and never placed again. */

const dateOf = ({ createdAt }: ArchivedIntent): string => new Date(createdAt).toISOString().slice(0, 10);

export const archivedNote = (archived: ArchivedIntent): string =>
  `It came on ${dateOf(archived)} and has ended (${archived.state}); this is from the journal's archive.`;

/** Throws invalid_input where the archive cannot be read. */
export function archivedIntent(archived: ArchivedIntent): Intent {
  if (archived.intent !== null) return archived.intent;
  throw new TwsError(
    "invalid_input",
    `This key was used on ${dateOf(archived)}, and its order has ended (${archived.state}). The journal's archive with the rest cannot be read, so nothing was placed.`,
    {
      nextStep:
        "Choose a new idempotencyKey for a new order. The owner can put the archive back beside the journal.",
    },
  );
}

/** Throws invalid_input for another order than the one that was archived. */
export function requireSameAsArchived(archived: ArchivedIntent, digest: string): Intent {
  const intent = archivedIntent(archived);
  if (intent.digest !== digest) throw otherOrder();
  return intent;
}

/** The orders of an archived intent, as TWS has shown them last; throws its outcome where it has none. */
export function archivedOrders(archived: ArchivedIntent, digest: string): readonly Order[] {
  const { state, outcome, legs } = requireSameAsArchived(archived, digest);
  const orders = legs.flatMap(({ shown }) => shown ?? []);
  if (state === "done" && orders.length > 0) return orders;
  if (outcome !== null) throw TwsError.fromBody(outcome);
  throw new TwsError("invalid_input", `idempotencyKey: it was used before. ${archivedNote(archived)}`, {
    nextStep: "Nothing was placed. Choose a new idempotencyKey for a new order.",
  });
}

export const archivedBasket = (archived: ArchivedIntent): TwsError =>
  new TwsError(
    "invalid_input",
    `idempotencyKey: the basket of this key came on ${dateOf(archived)} and is archived, so those of its rows that were not placed then are not placed now.`,
    {
      nextStep:
        "Choose a new idempotencyKey for new orders; ibkr_get_order_status tells what became of the others.",
    },
  );
