import { z } from "zod";

/** What a session tells a Worker that holds one of its streams: the resources whose updates that stream carries now. */
export const SessionFrame = z.object({ type: z.literal("subscriptions"), uris: z.array(z.string()) });
export type SessionFrame = z.infer<typeof SessionFrame>;

/** What a client may answer when it is asked to show something. */
export const ElicitAnswer = z.enum(["accept", "decline", "cancel"]);
export type ElicitAnswer = z.infer<typeof ElicitAnswer>;

/** The object of this class that is no session, and keeps the secret that signs their ids. */
export const signingObject = "signing-secret";

/** What the Worker may ask of the object of one session by RPC. Its streams and its questions go through `fetch`. */
export interface SessionRpc {
  /** The client's answer to a question, which counts once. Ids that nobody waits for are ignored. */
  answer(question: string, answer: ElicitAnswer): Promise<void>;
  /** The client has withdrawn a call: what was asked for its sake is not waited for any more. */
  withdraw(call: string): Promise<void>;
  isOver(): Promise<boolean>;
  /** False when the session follows as many resources as it may. `expiresAt` in Unix milliseconds. */
  subscribe(uri: string, expiresAt: number): Promise<boolean>;
  unsubscribe(uri: string): Promise<void>;
  /** The client is done; its id is refused from now on. */
  end(expiresAt: number): Promise<void>;
  /** The secret that signs session ids. Kept by one object of this class, which is not a session. */
  signingSecret(): Promise<string>;
  /** Makes another one. Every session ends with the old one, and its client initialises again. */
  renewSigningSecret(): Promise<void>;
}
