import { TwsError } from "../../shared/errors.ts";
import type { AccessSettings } from "../config/settings.ts";

/** With sign-in the edge has one name, and answers pages of its own origin and of those that the owner listed. */
export function guardPublic(
  request: Request,
  { publicUrl }: AccessSettings,
  allowedOrigins: ReadonlySet<string>,
  underAnyName: boolean,
): void {
  if (underAnyName) return guardOrigin(request, publicUrl, allowedOrigins);
  const host = request.headers.get("Host")?.trim() ?? new URL(request.url).host;
  // the header may name the port that the scheme has anyway
  const url = URL.parse(`${new URL(publicUrl).protocol}//${host}`);
  if (url?.origin !== publicUrl || url.username !== "" || url.pathname !== "/") {
    throw new TwsError("forbidden", "This edge does not answer under this name.", {
      nextStep: "Use the address in PUBLIC_URL.",
    });
  }
  guardOrigin(request, publicUrl, allowedOrigins);
}

function guardOrigin(request: Request, publicUrl: string, allowedOrigins: ReadonlySet<string>): void {
  const origin = request.headers.get("Origin");
  if (origin !== null && origin !== publicUrl && !allowedOrigins.has(origin)) {
    throw new TwsError("forbidden", "Pages of this origin may not use this edge.", {
      nextStep: "The owner can list the origin in ALLOWED_ORIGINS.",
    });
  }
}
