import { AsyncLocalStorage } from "node:async_hooks";

/**
 * On whose behalf something happens, all the way down to the messages to TWS, without each function in between passing
 * it on. It is for fair shares alone: what somebody may do is decided by the `Caller` that is passed.
 */
const askers = new AsyncLocalStorage<string>();

/** Runs `work` on behalf of a grant. */
export const askedBy = <T>(grantId: string, work: () => T): T => askers.run(grantId, work);

/** The grant on whose behalf this runs; empty for what the agent does by itself. */
export const asker = (): string => askers.getStore() ?? "";
