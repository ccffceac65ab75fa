import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { trader } from "../handlers/handlers.fixture.ts";
import { verifyChain } from "../journal/audit-trail.ts";
import { openJournalFile } from "../journal/database.ts";
import { startSimulator } from "../simulator/server.ts";
import { createTable, type Fault, fillBefore, playCells } from "./chaos/crash-matrix.ts";
import { type Operation, operations, type Rig } from "./chaos/crash-operations.ts";
import { bundleAgent, type Death, startKillableAgent } from "./rigs/killable-agent.ts";

/** The agent's process is killed before and after each write to its journal, and started anew. */

const table = createTable(
  "agent killed",
  operations.map(({ name }) => name),
);
let folder = "";
let program = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tws-edge-kills-"));
  program = await bundleAgent(folder);
}, 60_000);
afterAll(() => {
  console.log(table.text());
  rmSync(folder, { recursive: true });
});

interface KillableRig extends Rig {
  /** Kills the agent at a write, and resolves when another has taken its place. */
  readonly dying: (death: Death) => Fault;
  close(): Promise<void>;
}

async function startRig(name: string): Promise<KillableRig> {
  const simulator = await startSimulator({ port: 0, seed: 7, maxMessagesPerSecond: 500 });
  const agent = await startKillableAgent(program, join(folder, `${name}.db`), simulator.port);
  await fillBefore(agent.peer.ask);
  return {
    ask: agent.peer.ask,
    simulator,
    grantId: trader.grantId,
    dying: (death) => async (act) => {
      await agent.arm(death);
      await act();
      expect(await agent.replaced()).toBe("SIGKILL");
    },
    async close() {
      await agent.close();
      await simulator.close();
      const file = openJournalFile({ path: agent.journal, exclusive: true });
      expect(file.read((db) => verifyChain(db))).toBeNull();
      file.close();
    },
  };
}

const nameOf = ({ phase, step, nth }: Death) => `${phase} ${step}${nth > 1 ? ` ${nth}` : ""}`;

const deathsOf = ({ steps }: Operation): Death[] =>
  Object.entries(steps).flatMap(([step, times]) =>
    Array.from({ length: times }, (_, at) => at + 1).flatMap((nth) =>
      (["before", "after"] as const).map((phase) => ({ step, phase, nth })),
    ),
  );

describe.concurrent("wherever the agent is killed", () => {
  test.for(operations)("$name: once, or not at all", { timeout: 120_000 }, async (operation) => {
    const rig = await startRig(operation.name.replaceAll(" ", "-"));
    try {
      const faults = new Map(deathsOf(operation).map((death) => [nameOf(death), rig.dying(death)]));
      expect(await playCells(rig, operation, faults, table)).toEqual([]);
    } finally {
      await rig.close();
    }
  });
});
