import { z } from "zod";
import { hostCommand } from "../../shared/approval.ts";
import { type ApprovalName, type ErrorBody, TwsError } from "../../shared/errors.ts";
import type { Elicits } from "../session/session-id.ts";
import type { Caller } from "../../shared/caller.ts";

/**
 * The way to the owner's approval, as clients are told of it. Nothing that a client sends approves anything: the owner
 * decides on a page behind their own sign-in or on the TWS host, and the agent alone acts on it.
 */

const Declared = z.object({ form: z.unknown().optional(), url: z.unknown().optional() });

/** What the capability `elicitation` says; before there were two modes it was empty and meant forms. */
export function elicitsOf(capability: unknown): Elicits {
  const declared = Declared.safeParse(capability);
  if (!declared.success) return { form: false, url: false };
  const url = declared.data.url !== undefined;
  return { form: declared.data.form !== undefined || !url, url };
}

/** How often the agent is asked again for one consent; each time it waits some seconds for the decision. */
export const mostRounds = 5;

/** Where the owner decides. */
interface Place {
  /** The origin of the owner's pages; null where nobody signs in, and so there are none. */
  readonly pagesAt: string | null;
  readonly caller: Caller;
}

const approvalId = /^[\w-]{1,64}$/;
const plainKey = /^[\w.:-]{1,64}$/;

/** The order that waits, by the agent's word. */
export type Waiting = Pick<ApprovalName, "approvalId" | "at">;

/** The page or the command with which the owner decides; null for an id that is none and must not get into either. */
export function wayTo(
  { approvalId: id, at }: Waiting,
  { pagesAt, caller }: Place,
): { url: string | null; words: string } | null {
  if (!approvalId.test(id)) return null;
  if (pagesAt === null || at === "host") {
    const words = `on the computer where TWS runs the owner decides with \`${hostCommand("approve", id)}\``;
    return { url: null, words };
  }
  const url = `${pagesAt}/approvals/${caller.hostId}.${id}`;
  return { url, words: `the owner signs in and decides at ${url}` };
}

/** The agent's error with the way to the approval. An address in it is ours or none. */
export function withWay(error: ErrorBody, place: Place, takesKey: boolean): ErrorBody {
  if (error.approval === undefined) return error;
  const { expiresAt, approvalId: id, at } = error.approval;
  const approval = { approvalId: id, expiresAt, at };
  const way = error.code === "approval_required" ? wayTo(approval, place) : null;
  if (way === null) return { ...error, approval };
  const key = error.intent?.idempotencyKey ?? "";
  const withKey = takesKey && plainKey.test(key) ? ` and idempotencyKey ${key}` : "";
  return {
    ...error,
    approval: { ...approval, ...(way.url !== null && { url: way.url }) },
    nextStep: `Nothing was placed: ${way.words}. After that call again with the same arguments${withKey}.`,
  };
}

/** What a client that can be asked shall show; the answer to it is only that the person has been there. */
export type Question =
  | { readonly mode: "url"; readonly message: string; readonly url: string }
  | { readonly mode: "form"; readonly message: string };

/** Null where the client can show nothing that helps. */
export function questionFor(waiting: Waiting, elicits: Elicits, place: Place): Question | null {
  const way = wayTo(waiting, place);
  if (way === null) return null;
  const { url, words } = way;
  const message = `An order waits for the owner's approval: ${words}.`;
  if (elicits.url && url !== null) {
    return { mode: "url", url, message: `${message} Nothing is placed before that.` };
  }
  if (!elicits.form) return null;
  return {
    mode: "form",
    message: `${message} Confirm here once that is done. Confirming approves nothing by itself.`,
  };
}

/** A form without fields: what counts is that it was confirmed. */
export const emptyForm = { type: "object" as const, properties: {} };

/** The error after a question that led nowhere. What waits at the agent goes on waiting, and ends by itself. */
export function notApproved(answer: "decline" | "cancel", waiting: ErrorBody): ErrorBody {
  const { intent, approval } = waiting;
  const about = { ...(intent !== undefined && { intent }), ...(approval !== undefined && { approval }) };
  if (answer === "cancel") {
    return {
      ...waiting,
      message: "The order was not placed: the question about its approval was not answered.",
    };
  }
  return new TwsError("trading_refused", "The order was not placed: it was not approved.", {
    nextStep: "Do not place it again unless you are asked to.",
    ...about,
  }).toBody();
}
