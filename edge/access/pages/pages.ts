import { html } from "hono/html";
import { bodySizes, readForm, textOf } from "../../http/body.ts";
import { addressOf } from "../../http/client-address.ts";
import { createApprovalsPage } from "./approvals-page.ts";
import { createAuditPage } from "./audit-page.ts";
import { createConsentPage } from "./consent-page.ts";
import { createGrantsPage } from "./grants-page.ts";
import { page, sorry } from "./layout.ts";
import type { Page, PagesOptions } from "./page.ts";
import { createPairPage } from "./pair-page.ts";

export interface Pages {
  fetch(request: Request): Promise<Response>;
}

/** The owner's pages, each behind the sign-in; everything else is the OAuth library's. */
export function createPages(options: PagesOptions): Pages {
  const { settings, oauth, owner } = options;
  const pages: ReadonlyMap<string, Page> = new Map([
    ["/authorize", createConsentPage(options)],
    ["/grants", createGrantsPage(options)],
    ["/pair", createPairPage(options)],
    ["/approvals", createApprovalsPage(options)],
    ["/audit", createAuditPage(options)],
  ]);

  async function signIn(request: Request): Promise<Response> {
    const form = await formOf(request);
    const next = localPath(form?.get("next"), settings.publicUrl);
    const passphrase = form?.get("passphrase");
    const result = await owner.signIn(request, typeof passphrase === "string" ? passphrase : "");
    if (!result.ok) return forOpener(next, await signInPage(next, result));
    const headers = new Headers({ Location: `${settings.publicUrl}${next}` });
    for (const cookie of result.cookies) headers.append("Set-Cookie", cookie);
    return forOpener(next, new Response(null, { status: 303, headers }));
  }

  async function visit(request: Request, { pathname, search }: URL, shown: Page): Promise<Response> {
    const session = await owner.signedIn(request);
    if (session === null) return await signInPage(`${pathname}${search}`);
    if (request.method === "GET") return await shown.show({ request, session });
    const form = await formOf(request);
    if (form === null || !(await owner.isOwnForm(session, form))) {
      return await sorry(403, "This form is not of this session. Go back, reload the page and try again.");
    }
    return await shown.submit({ request, session }, form);
  }

  return {
    async fetch(request) {
      const url = new URL(request.url);
      const shown = pages.get(url.pathname.startsWith("/approvals/") ? "/approvals" : url.pathname);
      if (shown === undefined && url.pathname !== "/sign-in") return await oauth.fetch(request);
      if (request.method !== "GET" && request.method !== "POST") {
        return await sorry(405, "This page answers GET and POST.", { Allow: "GET, POST" });
      }
      if (request.method === "POST" && request.headers.get("Origin") !== settings.publicUrl) {
        return await sorry(403, "This form was sent from another site.");
      }
      if (shown !== undefined) return forOpener(url.pathname, await visit(request, url, shown));
      return request.method === "POST" ? await signIn(request) : await signInPage("/grants");
    },
  };
}

/**
 * Clients open the consent in a window of their own and wait for it to come back, which a page that cuts itself off
 * from its opener never does: on that way alone the window keeps it.
 */
function forOpener(path: string, response: Response): Response {
  if (/^\/authorize(\?|$)/.test(path)) response.headers.set("Cross-Origin-Opener-Policy", "unsafe-none");
  return response;
}

interface Refusal {
  readonly message: string;
  readonly retryAfterSeconds: number | null;
}

function signInPage(next: string, refusal: Refusal | null = null): Promise<Response> {
  const retryAfter = refusal?.retryAfterSeconds ?? null;
  return page({
    title: "Sign in",
    status: refusal === null ? 200 : retryAfter === null ? 403 : 429,
    ...(retryAfter !== null && { headers: { "Retry-After": String(retryAfter) } }),
    body: html`${refusal === null ? "" : html`<p class="warning" role="alert">${refusal.message}</p>`}
      <form method="post" action="/sign-in">
        <input type="hidden" name="next" value="${next}" />
        <label
          >The owner's passphrase
          <input type="password" name="passphrase" autocomplete="current-password" required autofocus
        /></label>
        <button>Sign in</button>
      </form>`,
  });
}

/** A path of this site, whatever a form says. */
function localPath(next: unknown, publicUrl: string): string {
  if (typeof next !== "string" || !next.startsWith("/")) return "/grants";
  const url = URL.canParse(next, publicUrl) ? new URL(next, publicUrl) : null;
  return url?.origin === publicUrl ? `${url.pathname}${url.search}` : "/grants";
}

/** Null for what is no form of ours: of another type, too large, or too slow. */
async function formOf(request: Request): Promise<URLSearchParams | null> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers.get("Content-Type") ?? "")) return null;
  const { pathname, origin } = new URL(request.url);
  const mostBytes = pathname === "/authorize" ? bodySizes.largeForm : bodySizes.form;
  const body = await readForm(request, mostBytes, addressOf(request, origin));
  return body.ok ? new URLSearchParams(textOf(body.bytes) ?? "") : null;
}
