import { z } from "zod";

/** One row of the error table: what a caller of any kind may be told. */
interface ErrorKind {
  /** HTTP status where the error ends an HTTP request outside MCP. */
  readonly status: number;
  /** True when the same call can succeed later without being changed. */
  readonly retryable: boolean;
  /** The default next step, for a reader who sees neither our code nor TWS. */
  readonly nextStep: string;
}

const kinds = {
  invalid_input: {
    status: 400,
    retryable: false,
    nextStep: "Correct the argument that the message names and call again.",
  },
  unknown_tool: { status: 404, retryable: false, nextStep: "Call tools/list for the tools that exist." },
  unknown_resource: {
    status: 404,
    retryable: false,
    nextStep: "Call resources/list or resources/templates/list for what can be read.",
  },
  not_started: {
    status: 404,
    retryable: false,
    nextStep: "Call ibkr_start_market_data_resource first, then read the resource_uri it returns.",
  },
  unauthorized: { status: 401, retryable: false, nextStep: "Sign in again, or ask the owner for a token." },
  forbidden: { status: 403, retryable: false, nextStep: "Ask the owner of this TWS for the permission." },
  too_large: { status: 413, retryable: false, nextStep: "Send less at once, or ask for a shorter answer." },
  rate_limited: { status: 429, retryable: true, nextStep: "Wait a few seconds, then call again." },
  agent_offline: {
    status: 503,
    retryable: true,
    nextStep:
      "The agent beside TWS is not connected to the edge. It reconnects by itself; ask the owner to check that it runs, then call ibkr_get_status.",
  },
  tws_offline: {
    status: 503,
    retryable: true,
    nextStep:
      "The agent runs but has no session with TWS. It reconnects by itself; ask the owner to check that TWS is running and logged in, then call ibkr_get_status.",
  },
  tws_upstream_down: {
    status: 503,
    retryable: true,
    nextStep: "TWS has lost its connection to IBKR, as it does nightly for a few minutes. Try again shortly.",
  },
  timeout: {
    status: 504,
    retryable: true,
    nextStep: "TWS did not answer in time. Try again, or ask for less data.",
  },
  cancelled: { status: 499, retryable: true, nextStep: "The call was cancelled before it ended." },
  outcome_unknown: {
    status: 504,
    retryable: false,
    nextStep:
      "The order may or may not be working. Do not place it again: look with ibkr_get_open_orders and ibkr_get_executions first.",
  },
  unknown_contract: {
    status: 404,
    retryable: false,
    nextStep: "Look the instrument up with ibkr_search_symbols, then name it by conId.",
  },
  ambiguous_contract: {
    status: 409,
    retryable: false,
    nextStep: "Choose one of the candidates and name it by its conId.",
  },
  no_market_data: {
    status: 403,
    retryable: false,
    nextStep: "The account has no subscription for this data; delayed data may be available.",
  },
  no_data: { status: 404, retryable: false, nextStep: "Ask for another period, bar size or kind of data." },
  pacing: {
    status: 429,
    retryable: true,
    nextStep: "TWS limits how often this may be asked. Wait, then call again.",
  },
  order_rejected: {
    status: 422,
    retryable: false,
    nextStep: "Read the reason TWS gave and change the order.",
  },
  order_not_found: {
    status: 404,
    retryable: false,
    nextStep: "Call ibkr_get_open_orders for the orders that can still be changed.",
  },
  order_not_changeable: {
    status: 409,
    retryable: false,
    nextStep: "Call ibkr_get_order_status: the order has reached its final state.",
  },
  trading_refused: {
    status: 403,
    retryable: false,
    nextStep: "The owner's settings on the TWS host forbid this order; only the owner can change them there.",
  },
  read_only_api: {
    status: 403,
    retryable: false,
    nextStep:
      "The owner turns off Read-Only API in TWS or IB Gateway, under Configure → API → Settings. Until then whatever only reads works, the lists of orders excepted.",
  },
  trading_frozen: {
    status: 403,
    retryable: false,
    nextStep:
      "New orders are stopped on this TWS host; cancelling still works. Only the owner can lift it, with `tws-edge unfreeze` there.",
  },
  approval_required: {
    status: 403,
    retryable: true,
    nextStep:
      "Nothing was placed. The owner approves or declines the order; after that call again with the same arguments and the idempotencyKey of this error.",
  },
  duplicate_order: {
    status: 409,
    retryable: false,
    nextStep:
      "Ask whether a second order is meant. If so, call again with an idempotencyKey of your own; if not, look at the first with ibkr_get_order_status.",
  },
  journal_unavailable: {
    status: 503,
    retryable: true,
    nextStep:
      "The agent cannot write its order journal, so it sends no order. The owner looks at the disk of the TWS host and at the agent's log.",
  },
  tws_error: { status: 502, retryable: false, nextStep: "Read the text TWS gave." },
  protocol_error: { status: 400, retryable: false, nextStep: "Agent and edge must run matching versions." },
  internal: {
    status: 500,
    retryable: false,
    nextStep: "This is a fault in tws-edge. Report the id in the message; the log has the details under it.",
  },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof kinds;

/** The error table, the only one; docs/errors.md is generated from it. */
export const errorKinds: Readonly<Record<ErrorCode, ErrorKind>> = kinds;

const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(kinds, text);

/** Words that came from TWS. They are data: length-capped, and never used as our own message. */
export const TwsDetail = z.object({ code: z.int(), text: z.string().max(1000) });
export type TwsDetail = z.infer<typeof TwsDetail>;

/** The order intent that an error is about: ibkr_get_order_status takes either. */
export const IntentName = z.object({
  /** As TWS knows it: the orderRef of its order, or what those of its orders begin with. */
  intentId: z.string().max(40),
  idempotencyKey: z.string().max(64),
});
export type IntentName = z.infer<typeof IntentName>;

/** Where the owner's approval counts: `page` also on the TWS host, `host` there alone. */
export const ApprovalPlace = z.enum(["page", "host"]);
export type ApprovalPlace = z.infer<typeof ApprovalPlace>;

/** What the owner is asked to approve. It approves nothing by itself. */
export const ApprovalName = z.object({
  approvalId: z.string().max(64),
  expiresAt: z.iso.datetime(),
  /** On a page of the edge or the TWS host, or on the host alone. */
  at: ApprovalPlace.default("page"),
  /** The page on which the owner decides; the edge adds it where there is one. */
  url: z.string().max(500).optional(),
});
export type ApprovalName = z.infer<typeof ApprovalName>;

/** A limit of the owner's, by the name of its variable, and what the order came to. */
export const BrokenLimit = z.object({
  name: z.string().max(50),
  limit: z.string().max(200),
  asked: z.string().max(200),
});
export type BrokenLimit = z.infer<typeof BrokenLimit>;

/** An error as it travels: in frames, in tool results and in HTTP answers. */
export const ErrorBody = z.object({
  code: z.string().refine(isErrorCode),
  message: z.string(),
  nextStep: z.string(),
  retryable: z.boolean(),
  retryAfterMs: z.int().positive().optional(),
  tws: TwsDetail.optional(),
  candidates: z.array(z.record(z.string(), z.unknown())).max(25).optional(),
  intent: IntentName.optional(),
  approval: ApprovalName.optional(),
  limit: BrokenLimit.optional(),
  /** Written by the edge alone: the message and nextStep are words of the program beside TWS, not of the edge. */
  saidBy: z.literal("agent").optional(),
});
export type ErrorBody = z.infer<typeof ErrorBody>;

interface ErrorDetail {
  readonly nextStep?: string;
  readonly retryAfterMs?: number;
  readonly tws?: TwsDetail;
  readonly candidates?: readonly Record<string, unknown>[];
  readonly intent?: IntentName;
  readonly approval?: ApprovalName;
  readonly limit?: BrokenLimit;
  readonly cause?: unknown;
}

/** The only error that our code throws on purpose. */
export class TwsError extends Error {
  override readonly name = "TwsError";
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.detail = detail;
  }

  get status(): number {
    return kinds[this.code].status;
  }

  toBody(): ErrorBody {
    const { nextStep, retryAfterMs, tws, candidates, intent, approval, limit } = this.detail;
    return {
      code: this.code,
      message: this.message,
      nextStep: nextStep ?? kinds[this.code].nextStep,
      // who says when to try again says that it can succeed
      retryable: kinds[this.code].retryable || retryAfterMs !== undefined,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(tws !== undefined && { tws: { code: tws.code, text: tws.text.slice(0, 1000) } }),
      ...(candidates !== undefined && { candidates: [...candidates].slice(0, 25) }),
      ...(intent !== undefined && { intent }),
      ...(approval !== undefined && { approval }),
      ...(limit !== undefined && { limit }),
    };
  }

  static fromBody(body: ErrorBody): TwsError {
    const { code, message, nextStep, retryAfterMs, tws, candidates, intent, approval, limit } = body;
    if (!isErrorCode(code)) return new TwsError("internal", message);
    return new TwsError(code, message, {
      nextStep,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(tws !== undefined && { tws }),
      ...(candidates !== undefined && { candidates }),
      ...(intent !== undefined && { intent }),
      ...(approval !== undefined && { approval }),
      ...(limit !== undefined && { limit }),
    });
  }

  /** The same error, which also says which intent it is about. */
  about(intent: IntentName): TwsError {
    return new TwsError(this.code, this.message, { intent, ...this.detail, cause: this.cause ?? this });
  }
}

/**
 * What a caller is told about any thrown value. Anything unexpected becomes `internal` with an id, and goes to
 * `report` whole under that id.
 */
export function toErrorBody(thrown: unknown, report: (id: string, thrown: unknown) => void): ErrorBody {
  if (thrown instanceof TwsError) return thrown.toBody();
  const id = crypto.randomUUID().slice(0, 8);
  report(id, thrown);
  return new TwsError("internal", `Something failed inside tws-edge (id ${id}).`).toBody();
}
