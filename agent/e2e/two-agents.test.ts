import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { type Agent, createAgent } from "../agent.ts";
import { inMemory, type JournalFile, openJournalFile } from "../journal/database.ts";
import { conflictOf } from "../journal/conflicts.ts";
import { startEmbeddedEdge } from "../local/embedded-edge.ts";
import { silentLog } from "../process/log.fixture.ts";
import { startSimulator } from "../simulator/server.ts";
import { eventually, plainCaller } from "./clients/clients.ts";

const order = { symbol: "AAPL", action: "BUY", quantity: 10, orderType: "LMT", limitPrice: 1 };

/** A real edge for one host, a simulator, and agents with journals of their own. */
async function startHost() {
  const simulator = await startSimulator({ port: 0, seed: 7 });
  const token = randomBytes(16).toString("hex");
  const edge = await startEmbeddedEdge({
    host: "127.0.0.1",
    port: 0,
    variables: { AUTH: "off", AGENT_TOKEN: token, ALLOWED_ORIGINS: "", PUBLIC_URL: "" },
    persistTo: null,
    log: silentLog,
  });
  const agents: Agent[] = [];
  onTestFinished(async () => {
    for (const agent of agents) await agent.close();
    await edge.close();
    await simulator.close();
  });

  /** An agent whose session with TWS is up. */
  async function begin(clientId: number, journalFile: JournalFile): Promise<Agent> {
    const agent = createAgent({
      config: { clientId, limits: { trading: "paper", onlyAccount: null } },
      tws: { host: simulator.host, port: simulator.port, isSimulator: false },
      edge: {
        url: `${edge.origin.replace(/^http/, "ws")}/api/v1/agent`,
        authorization: () => Promise.resolve(`Bearer ${token}`),
      },
      linkTimes: { firstWaitMs: 20, longestWaitMs: 100, replacedWaitMs: 100 },
      log: silentLog,
      journalFile,
    });
    agents.push(agent);
    await agent.session.whenConnected(10_000);
    return agent;
  }
  const ask = plainCaller(`${edge.origin}/api/v1/mcp`);
  const placed = () => simulator.received().filter(({ id }) => id === 3).length;
  return { begin, ask, placed, simulator };
}

const newJournal = () => openJournalFile({ path: inMemory, exclusive: true });
const linked = (agent: Agent, state: string) =>
  eventually(
    async () => agent.linkState(),
    (now) => now.state === state,
  );

test("a second agent with a journal of its own is refused, takes over after the first, and places no key again", async () => {
  const { begin, ask, placed, simulator } = await startHost();
  const key = (idempotencyKey: string) => ({ ...order, idempotencyKey });
  const [journal, otherJournal] = [newJournal(), newJournal()];
  const first = await begin(1, journal);
  await first.whenLinked(10_000);
  const second = await begin(2, otherJournal);
  await linked(second, "waiting");
  expect(second.linkState()).toMatchObject({ reason: expect.stringContaining("order journal of its own") });
  const words = await eventually(
    async () => [journal, otherJournal].map((file) => file.read(conflictOf)?.words ?? ""),
    (both) => both.every((text) => text !== ""),
  );
  expect(words[0]).toContain("has asked for this host");
  expect(await ask("ibkr_get_status")).toMatchObject({ is_connected: true, agent: { state: "conflict" } });

  // the first places after the second has read TWS's lists
  const one = await ask("ibkr_place_order", key("k"));
  const market = { ...order, orderType: "MKT", limitPrice: undefined, idempotencyKey: "filled" };
  const filled = await ask("ibkr_place_order", market);
  await first.close();
  await second.whenLinked(20_000);
  expect(await ask("ibkr_place_order", key("k"))).toMatchObject({ permId: one["permId"] });
  expect(await ask("ibkr_place_order", market)).toMatchObject({ permId: filled["permId"] });
  expect(placed()).toBe(2);
  expect(simulator.world.ledger.openOrders()).toHaveLength(1);
  expect(otherJournal.read(conflictOf)).toBeNull();
});
