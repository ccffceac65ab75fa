import { setTimeout as sleep } from "node:timers/promises";
import type { OrderFaults } from "../../simulator/faults/order-faults.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { emptyForMs, quickReconcile } from "./crash-matrix.ts";
import type { FaultHost } from "../rigs/restartable-agent.ts";

/** What the faults leave behind that the books are compared by. */
export interface FaultTrace {
  /** Whether some dialogs outlive their line, and all that is asked behind them. */
  readonly leavesDialogsOpen: boolean;
  /** Unix milliseconds: when TWS's lists began last; 0 when they reach back to the beginning. */
  dayBeganAt: number;
  /** permIds of working orders that TWS refused long after it had taken them. */
  readonly refusedLate: Set<number>;
}

interface FaultTarget {
  readonly simulator: Simulator;
  readonly hosts: readonly FaultHost[];
  readonly trace: FaultTrace;
}

/** One fault among those of a run: the agent it is about, and the choices it makes. */
interface FaultScene extends FaultTarget {
  readonly host: FaultHost;
  readonly random: SeededRandom;
}

/** Begins, and resolves when it is over. */
type Fault = (scene: FaultScene) => Promise<void> | void;

const drops = ["before-reading", "after-reading", "after-acknowledging"] as const;

/** Holds for a moment of the order faults, of which there is one set at a time. */
const spoiled =
  (faultsOf: (random: SeededRandom) => OrderFaults): Fault =>
  async ({ simulator, random }) => {
    simulator.faults.orders(faultsOf(random));
    await sleep(20 + random.integer(60));
  };

/** A working order that is no leg of a bracket, and has its id alone. */
function single({ simulator, random }: Pick<FaultScene, "simulator" | "random">) {
  const open = Map.groupBy(simulator.world.ledger.openOrders(), ({ request }) => request.orderId);
  const alone = [...open.values()].filter(({ length }) => length === 1).flat();
  return random.oneOf(
    alone.filter(({ request }) => request.orderRef.startsWith("ag1:") && !/:[PTS]$/.test(request.orderRef)),
  );
}

/** How long TWS's dialogs outlive a line at most, longer than TWS takes to settle. */
const dialogMs = 3_000;
const patienceMs = 1_200;
/** The times of the agents in a run. */
export const runReconcile = { ...quickReconcile, dialogMs };

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
  "news without statuses": { weight: 2, fault: spoiled(() => ({ withoutStatuses: true })) },
  "executions without end": { weight: 1, fault: spoiled(() => ({ withoutEnds: [55] })) },
  "a code nobody knows": {
    weight: 2,
    fault: spoiled((random) => ({ oddCode: 9_999, takenAfterMs: 1 + random.integer(15) })),
  },
  "a dialog holds orders": {
    weight: 3,
    async fault({ simulator, random, trace }) {
      simulator.faults.orders({ dialog: true });
      await sleep(10 + random.integer(60));
      simulator.faults.orders({});
      const isLeftOpen = trace.leavesDialogsOpen && random.happens(0.1);
      const isCut = random.happens(isLeftOpen ? 0.7 : 0.5);
      if (isCut) simulator.faults.dropConnections();
      // on a line that stands there is no time after which a dialog is over
      const leftOpenMs = isCut ? patienceMs : dialogMs + patienceMs;
      await sleep(isLeftOpen ? leftOpenMs : random.integer(200));
      simulator.faults.answerDialogs(random.happens(0.7));
    },
  },
  "parked, then woken": {
    weight: 2,
    async fault(scene) {
      const { simulator, random } = scene;
      const order = single(scene);
      if (order === null) return;
      simulator.faults.park(order.request.orderId, random.happens(0.5) ? "locate" : "");
      await sleep(5 + random.integer(50));
      simulator.faults.park(order.request.orderId, null);
    },
  },
  "refused late": {
    weight: 1,
    fault(scene) {
      const order = single(scene);
      if (order === null) return;
      scene.trace.refusedLate.add(order.permId);
      scene.simulator.faults.refuseLate(order.request.orderId, "it is not allowed any more");
    },
  },
  "by hand": {
    weight: 1,
    fault({ simulator, random }) {
      const quantity = 1 + random.integer(3);
      simulator.faults.placeByHand({
        action: random.happens(0.5) ? "BUY" : "SELL",
        quantity,
        symbol: "AAPL",
      });
    },
  },
  "a day begins": {
    weight: 0.5,
    async fault({ simulator, trace }) {
      simulator.faults.beginDay();
      await sleep(20);
      // the first fill of the day shows from which second on its lists are whole
      simulator.faults.placeByHand({ action: "BUY", quantity: 1, symbol: "AAPL" });
      trace.dayBeganAt = Math.ceil(Date.now() / 1_000) * 1_000;
    },
  },
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
  "agent crashes": { weight: 2, fault: ({ host }) => host.crash() },
  "agent crashes at a write": {
    weight: 3,
    async fault({ host, random }) {
      const { promise: crashed, resolve } = Promise.withResolvers<void>();
      let writesLeft = 1 + random.integer(5);
      host.onWritten(() => {
        writesLeft -= 1;
        if (writesLeft === 0) resolve(host.crash());
      });
      const abandoned = new AbortController();
      const idle = sleep(100, undefined, { signal: abandoned.signal }).catch(() => undefined);
      await Promise.race([crashed, idle]);
      abandoned.abort();
      const isCrashing = writesLeft <= 0;
      host.onWritten(() => {});
      if (isCrashing) await crashed;
    },
  },
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
  Array.from({ length: weight * 2 }, () => name),
);

/** Injects one random fault and returns its name. */
export async function inject(target: FaultTarget, random: SeededRandom): Promise<string> {
  const name = random.oneOf(weighted) ?? "line cut";
  const host = random.oneOf(target.hosts);
  if (host === null) throw new Error("a run needs an agent");
  await faults[name]?.fault({ ...target, host, random });
  return name;
}

/** Everything works again. */
export async function restoreAll({
  simulator,
  hosts,
}: Pick<FaultTarget, "simulator" | "hosts">): Promise<void> {
  const { faults: all, world } = simulator;
  all.mute(false);
  all.orders({});
  all.answerDialogs(true);
  all.rollbackNextValidId(0);
  all.ghostClients(0);
  await all.refuse(false);
  all.announce(1102);
  for (const { status, request } of world.ledger.openOrders())
    if (status === "Inactive") all.park(request.orderId, null);
  // on a line that stands, what a TWS that hung has swallowed stays unknown
  all.dropConnections();
  for (const host of hosts) {
    host.failJournal(0, "before");
    host.freeze(false);
    await host.whenUp();
  }
}
