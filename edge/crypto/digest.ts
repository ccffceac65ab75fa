import type { IntentName } from "../../shared/errors.ts";

/** SHA-256 of a text, in hex. */
export async function sha256Of(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The id of the order intent of a grant under a key, as the agent computes it too. */
export async function intentOf(grantId: string, idempotencyKey: string): Promise<IntentName> {
  const digest = await sha256Of(`${grantId}/${idempotencyKey}`);
  return { intentId: `ag1:${digest.slice(0, 24)}`, idempotencyKey };
}
