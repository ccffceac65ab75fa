import { z } from "zod";
import { sha256Of } from "../../crypto/digest.ts";
import type { OAuthStorage } from "./oauth-storage.ts";

/**
 * Refresh tokens of a grant, of which each is good once (RFC 9700, 4.14). Whoever brings a spent one has a copy, or
 * somebody else has: the grant ends. The one exception is the token spent last, within seconds, for a client whose
 * answer was lost on its way.
 */

/** How long a client may ask again with the token that it has spent last. */
export const lostAnswerMs = 30_000;
/** Renewals of one grant. Hourly ones need a quarter of it in 90 days; what is spent must all be remembered. */
const mostRenewals = 10_000;

/** The part of the OAuth library's grant that names its refresh tokens, by their SHA-256 in hex. */
const Grant = z.object({
  refreshTokenId: z.string().optional(),
  previousRefreshTokenId: z.string().optional(),
});

/** `pass` leaves the answer to the library, which also refuses what was never a token. */
export type Verdict = "pass" | "reused" | "worn_out";

const spentPrefix = (grantId: string): string => `spent:${grantId}:`;

/** Looks at a refresh token before the library does. `expiresAt` is the end of the grant, in Unix milliseconds. */
export async function judgeRefresh(
  storage: OAuthStorage,
  {
    grantId,
    token,
    expiresAt,
  }: { readonly grantId: string; readonly token: string; readonly expiresAt: number },
  nowMs: number,
): Promise<Verdict> {
  const { keys } = await storage.list({ prefix: `grant:${grantId}:`, limit: 1 });
  const grant = Grant.parse((await storage.get(keys[0]?.name ?? "", "json")) ?? {});
  const id = await sha256Of(token);
  if (id !== grant.refreshTokenId) {
    const spentAt = await storage.get(`${spentPrefix(grantId)}${id}`);
    if (id !== grant.previousRefreshTokenId) return spentAt === null ? "pass" : "reused";
    if (spentAt === null || nowMs - Number(spentAt) > lostAnswerMs) return "reused";
  }
  if (grant.refreshTokenId === undefined) return "pass";
  if (storage.count(spentPrefix(grantId)) >= mostRenewals) return "worn_out";
  // written before the library replaces it, so that no crash leaves a spent token that nobody remembers
  await storage.put(`${spentPrefix(grantId)}${grant.refreshTokenId}`, String(nowMs), {
    expiration: Math.ceil(expiresAt / 1000),
  });
  return "pass";
}
