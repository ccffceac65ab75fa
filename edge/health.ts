import { accessOf, type Env, hostOf } from "./config/bindings.ts";
import { version } from "./config/version.ts";
import type { Health } from "./rpc/host.ts";

/** Objects answer from memory; one that takes longer is part of what is being asked about. */
const objectWithinMs = 2_000;

/** The variables are wrong, so nothing else is served. Which ones, the other routes say. */
export const misconfigured = (): Response => Response.json({ status: "misconfigured", version });

/** The worst hop in one word, which a monitor watches; the HTTP status says only that the edge itself answers. */
type Overall = "healthy" | "degraded" | "unavailable";

const fromBest = ["healthy", "degraded", "unavailable"] as const satisfies readonly Overall[];

const worstOf = (all: readonly Overall[]): Overall =>
  fromBest.findLast((one) => all.includes(one)) ?? "unavailable";

/**
 * `unavailable`: calls cannot be answered, since the edge's own object, the agent or TWS is not there. `degraded`: they
 * can, and something is wrong all the same.
 */
export function overallOf({ edge, agent, tws, farms }: Health): Overall {
  const isAgentHere = agent.state === "connected" || agent.state === "conflict";
  if (edge.state !== "running" || !isAgentHere || tws.state !== "connected") return "unavailable";
  // a hop that needs nothing done has no next step
  return [edge, agent, tws, ...farms].every(({ nextStep }) => nextStep === "") ? "healthy" : "degraded";
}

/** How long strangers are told the same word, so that asking often costs no more. */
const toldForMs = 1_000;
let told: { readonly status: Overall; readonly asOf: string; readonly until: number } | null = null;

/** For anyone: the worst of all hosts in one word, and nothing of any hop. */
export async function plainHealth(env: Env): Promise<Response> {
  const now = Date.now();
  if (told === null || told.until <= now) {
    const asOf = new Date(now).toISOString();
    told = { status: await overallOfHosts(env), asOf, until: now + toldForMs };
  }
  const { status, asOf } = told;
  return Response.json({ status, asOf, version });
}

async function overallOfHosts(env: Env): Promise<Overall> {
  try {
    const hostIds = await withinTime(accessOf(env).hostIds());
    const healths = await Promise.all(hostIds.map((hostId) => askHops(env, hostId)));
    return worstOf(healths.map(overallOf));
  } catch (error) {
    console.error("the object that knows the hosts did not answer", error);
    return "unavailable";
  }
}

/** Health of every hop. It is an answer even when no hop can be reached. */
export async function healthOfHops(env: Env, hostId: string): Promise<Response> {
  const asOf = new Date().toISOString();
  const hops = await askHops(env, hostId);
  return Response.json({ status: overallOf(hops), asOf, version, hops });
}

/** How every hop is, in two seconds at most. */
export async function askHops(env: Env, hostId: string): Promise<Health> {
  try {
    return await withinTime(hostOf(env, hostId).health());
  } catch (error) {
    console.error("the host's object did not answer", error);
    return unreachable;
  }
}

/** The answer of an object; rejects when it takes too long. */
async function withinTime<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${objectWithinMs} ms`)), objectWithinMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

const unknown = { state: "unknown", since: null, asOf: null, nextStep: "" } as const;

const unreachable: Health = {
  edge: {
    state: "degraded",
    since: null,
    asOf: null,
    nextStep: "The host's object does not answer. Try again; if it lasts, look at the edge's log.",
  },
  agent: unknown,
  tws: unknown,
  farms: [],
};
