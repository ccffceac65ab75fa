import type { z } from "zod";
import type { ProofPurpose } from "../../shared/machine-key.ts";
import { TwsError } from "../../shared/errors.ts";
import { type AgentKey, originOf, proofOf } from "./machine-key.ts";
import { plain, edgeErrorIn } from "./edge-error.ts";

interface Ask {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly purpose: ProofPurpose;
  readonly body?: unknown;
}

const withinMs = 20_000;
const mostBytes = 1024 * 1024;

/** An edge, asked with this machine's key. */
export interface EdgeClient {
  /** `https://tws.example.com`. */
  readonly origin: string;
  /** The answer, parsed. Throws TwsError with the edge's own words where it refuses. */
  ask<T>(ask: Ask, schema: z.ZodType<T>): Promise<T>;
}

export function createEdgeClient(edge: string, key: AgentKey): EdgeClient {
  const origin = originOf(edge);
  return {
    origin,
    async ask({ method, path, purpose, body }, schema) {
      const response = await fetch(`${origin}${path}`, {
        method,
        headers: {
          Accept: "application/json",
          Authorization: `Bearer ${await proofOf(key, edge, purpose, Date.now())}`,
          ...(body !== undefined && { "Content-Type": "application/json" }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        // a proof is for this edge and for nobody it points to
        redirect: "manual",
        signal: AbortSignal.timeout(withinMs),
      }).catch((cause: unknown) => {
        throw new TwsError("internal", `The edge at ${origin} cannot be reached: ${explain(cause)}.`, {
          nextStep: "Check the address and the network, then try again.",
          cause,
        });
      });
      const text = await readText(response);
      if (!response.ok) throw refused(response.status, text, origin);
      const parsed = schema.safeParse(text === "" ? null : parseJson(text));
      if (parsed.success) return parsed.data;
      throw new TwsError("protocol_error", `What answers at ${origin} is no edge that this release knows.`, {
        nextStep: "Check the address; if it is right, update the older of the two.",
      });
    },
  };
}

function refused(status: number, text: string, origin: string): TwsError {
  const code = status === 429 ? "rate_limited" : "unauthorized";
  const words = edgeErrorIn(text);
  if (words !== null) return new TwsError(code, words.message, { nextStep: words.nextStep });
  return new TwsError("protocol_error", `The edge at ${origin} answered HTTP ${status}.`, {
    nextStep:
      status === 404
        ? "Check the address. An edge without sign-in (AUTH=off) has nothing to pair."
        : "Check the address; it must be the edge's own, without a path.",
  });
}

/** No more of an answer than one of ours can have, however much is sent. */
async function readText({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > mostBytes) break;
  }
  return text.slice(0, mostBytes);
}

/** Its texts go to a terminal, where an edge in other hands could write over the words of the key. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text, (_key, value: unknown) => (typeof value === "string" ? plain(value) : value));
  } catch {
    return undefined;
  }
}

function explain(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === "TimeoutError") return `no answer within ${withinMs / 1000} s`;
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}
