import type { ErrorBody } from "../../../shared/errors.ts";
import type { Caller } from "../../../shared/caller.ts";
import type { AgentFrame } from "../../../shared/protocol.ts";
import type { ToolName } from "../../../shared/tools/index.ts";
import { createDispatch } from "../../dispatch.ts";
import type { Handlers } from "../../handlers/index.ts";
import { trader } from "../../handlers/handlers.fixture.ts";
import { createLog } from "../../process/log.ts";

/** Calls a tool as the edge does; answers with the last frame. */
export type Ask = (tool: ToolName, input: Readonly<Record<string, unknown>>) => Promise<AgentFrame>;

/** For tests: the agent's side of the link, without the link, which is lost when `signal` is aborted. */
export function plainAsk(
  handlers: Handlers,
  signal = new AbortController().signal,
  caller: Caller = trader,
): Ask {
  const log = createLog({
    level: "error",
    secrets: [],
    write: (line) => process.stderr.write(line),
    now: Date.now,
  });
  const dispatch = createDispatch({ handlers, log, now: Date.now });
  let calls = 0;
  return async (tool, input) => {
    const frames: AgentFrame[] = [];
    const sentAt = Date.now();
    const id = String((calls += 1));
    const call = {
      type: "call",
      id,
      tool,
      input: { ...input },
      sentAt,
      deadlineAt: sentAt + 60_000,
    } as const;
    await dispatch.handle({ ...call, caller }, { send: (frame) => frames.push(frame), signal });
    const answer = frames.at(-1);
    if (answer === undefined) throw new Error(`${tool} did not answer`);
    return answer;
  };
}

/** What a call failed with. Throws when it did not. */
export function errorOf(answer: AgentFrame): ErrorBody {
  if (answer.type === "error") return answer.error;
  throw new Error(`answered ${JSON.stringify(answer).slice(0, 500)}`);
}

/** What a call was answered with. Throws when it failed. */
export function outputOf(answer: AgentFrame): Readonly<Record<string, unknown>> {
  if (answer.type === "result") return answer.output;
  throw new Error(`failed: ${JSON.stringify(answer).slice(0, 500)}`);
}
