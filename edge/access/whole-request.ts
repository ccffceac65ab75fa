import { TwsError } from "../../shared/errors.ts";
import { bodySizes, formWithinMs, type ReadBody, readForm } from "../http/body.ts";
import { addressOf } from "../http/client-address.ts";
import { retryAfter } from "../http/headers.ts";
import { sorry } from "./pages/layout.ts";

/** Paths whose forms may be longer: a list of accounts, the metadata of a client, a signed token. */
const large: ReadonlySet<string> = new Set(["/authorize", "/register", "/api/v1/tokens"]);

/** Paths that programs ask by OAuth. */
const ofOAuth: ReadonlySet<string> = new Set(["/token", "/register"]);

/**
 * A request for the object `Access`, whole and under the public address; the answer that refuses it, where its body is
 * too large or does not come to its end. The Worker reads it, so that nobody makes the one object wait for bytes.
 */
export async function wholeRequest(request: Request, publicUrl: string): Promise<Request | Response> {
  const { pathname, search } = new URL(request.url);
  const url = `${publicUrl}${pathname}${search}`;
  const { method, headers } = request;
  // the answer may send a browser on, which is not ours to follow
  const plain = { method, headers, redirect: "manual" } as const;
  if (method !== "POST") return new Request(url, plain);
  const mostBytes = large.has(pathname) ? bodySizes.largeForm : bodySizes.form;
  const body = await readForm(request, mostBytes, addressOf(request, publicUrl));
  return body.ok ? new Request(url, { ...plain, body: body.bytes }) : await refusal(pathname, body.why);
}

type Why = Extract<ReadBody, { readonly ok: false }>["why"];

/** In the form that whoever asks this path can read. */
async function refusal(pathname: string, why: Why): Promise<Response> {
  if (why === "left") return new Response(null, { status: 499 });
  const { error, status } = refusals[why];
  const headers = retryAfter(error.toBody());
  if (ofOAuth.has(pathname)) {
    const code = status === 429 ? "temporarily_unavailable" : "invalid_request";
    return Response.json({ error: code, error_description: error.message }, { status, headers });
  }
  if (pathname.startsWith("/api/")) return Response.json({ error: error.toBody() }, { status, headers });
  return await sorry(status, error.message, headers);
}

const refusals = {
  too_large: { status: 413, error: new TwsError("too_large", "The request is too large.") },
  too_slow: {
    status: 408,
    error: new TwsError("timeout", `The request was not all there within ${formWithinMs / 1000} s.`, {
      nextStep: "Send it again.",
    }),
  },
  crowded: {
    status: 429,
    error: new TwsError("rate_limited", "Too many requests were under way that did not come to their end.", {
      retryAfterMs: 1_000,
      nextStep: "Wait a second, then send it again.",
    }),
  },
} as const;
