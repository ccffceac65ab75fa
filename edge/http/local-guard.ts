import { TwsError } from "../../shared/errors.ts";

/**
 * Local mode asks for no login, so it must answer this computer alone. The Host header gives away a foreign name that
 * was made to resolve to this address (DNS rebinding), and Origin the page of another site.
 */
export function guardLocal(request: Request, allowedOrigins: ReadonlySet<string>): void {
  const host = request.headers.get("Host") ?? hostOfUrl(request.url);
  if (!isLoopbackHost(host)) {
    throw new TwsError("forbidden", "Without sign-in (AUTH=off) this edge answers only on localhost.", {
      nextStep: "Use http://localhost or http://127.0.0.1.",
    });
  }
  const origin = request.headers.get("Origin");
  if (origin !== null && !isAllowedOrigin(origin, allowedOrigins)) {
    throw new TwsError("forbidden", "Pages of this origin may not use this edge.", {
      nextStep: "The owner can list the origin in ALLOWED_ORIGINS.",
    });
  }
}

const isLoopbackHost = (host: string): boolean =>
  /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(host.trim());

function isAllowedOrigin(origin: string, allowed: ReadonlySet<string>): boolean {
  if (allowed.has(origin)) return true;
  return /^https?:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(origin);
}

function hostOfUrl(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "";
}
