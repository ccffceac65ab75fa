import { z } from "zod";

/** `tws:read` sees; `tws:trade` also changes orders, and what all clients of the host share. */
export const Scope = z.enum(["tws:read", "tws:trade"]);
export type Scope = z.infer<typeof Scope>;

/** Who makes a call, as the edge has established it. The agent holds every call to it again. */
export const Caller = z.object({
  /** Names the grant: what this caller starts belongs to it. */
  grantId: z.string().min(1).max(100),
  client: z.string().max(200),
  scopes: z.array(Scope),
  /** Accounts the grant covers; null is all of them. */
  accounts: z.array(z.string()).nullable(),
});
export type Caller = z.infer<typeof Caller>;

export const ownerOfLocalMode: Caller = {
  grantId: "local",
  client: "local",
  scopes: ["tws:read", "tws:trade"],
  accounts: null,
};
