import { linkTimes } from "../../shared/deadlines.ts";
import type { AgentStatus, Hop } from "../../shared/status.ts";
import type { Caller } from "../../shared/caller.ts";
import { version } from "../config/version.ts";
import type { AuditState, FarmHop, Health } from "../rpc/host.ts";
import type { AgentRecord, Rival, Store } from "./storage/store.ts";

/** How long a second agent is worth mentioning after it was last seen. */
const rivalMemoryMs = 10 * 60_000;

/** Notes since when this release runs here. */
export function noteRelease(store: Store): void {
  if (store.fact("edge_version") === version) return;
  store.setFact("edge_version", version);
  store.setFact("edge_since", new Date().toISOString());
}

export function healthOf(store: Store, heardAt: number | null): Health {
  const agent = store.agent();
  const isHere = agent !== null && heardAt !== null;
  // all that is known beyond the edge is as old as the agent's last sign of life
  const asOf = heardAt === null ? null : new Date(heardAt).toISOString();
  return {
    edge: { state: "running", since: store.fact("edge_since"), asOf: new Date().toISOString(), nextStep: "" },
    agent: { ...agentHop(agent, heardAt !== null), asOf },
    tws: isHere ? { ...twsHop(agent.status.tws), asOf } : unknownTws,
    farms: isHere ? agent.status.farms.map((farm) => ({ ...farmHop(farm), asOf })) : [],
  };
}

/** The result of ibkr_get_status. Accounts and target stay as last known while the agent is away. */
export function statusOf(store: Store, heardAt: number | null, audit: AuditState, caller: Caller) {
  const { edge, agent, tws, farms } = healthOf(store, heardAt);
  const status = store.agent()?.status ?? null;
  const known = status?.tws ?? null;
  const trading = status?.trading ?? null;
  const accounts = known?.accounts ?? [];
  return {
    is_connected: heardAt !== null && known?.state === "connected",
    edge,
    agent,
    tws,
    farms,
    accounts: caller.accounts === null ? accounts : accounts.filter((id) => caller.accounts?.includes(id)),
    mode: known?.mode ?? null,
    isSimulator: known?.isSimulator ?? null,
    marketDataType: known?.dataTypes.length === 1 ? (known.dataTypes[0] ?? null) : null,
    marketDataTypeAsked: known?.marketDataType ?? null,
    target: known === null ? null : targetOf(known),
    trading: trading === null ? null : { ...trading, audit },
  };
}

const targetOf = ({ host, port, clientId, connection, serverVersion, lastError }: AgentStatus["tws"]) => ({
  host,
  port,
  clientId,
  connection,
  serverVersion,
  lastError,
});

function agentHop(agent: AgentRecord | null, isUp: boolean): Omit<Hop, "asOf"> {
  if (agent === null) {
    return {
      state: "never_connected",
      since: null,
      nextStep: "Start the agent on the computer where TWS runs, with EDGE_URL set to this edge.",
    };
  }
  const { since, rival } = agent;
  // one that is refused is a conflict also while the other is away
  const isRefused = rival?.isRefused === true && rivalProblem(rival, agent) !== "";
  if (isUp || isRefused) {
    const problem = rival === null ? "" : rivalProblem(rival, agent);
    return { state: problem === "" ? "connected" : "conflict", since, nextStep: problem };
  }
  switch (agent.presence) {
    case "stopped":
      return { state: "stopped", since, nextStep: "The agent was stopped. Start it again beside TWS." };
    // here but not up cannot be: asking whether it is up writes down that it is not
    case "here":
    case "lost":
    case "silent":
      return {
        state: "offline",
        since,
        nextStep:
          "The agent reconnects by itself. If it does not, check that its computer is awake, online and runs the agent.",
      };
    default:
      return agent.presence satisfies never;
  }
}

/** Empty unless two agents are alive at once: one that merely restarted on the same machine is no problem. */
function rivalProblem(rival: Rival, agent: AgentRecord): string {
  const isRecent = Date.now() - Date.parse(rival.seenAt) < rivalMemoryMs;
  if (isRecent && rival.isRefused) {
    return `Another agent, on ${rival.machine}, asks for this host with an order journal of its own and is refused, since it would not know which keys were used. Stop one of the two; where the first is gone for good, the other is let in after ${linkTimes.otherJournalAfterMs / 60_000} minutes.`;
  }
  if (!isRecent || (rival.machine === agent.machine && !rival.hasReturned)) return "";
  return rival.machine === agent.machine
    ? "Two agents run on one machine and push each other out. Stop one of them."
    : "Agents on two machines connect as this host and push each other out. Stop one of them.";
}

const unknownTws: Hop = {
  state: "unknown",
  since: null,
  asOf: null,
  nextStep: "Only the agent can tell; see the agent's own next step.",
};

const readOnlyApi =
  "The API of TWS is read-only: reading works, orders and their lists do not. For orders turn off Read-Only API in TWS or IB Gateway, under Configure → API → Settings.";

function twsHop({ state, since, host, port, isReadOnlyApi }: AgentStatus["tws"]): Omit<Hop, "asOf"> {
  switch (state) {
    case "connected":
      return { state, since, nextStep: isReadOnlyApi ? readOnlyApi : "" };
    case "connecting":
      return {
        state,
        since,
        nextStep: `The agent keeps trying ${host}:${port}. Check that TWS or IB Gateway runs, is logged in, and has its API enabled on that port.`,
      };
    case "upstream_down":
      return {
        state,
        since,
        nextStep:
          "TWS has lost IBKR, as it does nightly for some minutes. Wait; if it lasts, look at TWS itself.",
      };
    case "stopped":
      return { state, since, nextStep: "Call ibkr_connect to start the session again." };
    default:
      return state satisfies never;
  }
}

function farmHop(farm: AgentStatus["farms"][number]): Omit<FarmHop, "asOf"> {
  switch (farm.state) {
    // inactive means unused: it wakes when asked
    case "ok":
    case "inactive":
      return { ...farm, nextStep: "" };
    case "connecting":
    case "broken":
      return { ...farm, nextStep: "TWS reconnects by itself; data of this farm is missing meanwhile." };
    default:
      return farm.state satisfies never;
  }
}
