import { z } from "zod";

/** `tws:read` sees; `tws:trade` also changes orders, and what all clients of the host share. */
export const Scope = z.enum(["tws:read", "tws:trade"]);
export type Scope = z.infer<typeof Scope>;

/** `core` has the tools most used, `full` has all. */
export const Toolset = z.enum(["core", "full"]);
export type Toolset = z.infer<typeof Toolset>;

/** The name of the one TWS host of a deployment that has not named any. */
export const defaultHostId = "default";

/** Who makes a call, as the edge has established it. The agent holds every call to it again. */
export const Caller = z.object({
  /** Names the grant: what this caller starts belongs to it. */
  grantId: z.string().min(1).max(100),
  client: z.string().max(200),
  scopes: z.array(Scope),
  /** Accounts the grant covers; null is all of them. */
  accounts: z.array(z.string()).nullable(),
  /** The TWS host that the grant is for. */
  hostId: z.string().min(1).max(100),
  /** Which tools are listed and may be called. */
  toolset: Toolset,
  /** After this nothing is done for this caller; null is never. */
  expiresAt: z.iso.datetime().nullable(),
});
export type Caller = z.infer<typeof Caller>;

export const ownerOfLocalMode: Caller = {
  grantId: "local",
  client: "local",
  scopes: ["tws:read", "tws:trade"],
  accounts: null,
  hostId: defaultHostId,
  toolset: "full",
  expiresAt: null,
};

/** Whether what this caller was granted is over. */
export const isExpired = ({ expiresAt }: Caller, nowMs: number): boolean =>
  expiresAt !== null && Date.parse(expiresAt) <= nowMs;
