import { TwsError } from "../shared/errors.ts";
import type { Settings } from "./config/settings.ts";

/** How long a reader may go by it (RFC 9116 recommends less than a year). */
const goodForMs = 180 * 24 * 3_600_000;

/** `/.well-known/security.txt`: where to report a hole in this edge. Throws where its owner has named no place. */
export function securityText({ securityContact, publicUrl }: Settings): Response {
  if (securityContact === null) {
    throw new TwsError("unknown_resource", "The owner of this edge has not said where to report a hole.", {
      nextStep: "The owner can set SECURITY_CONTACT to a mailto: or https: address.",
    });
  }
  const lines = [
    `Contact: ${securityContact}`,
    `Expires: ${new Date(Date.now() + goodForMs).toISOString()}`,
    "Preferred-Languages: en",
    ...(publicUrl === null ? [] : [`Canonical: ${publicUrl}/.well-known/security.txt`]),
  ];
  return new Response(`${lines.join("\n")}\n`, { headers: { "Content-Type": "text/plain; charset=utf-8" } });
}
