import { deadlineOf } from "../shared/deadlines.ts";
import { type IntentName, TwsError, toErrorBody } from "../shared/errors.ts";
import type { AgentFrame, EdgeFrame } from "../shared/protocol.ts";
import { isExpired } from "../shared/caller.ts";
import type { ToolDefinition } from "../shared/tools/define.ts";
import { refuseControlCharacters } from "../shared/tools/control-characters.ts";
import { inputErrorsIn } from "../shared/tools/input-errors.ts";
import { isToolName, tools } from "../shared/tools/index.ts";
import { schemasOf } from "../shared/tools/json-schema.ts";
import { pageOf, paginate, wrongCursor } from "../shared/tools/paging.ts";
import type { Page } from "../shared/tools/paging.ts";
import { z } from "zod";
import { runAs } from "./tws/session/fair-share.ts";
import type { CallContext } from "./call/call-context.ts";
import { createPinnedLists } from "./call/pinned-lists.ts";
import type { Handlers } from "./handlers/index.ts";
import type { Log } from "./process/log.ts";
import { nameOf } from "./orders/intent-id.ts";

export type CallFrame = Extract<EdgeFrame, { type: "call" }>;

/** Where a call came from: answers go to `send`, and `signal` aborts when that link is gone. */
interface Origin {
  readonly send: (frame: AgentFrame) => void;
  readonly signal: AbortSignal;
}

export interface Dispatch {
  /** Runs a call to its answer, which is sent; never rejects. */
  handle(call: CallFrame, origin: Origin): Promise<void>;
  /** The caller has left. Unknown ids are ignored: the answer may have crossed the cancel. */
  cancel(id: string): void;
  /** Calls begun and not answered. */
  running(): number;
}

