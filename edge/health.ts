import { type Env, hostOf } from "./config/bindings.ts";
import { version } from "./config/version.ts";
import type { Health } from "./rpc/host.ts";

/** The host's object answers from memory; one that takes longer is part of what is being asked about. */
const hostWithinMs = 2_000;

/** The variables are wrong, so nothing else is served. Which ones, the other routes say. */
export const misconfigured = (): Response => Response.json({ status: "misconfigured", version });

/** For anyone: that the edge answers. */
export const plainHealth = (): Response => Response.json({ status: "healthy", version });

/** Health of every hop. It is an answer even when no hop can be reached. */
export async function healthOfHops(env: Env, hostId: string): Promise<Response> {
  const hops = await askHops(env, hostId);
  return Response.json({ status: "healthy", version, hops });
}

/** How every hop is, in two seconds at most. */
export async function askHops(env: Env, hostId: string): Promise<Health> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<Health>((resolve) => {
    timer = setTimeout(() => resolve(unreachable), hostWithinMs);
  });
  try {
    return await Promise.race([hostOf(env, hostId).health(), late]);
  } catch (error) {
    console.error("the host's object did not answer", error);
    return unreachable;
  } finally {
    clearTimeout(timer);
  }
}

const unknown = { state: "unknown", since: null, nextStep: "" } as const;

const unreachable: Health = {
  edge: {
    state: "degraded",
    since: null,
    nextStep: "The host's object does not answer. Try again; if it lasts, look at the edge's log.",
  },
  agent: unknown,
  tws: unknown,
  farms: [],
};
