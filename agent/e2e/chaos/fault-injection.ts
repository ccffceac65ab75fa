import { setTimeout as sleep } from "node:timers/promises";
import type { OrderFaults } from "../../simulator/faults/order-faults.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { emptyForMs } from "./crash-matrix.ts";
import type { FaultHost } from "../rigs/restartable-agent.ts";

interface FaultTarget {
  readonly simulator: Simulator;
  readonly host: FaultHost;
  readonly random: SeededRandom;
}

/** Begins, and resolves when it is over. */
type Fault = (target: FaultTarget) => Promise<void> | void;

const drops = ["before-reading", "after-reading", "after-acknowledging"] as const;

/** Holds for a moment of the order faults, of which there is one set at a time. */
const spoiled =
  (faultsOf: (random: SeededRandom) => OrderFaults): Fault =>
  async ({ simulator, random }) => {
    simulator.faults.orders(faultsOf(random));
    await sleep(20 + random.integer(60));
  };

const faults: Readonly<Record<string, { readonly weight: number; readonly fault: Fault }>> = {
  "line cut": { weight: 3, fault: ({ simulator }) => simulator.faults.dropConnections() },
  "line cut around an order": {
    weight: 8,
    fault: ({ simulator, random }) =>
      simulator.faults.orders({ drop: random.oneOf(drops) ?? "after-reading", nth: 1 + random.integer(4) }),
  },
  "news twice": { weight: 2, fault: spoiled(() => ({ duplicate: true })) },
  "news reversed": { weight: 2, fault: spoiled(() => ({ reorder: true })) },
  "news late": { weight: 2, fault: spoiled((random) => ({ delayMs: 5 + random.integer(40) })) },
  "executions without end": { weight: 1, fault: spoiled(() => ({ withoutEnds: [55] })) },
  "restart, ids rolled back": {
    weight: 3,
    fault({ simulator, random }) {
      simulator.faults.rollbackNextValidId(1 + random.integer(9));
      simulator.faults.restart();
    },
  },
  "restart, lists empty": {
    weight: 2,
    fault({ simulator, random }) {
      simulator.faults.orders({ emptyMs: 1 + random.integer(emptyForMs) });
      simulator.faults.restart();
    },
  },
  "restart, client id taken": {
    weight: 1,
    async fault({ simulator, random }) {
      simulator.faults.ghostClients(20 + random.integer(60));
      simulator.faults.restart();
      await sleep(10);
      simulator.faults.ghostClients(0);
    },
  },
  hangs: {
    weight: 2,
    async fault({ simulator, random }) {
      simulator.faults.mute(true);
      await sleep(10 + random.integer(80));
      simulator.faults.mute(false);
      if (random.happens(0.5)) simulator.faults.dropConnections();
    },
  },
  "IBKR lost": {
    weight: 2,
    async fault({ simulator, random }) {
      simulator.faults.announce(1100);
      await sleep(5 + random.integer(50));
      simulator.faults.announce(random.happens(0.5) ? 1101 : 1102);
    },
  },
  down: {
    weight: 1,
    async fault({ simulator, random }) {
      await simulator.faults.refuse(true);
      simulator.faults.dropConnections();
      await sleep(5 + random.integer(60));
      await simulator.faults.refuse(false);
    },
  },
  "agent crashes": { weight: 3, fault: ({ host }) => host.crash() },
  "journal fails": {
    weight: 4,
    fault: ({ host, random }) =>
      host.failJournal(1 + random.integer(3), random.happens(0.5) ? "before" : "after"),
  },
  frozen: {
    weight: 1,
    async fault({ host, random }) {
      host.freeze(true);
      await sleep(5 + random.integer(40));
      host.freeze(false);
    },
  },
};

const weighted = Object.entries(faults).flatMap(([name, { weight }]) =>
  Array.from({ length: weight }, () => name),
);

/** Injects one random fault and returns its name. */
export async function inject(target: FaultTarget): Promise<string> {
  const name = target.random.oneOf(weighted) ?? "line cut";
  await faults[name]?.fault(target);
  return name;
}

/** Everything works again. */
export async function restoreAll({
  simulator,
  host,
}: Pick<FaultTarget, "simulator" | "host">): Promise<void> {
  const { faults: all } = simulator;
  all.mute(false);
  all.orders({});
  all.rollbackNextValidId(0);
  all.ghostClients(0);
  await all.refuse(false);
  all.announce(1102);
  // on a line that stands, what a TWS that hung has swallowed stays unknown
  all.dropConnections();
  host.failJournal(0, "before");
  host.freeze(false);
  await host.whenUp();
}
