import {
  inputRequired,
  type InputRequiredResult,
  inputResponse,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { z } from "zod";
import type { ApprovalName, ErrorBody } from "../../shared/errors.ts";
import { approvalLifetimeMs } from "../../shared/approval.ts";
import type { HostOutcome } from "../rpc/host.ts";
import {
  elicitsOf,
  emptyForm,
  mostRounds,
  notApproved,
  type Question,
  questionFor,
  withWay,
} from "./approval-prompt.ts";
import type { Exchange } from "./exchange.ts";
import type { CallState, StateCodec } from "./request-state.ts";

/** A call that may place orders, and what is needed to make it more than once. */
export interface Order {
  readonly exchange: Exchange;
  readonly context: ServerContext;
  readonly codec: StateCodec;
  readonly callId: string;
  /** Whether the tool takes an idempotencyKey. */
  readonly takesKey: boolean;
  /** Under which it is made first; null for a tool that takes none. */
  readonly idempotencyKey: string | null;
  /** Never rejects. */
  ask(idempotencyKey: string | null): Promise<HostOutcome>;
}

const capabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
const Capabilities = z.object({ [capabilitiesKey]: z.object({ elicitation: z.unknown() }) });

type Outcome = HostOutcome | InputRequiredResult;

/**
 * Makes the call. Where the agent answers that the owner must approve it, the client is asked to show the way to that,
 * and the agent is asked again once it says that this was done: it alone knows what was decided.
 */
export async function askForOrder(order: Order): Promise<Outcome> {
  const { codec, idempotencyKey } = order;
  const state = await codec.open();
  if (state !== null) return await goOn(order, state);
  const outcome = shown(order, await order.ask(idempotencyKey));
  const waiting = waitingIn(outcome);
  if (waiting === null) return outcome;
  const { elicit, session } = order.exchange;
  if (elicit !== null && session !== null) {
    const question = questionOf(order, waiting, session.elicits);
    return question === null ? outcome : await askInStream(order, waiting, question);
  }
  const first: CallState = { step: "asked", round: 0, idempotencyKey: waiting.key, error: waiting.error };
  return (await askByResult(order, first)) ?? outcome;
}

interface Waiting {
  readonly error: ErrorBody;
  readonly approval: ApprovalName;
  /** Under which the call is repeated. */
  readonly key: string;
}

/** Null for every outcome but one that waits for the owner and can be repeated. */
function waitingIn(outcome: HostOutcome): Waiting | null {
  if (outcome.ok || outcome.error.code !== "approval_required") return null;
  const { error } = outcome;
  if (error.approval === undefined || error.intent === undefined) return null;
  return { error, approval: error.approval, key: error.intent.idempotencyKey };
}

const shown = ({ exchange, takesKey }: Order, outcome: HostOutcome): HostOutcome =>
  outcome.ok ? outcome : { ok: false, error: withWay(outcome.error, exchange, takesKey) };

const questionOf = ({ exchange }: Order, { approval }: Waiting, elicits: ReturnType<typeof elicitsOf>) =>
  questionFor(approval, elicits, exchange);

/** 2026-07-28: the question is the result, and the next round a request of its own. */
async function askByResult(order: Order, state: CallState): Promise<InputRequiredResult | null> {
  const declared = Capabilities.safeParse(order.context.mcpReq.envelope).data?.[capabilitiesKey].elicitation;
  const waiting = waitingIn({ ok: false, error: state.error });
  const question = waiting === null ? null : questionOf(order, waiting, elicitsOf(declared));
  if (question === null) return null;
  return inputRequired({
    inputRequests: { approval: requestOf(question) },
    requestState: await order.codec.seal(state),
  });
}

function requestOf(question: Question) {
  const { message } = question;
  return question.mode === "url"
    ? inputRequired.elicitUrl({ message, url: question.url })
    : inputRequired.elicit({ message, requestedSchema: emptyForm });
}

async function goOn(order: Order, state: CallState): Promise<Outcome> {
  const refused: HostOutcome = { ok: false, error: state.error };
  if (state.step === "asked") {
    const response = inputResponse(order.context.mcpReq.inputResponses, "approval");
    if (response.kind !== "elicit") return (await askByResult(order, state)) ?? refused;
    if (response.action !== "accept") {
      return { ok: false, error: notApproved(response.action, state.error) };
    }
  }
  const outcome = shown(order, await order.ask(state.idempotencyKey));
  const waiting = waitingIn(outcome);
  const round = state.round + 1;
  if (waiting === null || round >= mostRounds) return outcome;
  // without another question: the person is still at it, and the client only comes back
  return inputRequired({
    requestState: await order.codec.seal({ ...state, step: "waiting", round, error: waiting.error }),
  });
}

/** The 2025 revisions: the question is a request on the stream of the call. */
async function askInStream(order: Order, waiting: Waiting, question: Question): Promise<HostOutcome> {
  const { exchange, context, callId } = order;
  const { id: requestId, signal } = context.mcpReq;
  const until = untilOf(waiting);
  const answer = await exchange.elicit?.ask({ question, requestId, callId, until, signal });
  if (answer === undefined || answer === null) return { ok: false, error: waiting.error };
  if (answer !== "accept") return { ok: false, error: notApproved(answer, waiting.error) };
  let outcome: HostOutcome = { ok: false, error: waiting.error };
  // a client that has left must not find out later that an order was placed
  for (let round = 0; round < mostRounds && !signal.aborted; round += 1) {
    outcome = shown(order, await order.ask(waiting.key));
    if (waitingIn(outcome) !== null) continue;
    await exchange.elicit?.complete();
    break;
  }
  return outcome;
}

/** Until the approval expires, and five minutes at most whatever the agent says. */
function untilOf({ error }: Waiting): number {
  const expiresAt = Date.parse(z.string().parse(error.approval?.expiresAt));
  return Math.min(expiresAt, Date.now() + approvalLifetimeMs);
}
