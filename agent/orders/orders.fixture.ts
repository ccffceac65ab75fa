import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Caller } from "../../shared/caller.ts";
import type { ToolName } from "../../shared/tools/index.ts";
import { nextSecond } from "../e2e/chaos/crash-matrix.ts";
import { startFaultHost } from "../e2e/rigs/restartable-agent.ts";
import { trader } from "../handlers/handlers.fixture.ts";
import { recordingLog } from "../process/log.fixture.ts";
import { startSimulator, type Simulator, type SimulatorOptions } from "../simulator/server.ts";
import { nameOf } from "./intent-id.ts";

/** As usual, a hundred times faster. */
const times = { probeIntervalMs: 80, settledMs: 400, dialogMs: 600, probeMs: 4_000, recordDelayMs: 5 };

export const far = { conId: 265_598, action: "BUY", quantity: 10, orderType: "LMT", limitPrice: 1 };
export const market = { conId: 265_598, action: "BUY", quantity: 3, orderType: "MKT" };

const placeOrder = 3;

/** The agent's clocks: the wall's, and one that only rises. */
interface Clocks {
  readonly now?: () => number;
  readonly elapsed?: () => number;
}

/** For tests: an agent with a journal on disk, which can die and come back, at a simulator. All end with the test. */
export async function startOrders(
  { clocks = {}, ...options }: SimulatorOptions & { readonly clocks?: Clocks } = {},
  ownTimes: Partial<typeof times> = {},
) {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-orders-"));
  const path = join(folder, "journal.db");
  const logged: string[] = [];
  let simulator = await startSimulator({ port: 0, seed: 7, ...options });
  const { port } = simulator;
  const hostOptions = {
    reconcileTimes: { ...times, ...ownTimes },
    log: recordingLog(({ level, event }) => logged.push(`${level} ${event}`)),
    ...clocks,
  };
  let host = startFaultHost({ port }, path, hostOptions);
  await host.whenUp();
  onTestFinished(async () => {
    await host.close();
    await simulator.close();
    rmSync(folder, { recursive: true });
  });

  const call = (tool: ToolName, input: object, caller: Caller = trader) =>
    host.askAs(caller)(tool, Object.fromEntries(Object.entries(input)));

  return {
    call,
    host: () => host,
    simulator: () => simulator,
    /** Level and name of each event that the agent has logged. */
    logged,
    place: (input: object = {}, caller?: Caller) => call("ibkr_place_order", { ...far, ...input }, caller),
    status: (input: object, caller?: Caller) => call("ibkr_get_order_status", input, caller),
    stateOf: (key: string) =>
      host.agent().orders.journal.intent(nameOf(trader.grantId, key).intentId)?.state ?? null,
    /** placeOrder messages that TWS has had. */
    placed: () => simulator.received().filter(({ id }) => id === placeOrder).length,
    /** An order of a minute ago that has filled: TWS's lists show that they reach back to it. */
    async fillBefore(): Promise<void> {
      await call("ibkr_place_order", { ...market, idempotencyKey: "before" });
      await untilAnswer(
        () => host.agent().orders.journal.intent(nameOf(trader.grantId, "before").intentId)?.state,
        (state) => state === "done",
      );
      await nextSecond();
    },
    back: () => host.whenUp(),
    /** The agent is stopped while `meanwhile` happens, and another begins with its journal. */
    async whileStopped(meanwhile: () => Promise<unknown>): Promise<void> {
      await host.close();
      await meanwhile();
      host = startFaultHost({ port }, path, hostOptions);
      await host.whenUp();
    },
    /** Another TWS, which knows nothing of the first, takes its place. */
    async replaceTws(next: SimulatorOptions = {}): Promise<Simulator> {
      await simulator.close();
      simulator = await startSimulator({ seed: 7, ...next, port });
      return simulator;
    },
  };
}
export type OrdersFixture = Awaited<ReturnType<typeof startOrders>>;

const waitedForMs = 10_000;

/** Asks again until the answer has these fields, and returns it; throws with the last one after ten seconds. */
export async function untilAnswer<T>(ask: () => Promise<T> | T, isSo: (answer: T) => boolean): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    if (performance.now() - startedAt > waitedForMs) throw new Error(`still ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
