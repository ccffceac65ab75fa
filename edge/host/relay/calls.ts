import type { OwnerRequest } from "../../../shared/approval.ts";
import { deadlineOf, deadlines } from "../../../shared/deadlines.ts";
import { type ErrorBody, TwsError } from "../../../shared/errors.ts";
import type { AgentFrame, EdgeFrame } from "../../../shared/protocol.ts";
import { tools } from "../../../shared/tools/index.ts";
import { type CallerRateLimits, isNeverRefused } from "./rate-limits.ts";
import type { HostCall, HostOutcome, ProgressListener } from "../../rpc/host.ts";

/** Hands a frame to the agent; throws `agent_offline` when there is none, `too_large` for a frame over 1 MiB. */
export type SendToAgent = (frame: EdgeFrame) => void;

/** What a question may have done when its answer is lost. */
type Effect = (typeof tools)[HostCall["tool"]]["effect"] | "decides";

interface Question {
  /** Null for a page of the owner, which is never refused. */
  readonly grantId: string | null;
  readonly frame: Extract<EdgeFrame, { type: "call" | "owner" }>;
  readonly effect: Effect;
  readonly edgeMs: number;
  readonly onProgress?: ProgressListener | undefined;
}

interface InFlight {
  /** Null for a page of the owner. */
  readonly grantId: string | null;
  readonly effect: Effect;
  readonly deadline: ReturnType<typeof setTimeout>;
  readonly onProgress: ProgressListener | undefined;
  settle(outcome: HostOutcome): void;
}

type Answer = Extract<AgentFrame, { type: "result" | "error" | "progress" }>;

/** The calls that the agent is working on, by id. */
export class Calls {
  readonly #inFlight = new Map<string, InFlight>();
  readonly #send: SendToAgent;
  readonly #rateLimits: CallerRateLimits;

  constructor(send: SendToAgent, rateLimits: CallerRateLimits) {
    this.#send = send;
    this.#rateLimits = rateLimits;
  }

