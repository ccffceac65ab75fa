import { deadlineOf } from "../../shared/deadlines.ts";
import { type ErrorBody, TwsError } from "../../shared/errors.ts";
import type { AgentFrame, EdgeFrame } from "../../shared/protocol.ts";
import { tools } from "../../shared/tools/index.ts";
import { type Fairness, isNeverRefused } from "./fairness.ts";
import type { HostCall, HostOutcome, ProgressListener } from "./rpc.ts";

/** Hands a frame to the agent; throws `agent_offline` when there is none, `too_large` for a frame over 1 MiB. */
export type SendToAgent = (frame: EdgeFrame) => void;

interface InFlight {
  readonly tool: HostCall["tool"];
  readonly grantId: string;
  readonly deadline: ReturnType<typeof setTimeout>;
  readonly onProgress: ProgressListener | undefined;
  settle(outcome: HostOutcome): void;
}

type Answer = Extract<AgentFrame, { type: "result" | "error" | "progress" }>;

/** The calls that the agent is working on, by id. */
export class Calls {
  readonly #inFlight = new Map<string, InFlight>();
  readonly #send: SendToAgent;
  readonly #fairness: Fairness;

  constructor(send: SendToAgent, fairness: Fairness) {
    this.#send = send;
    this.#fairness = fairness;
  }

  /** Asks the agent, and waits for its answer until the deadline of the tool has passed. Never rejects. */
  ask({ callId, tool, input, caller }: HostCall, onProgress?: ProgressListener): Promise<HostOutcome> {
    if (this.#inFlight.has(callId)) {
      return Promise.resolve(failed(new TwsError("invalid_input", "A call with this id is under way.")));
    }
    const { agentMs, edgeMs } = deadlineOf(tools[tool].deadline, input);
    const sentAt = Date.now();
    const { grantId } = caller;
    try {
      if (!isNeverRefused(tool)) this.#fairness.requireShare(grantId);
      this.#send({
        type: "call",
        id: callId,
        tool,
        input: { ...input },
        deadlineAt: sentAt + agentMs,
        sentAt,
        caller,
      });
    } catch (error) {
      if (error instanceof TwsError) return Promise.resolve(failed(error));
      throw error;
    }
    this.#fairness.begun(grantId);
    return new Promise((settle) => {
      const deadline = setTimeout(() => this.#expire(callId, edgeMs), edgeMs);
      this.#inFlight.set(callId, { tool, grantId, deadline, onProgress, settle });
    });
  }

  /** What the agent says of a call. An id that is not under way is ignored: its asker has left. */
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
        this.#end(frame.id, { ok: false, error: frame.error });
        break;
      default:
        frame satisfies never;
    }
  }

  /** The asker has left: the agent is told, and withdraws what it can. Unknown ids are ignored. */
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
    if (call !== undefined) this.#end(callId, { ok: false, error: afterSending(call.tool, error) });
  }

  #end(callId: string, outcome: HostOutcome): void {
    const call = this.#inFlight.get(callId);
    if (call === undefined) return;
    this.#inFlight.delete(callId);
    clearTimeout(call.deadline);
    this.#fairness.ended(call.grantId);
    call.settle(outcome);
  }
}

/** An order that was sent may have been placed, whatever became of the answer. */
function afterSending(tool: HostCall["tool"], error: TwsError): ErrorBody {
  if (tools[tool].effect !== "trades") return error.toBody();
  return new TwsError("outcome_unknown", `${error.message} The order had been sent.`).toBody();
}

function report({ onProgress }: InFlight, frame: Extract<AgentFrame, { type: "progress" }>): void {
  if (onProgress === undefined) return;
  // over RPC this is a promise, and the listener may have gone
  Promise.resolve(onProgress(frame.progress, frame.total, frame.message)).catch(() => undefined);
}

export const failed = (error: TwsError): HostOutcome => ({ ok: false, error: error.toBody() });
