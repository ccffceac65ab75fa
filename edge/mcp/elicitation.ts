import type { RequestId, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";
import type { Env } from "../config/bindings.ts";
import { emptyForm, type Question } from "./approval-prompt.ts";
import type { JsonObject } from "./message.ts";
import { sessionOf } from "./session-store.ts";
import type { Session } from "../session/session-id.ts";
import { ElicitAnswer } from "../rpc/session.ts";

interface Asking {
  readonly question: Question;
  /** The request on whose stream the question goes out. */
  readonly requestId: RequestId;
  /** The call for whose sake it is asked, as `notifications/cancelled` leads to it. */
  readonly callId: string;
  /** Unix milliseconds. */
  readonly until: number;
  readonly signal: AbortSignal;
}

/** Asks the client of a 2025 session in the middle of a call. */
export interface Elicit {
  /** `cancel` also where no answer came; null where it could not be asked. */
  ask(asking: Asking): Promise<ElicitAnswer | null>;
  /** What was asked by an address is over. */
  complete(): Promise<void>;
}

export function createElicit(
  env: Env,
  session: Session,
  transport: WebStandardStreamableHTTPServerTransport,
): Elicit {
  let asked: { readonly id: string; readonly requestId: RequestId } | null = null;
  return {
    async ask({ question, requestId, callId, until, signal }) {
      const id = crypto.randomUUID();
      const query = new URLSearchParams({ id, call: callId, until: String(until) });
      // it listens before the question leaves: the answer comes as a request of its own, perhaps to another Worker
      const opened = await sessionOf(env, session).fetch(`https://session/answer?${query.toString()}`, {
        headers: { Upgrade: "websocket" },
      });
      if (opened.webSocket === null) return null;
      const answer = answerOn(opened.webSocket, until, signal);
      const params =
        question.mode === "url"
          ? { ...question, elicitationId: id }
          : // clients from before there were modes know none
            { message: question.message, requestedSchema: emptyForm };
      await transport.send(
        { jsonrpc: "2.0", id, method: "elicitation/create", params },
        { relatedRequestId: requestId },
      );
      if (question.mode === "url") asked = { id, requestId };
      return await answer;
    },

    async complete() {
      if (asked === null) return;
      const method = "notifications/elicitation/complete";
      const params = { elicitationId: asked.id };
      // one that has left is told nothing
      await transport
        .send({ jsonrpc: "2.0", method, params }, { relatedRequestId: asked.requestId })
        .catch(() => undefined);
    },
  };
}

function answerOn(socket: WebSocket, until: number, signal: AbortSignal): Promise<ElicitAnswer> {
  return new Promise((resolve) => {
    const settle = (answer: ElicitAnswer): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", give);
      socket.close(1000);
      resolve(answer);
    };
    const give = () => settle("cancel");
    const timer = setTimeout(give, Math.max(0, until - Date.now()));
    socket.addEventListener("message", ({ data }) => settle(ElicitAnswer.parse(data)));
    socket.addEventListener("close", give);
    socket.addEventListener("error", give);
    signal.addEventListener("abort", give);
    socket.accept();
    if (signal.aborted) give();
  });
}

/** The id and the answer in a response to a question of ours; null for every other message. */
export function answerIn({
  method,
  id,
  result,
  error,
}: JsonObject): { id: string; answer: ElicitAnswer } | null {
  if (method !== undefined || typeof id !== "string") return null;
  if (error !== undefined) return { id, answer: "cancel" };
  const action = ElicitAnswer.safeParse(Reflect.get(Object(result), "action"));
  return action.success ? { id, answer: action.data } : null;
}