  /** Asks the agent, and waits for its answer until the deadline of the tool has passed. Never rejects. */
  ask(call: HostCall, onProgress?: ProgressListener): Promise<HostOutcome> {
    const { callId, tool, input, caller, idempotencyKey } = call;
    const { deadline, effect } = tools[tool];
    const { agentMs, edgeMs } = deadlineOf(deadline, input);
    const sentAt = Date.now();
    const { grantId } = caller;
    try {
      if (!isNeverRefused(tool)) this.#rateLimits.requireShare(grantId);
    } catch (error) {
      if (error instanceof TwsError) return Promise.resolve(failed(error));
      throw error;
    }
    return this.#put({
      grantId,
      frame: {
        type: "call",
        id: callId,
        tool,
        input: { ...input },
        deadlineAt: sentAt + agentMs,
        sentAt,
        caller,
        ...(idempotencyKey !== undefined && { idempotencyKey }),
      },
      effect,
      edgeMs,
      onProgress,
    });
  }

  /** Asks the agent what a page of the owner asks. Never rejects. */
  askForOwner(request: OwnerRequest): Promise<HostOutcome> {
    return this.#put({
      grantId: null,
      frame: { type: "owner", id: crypto.randomUUID(), request },
      effect: request.kind === "owner" ? "reads" : "decides",
      edgeMs: deadlines.quick.edgeMs,
    });
  }

  #put({ grantId, frame, effect, edgeMs, onProgress }: Question): Promise<HostOutcome> {
    const { id } = frame;
    if (this.#inFlight.has(id)) {
      return Promise.resolve(failed(new TwsError("invalid_input", "A call with this id is under way.")));
    }
    try {
      this.#send(frame);
    } catch (error) {
      if (error instanceof TwsError) return Promise.resolve(failed(error));
      throw error;
    }
    if (grantId !== null) this.#rateLimits.begun(grantId);
    return new Promise((settle) => {
      const deadline = setTimeout(() => this.#expire(id, edgeMs), edgeMs);
      this.#inFlight.set(id, { grantId, effect, deadline, onProgress, settle });
    });
  }

  /** What the agent says of a call. An id that is not under way is ignored: its caller has left. */
  take(frame: Answer): void {
    const call = this.#inFlight.get(frame.id);
    if (call === undefined) return;
    switch (frame.type) {
      case "progress":
        report(call, frame);
        break;
      case "result":
        this.#end(frame.id, { ok: true, output: frame.output });
        break;
      case "error":
        this.#end(frame.id, { ok: false, error: cleaned(frame.error) });
        break;
      default:
        frame satisfies never;
    }
  }

  /** The caller has left: the agent is told, and withdraws what it can. Unknown ids are ignored. */
  cancel(callId: string): void {
    this.#withdraw(callId, new TwsError("cancelled", "The call was cancelled before it ended."));
  }

  /** The agent has gone, and with it every answer it owed. Nothing is kept for its return. */
  failAll(): void {
    const error = new TwsError(
      "agent_offline",
      "The agent's connection was lost while the call was under way.",
    );
    for (const callId of this.#inFlight.keys()) this.#fail(callId, error);
  }

  #expire(callId: string, edgeMs: number): void {
    this.#withdraw(callId, new TwsError("timeout", `The agent did not answer within ${edgeMs / 1000} s.`));
  }

  #withdraw(callId: string, error: TwsError): void {
    if (!this.#inFlight.has(callId)) return;
    try {
      this.#send({ type: "cancel", id: callId });
    } catch {
      // the agent has just gone; it forgets its calls by itself
    }
    this.#fail(callId, error);
  }

  #fail(callId: string, error: TwsError): void {
    const call = this.#inFlight.get(callId);
    if (call !== undefined) this.#end(callId, { ok: false, error: afterSending(call.effect, error) });
  }

  #end(callId: string, outcome: HostOutcome): void {
    const call = this.#inFlight.get(callId);
    if (call === undefined) return;
    this.#inFlight.delete(callId);
    clearTimeout(call.deadline);
    if (call.grantId !== null) this.#rateLimits.ended(call.grantId);
    call.settle(outcome);
  }
}

const longestText = 1_000;

/** Text of the agent in one line of bounded length, without characters that hide or reorder what is read. */
const cleanText = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ").slice(0, longestText);

const cleaned = (error: ErrorBody): ErrorBody => ({
  ...error,
  message: cleanText(error.message),
  nextStep: cleanText(error.nextStep),
  ...(error.tws !== undefined && { tws: { code: error.tws.code, text: cleanText(error.tws.text) } }),
  saidBy: "agent",
});

/** What was sent may have been done, whatever became of the answer. */
function afterSending(effect: Effect, error: TwsError): ErrorBody {
  switch (effect) {
    case "reads":
    case "steers":
    case "disrupts":
      return error.toBody();
    case "trades":
      return lostSight(effect, `${error.message} The order had been sent.`).toBody();
    case "cancels":
      return lostSight(effect, `${error.message} The request to cancel had been sent.`).toBody();
    case "decides":
      return new TwsError("outcome_unknown", `${error.message} It may have taken what you chose.`, {
        nextStep: "Open the page again: it shows how things stand.",
      }).toBody();
    default:
      return effect satisfies never;
  }
}

/** The error of a call that may have changed orders, where nobody can say whether it has. */
export function lostSight(effect: "trades" | "cancels", what: string): TwsError {
  if (effect === "trades") return new TwsError("outcome_unknown", what);
  return new TwsError("outcome_unknown", what, {
    nextStep:
      "Orders may still be working. Look with ibkr_get_open_orders; cancelling what still works again does no harm.",
  });
}

function report({ onProgress }: InFlight, frame: Extract<AgentFrame, { type: "progress" }>): void {
  if (onProgress === undefined) return;
  // over RPC this is a promise, and the listener may have gone
  Promise.resolve(onProgress(frame.progress, frame.total, cleanText(frame.message))).catch(() => undefined);
}

export const failed = (error: TwsError): HostOutcome => ({ ok: false, error: error.toBody() });