interface DispatchOptions {
  readonly handlers: Partial<Handlers>;
  readonly log: Log;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** More than any honest edge has in flight; a bound on what a hostile one can make us hold. What cancels is always taken. */
const maxRunning = 1_000;
const progressEveryMs = 250;
const mostInputErrors = 5;

/** The only place in the agent that turns a thrown error into words for a caller. */
export function createDispatch({ handlers, log, now }: DispatchOptions): Dispatch {
  const running = new Map<string, AbortController>();
  const lateness = createLateness();
  const pinned = createPinnedLists(now);

  async function handle(call: CallFrame, origin: Origin): Promise<void> {
    const { id, caller } = call;
    const fields = { id, tool: call.tool, grant: caller.grantId };
    if (running.has(id)) {
      // an answer under this id would be taken for the answer to the call that already runs
      log.error("call.duplicate", fields);
      return;
    }
    const lateMs = lateness(call, origin);
    const controller = new AbortController();
    running.set(id, controller);
    const startedAt = now();
    let outcome: string = "ok";
    try {
      if (running.size > maxRunning && !doesCancel(call.tool)) {
        throw new TwsError("rate_limited", "Too many calls run at once.", { retryAfterMs: 1_000 });
      }
      const output = await run(call, lateMs, controller, origin);
      origin.send({ type: "result", id, output });
    } catch (thrown) {
      const error = toErrorBody(thrown, (errorId, unexpected) =>
        log.error("call.failed", { ...fields, errorId, error: unexpected }),
      );
      outcome = error.code;
      origin.send({ type: "error", id, error });
    } finally {
      running.delete(id);
      log.info("call", { ...fields, ms: Math.round(now() - startedAt), outcome });
    }
  }

  /** The list of which the cursor names the next page; null for a cursor that names none. */
  function pinnedList(call: CallFrame, input: Readonly<Record<string, unknown>>, page: Page) {
    const { kept } = page;
    if (!pinned.isName(kept)) return null;
    const list = pinned.get(kept, { caller: call.caller, tool: call.tool, input });
    if (list === null) throw wrongCursor("belongs to a list that is kept no longer, or to another question");
    page.keep(() => kept);
    return list;
  }

  async function run(call: CallFrame, lateMs: number, controller: AbortController, origin: Origin) {
    const { tool, input, budgetMs } = admit(call, lateMs, now());
    const page = pageOf(input);
    const list = tool.paged === null ? null : pinnedList(call, input, page);
    if (list !== null) return finish(tool, input, list, page);
    const progress = createProgress(call.id, origin.send, now);
    const context: CallContext = {
      caller: call.caller,
      signal: controller.signal,
      twsTimeoutMs: twsShareOf(tool, input, budgetMs),
      notAfter: Math.floor(now() + budgetMs),
      generatedKey: call.idempotencyKey ?? null,
      page,
      progress: progress.report,
    };
    const stop = () => controller.abort(new TwsError("cancelled", "The connection to the edge was lost."));
    const expire = () => controller.abort(new TwsError("timeout", `No answer within ${budgetMs} ms.`));
    const timer = setTimeout(expire, budgetMs);
    origin.signal.addEventListener("abort", stop, { once: true });
    if (origin.signal.aborted) stop();
    try {
      const output = await Promise.race([
        runAs(call.caller.grantId, () => invoke(handlers, call.tool, input, context)),
        untilAborted(tool, intentOf(call, input), controller.signal),
      ]);
      const whole = z.record(z.string(), z.unknown()).parse(output);
      // a handler that pages by itself keeps what its pages need to belong together
      if (tool.paged !== null && page.said().total === null && page.said().keeping === null) {
        if (page.start > 0) throw wrongCursor();
        page.keep(() => pinned.pin({ caller: call.caller, tool: call.tool, input }, whole));
      }
      return finish(tool, input, whole, page);
    } finally {
      clearTimeout(timer);
      origin.signal.removeEventListener("abort", stop);
      progress.end();
    }
  }

  return {
    handle,
    cancel: (id) => running.get(id)?.abort(new TwsError("cancelled", "The caller withdrew the call.")),
    running: () => running.size,
  };
}

const doesCancel = (name: string): boolean => isToolName(name) && tools[name].effect === "cancels";

/** The edge has checked all of this too; the agent must be safe without it. */
function admit(
  call: CallFrame,
  lateMs: number,
  nowMs: number,
): {
  readonly tool: ToolDefinition;
  readonly input: Readonly<Record<string, unknown>>;
  readonly budgetMs: number;
} {
  const tool = isToolName(call.tool) ? tools[call.tool] : undefined;
  if (tool === undefined || tool.runs === "edge") {
    throw new TwsError("unknown_tool", `The agent has no tool ${JSON.stringify(call.tool)}.`, {
      nextStep: "Agent and edge must run matching versions: update the older one.",
    });
  }
  if (isExpired(call.caller, nowMs)) {
    throw new TwsError("unauthorized", "The access of this caller has expired.");
  }
  if (!call.caller.scopes.includes(tool.scope)) {
    throw new TwsError("forbidden", `${call.tool} needs the scope ${tool.scope}, which this caller lacks.`);
  }
  refuseControlCharacters(call.input);
  const input = tool.input.safeParse(call.input);
  if (!input.success) {
    const inputErrors = inputErrorsIn(input.error.issues, schemasOf(tool).input, call.input, mostInputErrors);
    throw new TwsError("invalid_input", inputErrors.join(" ").slice(0, 1000));
  }
  // counted from receipt: the two machines' clocks need not agree
  const budgetMs = Math.min(
    call.deadlineAt - call.sentAt - lateMs,
    deadlineOf(tool.deadline, input.data).agentMs,
  );
  if (budgetMs <= 0) {
    throw new TwsError("timeout", "The call had expired when it arrived, so it was not started.");
  }
  return { tool, input: input.data, budgetMs };
}

/** More than clocks of computers drift apart in a second, in seconds. */
const driftPerSecond = 1e-4;

/**
 * How much longer a call was under way than the fastest of its link, in milliseconds. A network that comes back
 * delivers what it held up, the call before its withdrawal, and an order of then must not be sent now.
 */
function createLateness() {
  const fastest = new WeakMap<AbortSignal, { readonly skewMs: number; readonly at: number }>();
  return ({ sentAt }: CallFrame, { signal }: Origin): number => {
    // of the process, which nobody sets
    const at = performance.now();
    const skewMs = at - sentAt;
    const before = fastest.get(signal);
    const bestMs = before === undefined ? skewMs : before.skewMs + (at - before.at) * driftPerSecond;
    fastest.set(signal, { skewMs: Math.min(bestMs, skewMs), at });
    return Math.max(0, Math.round(skewMs - bestMs));
  };
}

/** A single request to TWS gets the same share of the time as in the table, however little there is. */
function twsShareOf(
  tool: ToolDefinition,
  input: Readonly<Record<string, unknown>>,
  budgetMs: number,
): number {
  const { twsMs, agentMs } = deadlineOf(tool.deadline, input);
  return Math.max(1, Math.floor((budgetMs * twsMs) / agentMs));
}

/** `admit` has parsed the input by the schema of this very tool, which the types cannot follow by name. */
async function invoke(
  handlers: Partial<Handlers>,
  name: string,
  input: Readonly<Record<string, unknown>>,
  context: CallContext,
): Promise<unknown> {
  const handler: unknown = Object.hasOwn(handlers, name) ? Reflect.get(handlers, name) : undefined;
  if (typeof handler !== "function") throw new Error(`There is no handler for ${name}`);
  return await Reflect.apply(handler, handlers, [input, context]);
}

function finish(
  tool: ToolDefinition,
  input: Readonly<Record<string, unknown>>,
  whole: Readonly<Record<string, unknown>>,
  page: Page,
): Record<string, unknown> {
  return tool.output.parse(paginate(tool, input, whole, page));
}

/** The order intent that a call is about, or null. */
function intentOf(
  { caller, idempotencyKey }: CallFrame,
  input: Readonly<Record<string, unknown>>,
): IntentName | null {
  const key = input["idempotencyKey"] ?? idempotencyKey;
  return typeof key === "string" ? nameOf(caller.grantId, key) : null;
}

/** Rejects when the call is aborted. An order that had begun may have reached TWS, so its outcome is not known. */
function untilAborted(tool: ToolDefinition, intent: IntentName | null, signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = () => {
      const reason: unknown = signal.reason;
      const isOrder = tool.effect === "trades" || tool.effect === "cancels";
      if (!isOrder || !(reason instanceof TwsError)) return reject(reason);
      return reject(
        new TwsError("outcome_unknown", `${reason.message} It may have reached TWS before that.`, {
          cause: reason,
          ...(intent !== null && { intent }),
        }),
      );
    };
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}

/** Sends progress at most four times a second; the latest of what came in between goes last. */
function createProgress(id: string, send: (frame: AgentFrame) => void, now: () => number) {
  let sentAt = -Infinity;
  let pending: AgentFrame | null = null;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;

  function flush(): void {
    timer = undefined;
    if (pending === null || isOver) return;
    send(pending);
    pending = null;
    sentAt = now();
  }

  return {
    report: (progress: number, total: number | null, message: string): void => {
      if (isOver) return;
      pending = { type: "progress", id, progress, total, message: message.slice(0, 500) };
      const waitMs = sentAt + progressEveryMs - now();
      if (waitMs <= 0) {
        clearTimeout(timer);
        flush();
      } else timer ??= setTimeout(flush, waitMs);
    },
    end: (): void => {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
