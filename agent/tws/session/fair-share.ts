import { AsyncLocalStorage } from "node:async_hooks";

/**
 * On whose behalf something happens, all the way down to the messages to TWS, without each function in between passing
 * it on. It is for fair shares alone: what somebody may do is decided by the `Caller` that is passed.
 */
const grants = new AsyncLocalStorage<string>();

/** Runs `work` on behalf of a grant. */
export const runAs = <T>(grantId: string, work: () => T): T => grants.run(grantId, work);

/** The grant on whose behalf this runs; empty for what the agent does by itself. */
export const currentGrant = (): string => grants.getStore() ?? "";
