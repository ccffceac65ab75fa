import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startAgent, trader } from "../handlers/handlers.fixture.ts";
import { openJournalFile } from "../journal/database.ts";
import { verifyChain } from "../journal/audit-trail.ts";
import type { OrderFaults } from "../simulator/faults/order-faults.ts";
import { startSimulator, type Simulator } from "../simulator/server.ts";
import { eventually } from "./clients/clients.ts";
import {
  createTable,
  emptyForMs,
  type Fault,
  fillBefore,
  playCells,
  quickReconcile,
} from "./chaos/crash-matrix.ts";
import { type Operation, operations, type Rig } from "./chaos/crash-operations.ts";
import { plainAsk } from "./rigs/dispatch-client.ts";

/** Everything that TWS and the line to it can do to an order, in each moment, over a real socket. */

const table = createTable(
  "TWS",
  operations.map(({ name }) => name),
);
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tws-edge-crashes-"));
});
afterAll(() => {
  console.log(table.text());
  rmSync(folder, { recursive: true });
});

interface TwsRig extends Rig {
  readonly agent: ReturnType<typeof startAgent>;
  readonly back: () => Promise<void>;
}

async function startRig(name: string): Promise<TwsRig & { close(): Promise<void> }> {
  const simulator = await startSimulator({ port: 0, seed: 7, maxMessagesPerSecond: 500 });
  const journalFile = openJournalFile({ path: join(folder, `${name}.db`), exclusive: true });
  const agent = startAgent({
    port: simulator.port,
    journalFile,
    limits: { ordersPerMinute: 10_000 },
    reconcileTimes: quickReconcile,
    orderTimes: {
      ackMs: 400,
      settleMs: 20,
      afterRefusalMs: 100,
      fillMs: 300,
      listMs: 1_500,
      backWithinMs: 2_000,
    },
    sessionTimes: { retryFirstMs: 20, retryCapMs: 50 },
  });
  const back = () => agent.session.whenConnected(10_000);
  await back();
  await fillBefore(plainAsk(agent.handlers));
  return {
    ask: plainAsk(agent.handlers),
    simulator,
    grantId: trader.grantId,
    agent,
    back,
    async close() {
      expect(journalFile.read((db) => verifyChain(db))).toBeNull();
      await agent.close();
      await simulator.close();
    },
  };
}

const faulty =
  (rig: TwsRig, faults: OrderFaults, before: () => void = () => {}): Fault =>
  async (act) => {
    before();
    rig.simulator.faults.orders(faults);
    await act();
    rig.simulator.faults.orders({});
    await rig.back();
    rig.simulator.faults.rollbackNextValidId(0);
  };

const cancelOrder = 4;
const cancels = (simulator: Simulator) => simulator.received().filter(({ id }) => id === cancelOrder).length;

/** A cancellation is cut off by other means: it has no fault of its own. */
function cutCancel(rig: TwsRig, isRead: boolean): Fault {
  const { simulator } = rig;
  const { faults } = simulator;
  return async (act) => {
    if (isRead) {
      const off = simulator.world.ledger.listen((event) => {
        if (event.type === "status" && event.order.status === "PendingCancel") faults.dropConnections();
      });
      await act();
      off();
    } else {
      const before = cancels(simulator);
      faults.mute(true);
      const answer = act();
      await eventually(
        async () => cancels(simulator),
        (count) => count > before,
      );
      faults.dropConnections();
      faults.mute(false);
      await answer;
    }
    await rig.back();
  };
}

/** What can go wrong with one operation, by name. */
function faultsOf(rig: TwsRig, { messages }: Operation): Readonly<Record<string, Fault>> {
  const { faults } = rig.simulator;
  const drops = ["before-reading", "after-reading", "after-acknowledging"] as const;
  const rollBack = () => faults.rollbackNextValidId(5);
  const cuts =
    messages === 0
      ? { "cut before reading": cutCancel(rig, false), "cut after reading": cutCancel(rig, true) }
      : Object.fromEntries(
          drops.flatMap((drop) =>
            Array.from({ length: messages }, (_, at) => {
              const leg = messages === 1 ? "" : ` message ${at + 1}`;
              return [`cut ${drop}${leg}`, faulty(rig, { drop, nth: at + 1 })] as const;
            }),
          ),
        );
  const cut: OrderFaults = { drop: "after-reading", nth: Math.max(1, messages) };
  const ofOrders = {
    "cut after reading, ids rolled back": faulty(rig, cut, rollBack),
    "cut before reading, ids rolled back": faulty(rig, { drop: "before-reading" }, rollBack),
    "cut after reading, lists empty for a while": faulty(rig, { ...cut, emptyMs: emptyForMs }),
  };
  return {
    ...cuts,
    ...(messages > 0 && ofOrders),
    "all news twice, late and reversed": faulty(rig, { duplicate: true, reorder: true, delayMs: 30 }),
    "TWS is down": async (act) => {
      await faults.refuse(true);
      faults.dropConnections();
      await eventually(
        async () => rig.agent.session.status().tws.state,
        (state) => state !== "connected",
      );
      await act();
      await faults.refuse(false);
      await rig.back();
    },
    "TWS hangs, then restarts": async (act) => {
      faults.mute(true);
      await act();
      faults.restart();
      faults.mute(false);
      await rig.back();
    },
    "TWS has lost IBKR": async (act) => {
      faults.announce(1100);
      await act();
      faults.announce(1102);
    },
  };
}

describe.concurrent("whatever TWS does", () => {
  test.for(operations)("$name: once, or not at all", { timeout: 90_000 }, async (operation) => {
    const rig = await startRig(operation.name.replaceAll(" ", "-"));
    try {
      const faults = Object.entries(faultsOf(rig, operation));
      expect(await playCells(rig, operation, new Map(faults), table)).toEqual([]);
      expect(rig.agent.orders.status()).toMatchObject({ journal: "ok", unknownOrders: 0 });
    } finally {
      await rig.close();
    }
  });
});
