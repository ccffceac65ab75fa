import { z } from "zod";

/** How an agent proves itself to an edge: the words of keys, proofs, pairing and script tokens. docs/protocol.md describes them. */

/** What a proof may be made for. Each address has proofs of its own: one made for another is refused. */
export const proofPaths = {
  agent: "/api/v1/agent",
  pair: "/api/v1/pair",
  tokens: "/api/v1/tokens",
  rotate: "/api/v1/pair/rotate",
} as const;
export type ProofPurpose = keyof typeof proofPaths;

export const proofTimes = {
  /** How far the clocks of agent and edge may differ. */
  skewS: 60,
  /** How long a proof is good for; within it, once. */
  lifeS: 60,
} as const;

const base64url = (bytes: number) =>
  z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${Math.ceil((bytes * 4) / 3)}}$`));

/** The public half of an agent's key, as a JWK. Other fields of a JWK are dropped. */
export const PublicKey = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: base64url(32),
});
export type PublicKey = z.infer<typeof PublicKey>;

/** Names a key: its thumbprint by RFC 7638. */
export const KeyId = base64url(32);

export const pairingTimes = { codeS: 600, pollMs: 2_000 } as const;

/** Without the look-alikes 0 O 1 I L and U V. */
export const codeAlphabet = "23456789ABCDEFGHJKMNPQRSTWXYZ";
export const codeLength = 8;
const codePattern = new RegExp(`^[${codeAlphabet}]{${codeLength}}$`);

/** The code as it is kept, from what somebody typed; null if it cannot be one. */
export function readCode(text: string): string | null {
  const code = text.toUpperCase().replaceAll(/[\s-]/g, "");
  return codePattern.test(code) ? code : null;
}

/** As people read it: two halves. */
export const showCode = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`;

const printable = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[^\p{Cc}\p{Cf}]*$/u);

export const HostName = printable(60).pipe(z.string().trim().min(1));

/** The body of POST /api/v1/pair. */
export const PairRequest = z.object({
  publicKey: PublicKey,
  machine: printable(200),
  /** What the machine's owner would call the host; null lets the owner of the edge choose. */
  suggestedName: HostName.nullable(),
  /** One that the owner has made at the edge; null asks for one that the owner then enters there. */
  code: z.string().max(40).nullable(),
});
export type PairRequest = z.infer<typeof PairRequest>;

/** The answers of POST /api/v1/pair, and of /api/v1/pair/poll. */
export const PairAnswer = z.discriminatedUnion("state", [
  z.object({
    state: z.literal("waiting"),
    code: z.string().max(40),
    /** Where the owner enters the code. */
    pairUrl: z.string().max(500),
    expiresAt: z.string(),
    /** For the poll: together with a proof of the key. */
    pollSecret: z.string().max(100),
  }),
  z.object({ state: z.literal("open"), expiresAt: z.string() }),
  z.object({ state: z.literal("paired"), hostId: z.string().max(100), hostName: z.string().max(100) }),
  /** The owner said no. */
  z.object({ state: z.literal("declined") }),
  z.object({ state: z.literal("expired") }),
]);
export type PairAnswer = z.infer<typeof PairAnswer>;

export const PollRequest = z.object({ publicKey: PublicKey, pollSecret: z.string().max(100) });

/** The body of POST /api/v1/pair/rotate, whose bearer is a proof by the key of now. */
export const RotateRequest = z.object({
  publicKey: PublicKey,
  /** A proof by the new key, for the same purpose. */
  proof: z.string().max(4_096),
});

/** The answer: the key was taken, and the one of before is revoked. */
export const RotateAnswer = z.object({ hostId: z.string().max(100), hostName: z.string().max(100) });

/** Script tokens. */
export const tokenTimes = { leastS: 60, mostS: 30 * 86_400 } as const;

/** A script token as the edge lists it; the token itself is nowhere kept. */
export const TokenView = z.object({
  id: z.string().max(100),
  name: z.string().max(100),
  scopes: z.array(z.string().max(50)),
  accounts: z.array(z.string().max(50)).nullable(),
  toolset: z.enum(["core", "full"]),
  audience: z.string().max(500),
  createdAt: z.string(),
  expiresAt: z.string(),
  revokedAt: z.string().nullable(),
  lastUsedAt: z.string().nullable(),
});
export type TokenView = z.infer<typeof TokenView>;

export const TokenList = z.object({ tokens: z.array(TokenView) });

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const consonants = "bdfghjklmnprstvz";
const vowels = "aiou";

/**
 * The start of a key's thumbprint in four words that can be said aloud and compared at a glance (proquints, 64 bits):
 * the machine and the edge show the same words for the same key.
 */
export function fingerprintOf(keyId: string): string {
  const bits = Array.from(keyId.slice(0, 11), (letter) =>
    Math.max(0, letters.indexOf(letter)).toString(2).padStart(6, "0"),
  ).join("");
  const part = (from: number, length: number) => Number.parseInt(bits.slice(from, from + length), 2);
  const word = (at: number) =>
    [
      consonants[part(at, 4)],
      vowels[part(at + 4, 2)],
      consonants[part(at + 6, 4)],
      vowels[part(at + 10, 2)],
      consonants[part(at + 12, 4)],
    ].join("");
  return [0, 16, 32, 48].map(word).join("-");
}
