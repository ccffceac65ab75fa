import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { isFinal, OrderStatus } from "../../../shared/order.ts";
import { mapAtOnce } from "../../call/concurrent-map.ts";
import { hash } from "../../simulator/market/noise.ts";
import { startSimulator } from "../../simulator/server.ts";
import { type Chance, createChance } from "./seeded-random.ts";
import { isPassing } from "./crash-operations.ts";
import { disagreements } from "./consistency-check.ts";
import { type FaultHost, startFaultHost } from "../rigs/restartable-agent.ts";
import { inject, mendAll } from "./fault-injection.ts";
import { hear, isSettled, newWish, type Wish } from "./workload.ts";

/** One stretch of the run, which a seed makes again. */
export interface Stretch {
  readonly seed: number;
  readonly faults: number;
}

export interface StretchEnd extends Stretch {
  readonly wishes: number;
  readonly orders: number;
  readonly fills: number;
  /** By kind. */
  readonly injected: ReadonlyMap<string, number>;
  /** All that did not agree in the end, in words. */
  readonly wrong: readonly string[];
}

const workers = 3;
const settleMs = 30_000;
/** What TWS takes forty of in a second is not asked for by the hundred: the calls would run out of time in the queue. */
const askedAtOnce = 20;
/** While TWS is away wishes come to nothing in no time; on a slow machine there would be thousands. */
const mostWishes = 400;
const Placed = z.object({ orderId: z.int() });
const Ended = z.object({ status: OrderStatus });

/** Many callers who want, repeat, change, cancel and confuse orders, while everything goes wrong; then all must agree. */
export async function runStretch({ seed, faults }: Stretch): Promise<StretchEnd> {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-faults-"));
  const simulator = await startSimulator({ port: 0, seed: 7, maxMessagesPerSecond: 500 });
  const host = startFaultHost(simulator, join(folder, "journal.db"));
  await host.whenUp();
  const startedAt = performance.now();
  const clock = () => performance.now() - startedAt;
  const wishes: Wish[] = [];
  const wrong: string[] = [];
  const injected = new Map<string, number>();
  const faultLog: string[] = [];
  const over = new AbortController();

  const crowd = Array.from({ length: workers }, async (_, worker) => {
    const chance = createChance(hash(seed, worker + 1));
    const actor = createActor({ host, chance, wishes, wrong, clock });
    while (!over.signal.aborted) {
      await actor.act(worker);
      await sleep(chance.integer(30));
    }
  });
  const chance = createChance(hash(seed, 0));
  for (let count = 0; count < faults; count += 1) {
    await sleep(2 + chance.integer(20));
    const at = Math.round(clock());
    const name = await inject({ simulator, host, chance });
    faultLog.push(`${at} to ${Math.round(clock())} ms: ${name}`);
    injected.set(name, (injected.get(name) ?? 0) + 1);
  }
  over.abort();
  await mendAll({ simulator, host });
  await Promise.all(crowd);
  wrong.push(...(await settle(host, wishes, clock)));
  wrong.push(...(await disagreements({ simulator, host, wishes })));
  const { ledger } = simulator.world;
  const orders = ledger.openOrders().length + ledger.completedOrders().length;
  const fills = ledger.executions().length;
  await host.close();
  await simulator.close();
  rmSync(folder, { recursive: true });
  if (wrong.length > 0) wrong.push(`the faults were\n    ${faultLog.join("\n    ")}`);
  return { seed, faults, wishes: wishes.length, orders, fills, injected, wrong };
}

/** Asks again for all that is open, until it is known. */
async function settle(host: FaultHost, wishes: readonly Wish[], clock: () => number): Promise<string[]> {
  const until = clock() + settleMs;
  const isOpen = (wish: Wish) => wish.isKeyed && !isSettled(wish);
  const wrong: string[] = [];
  while (clock() < until && (wishes.some(isOpen) || host.agent().orders.status().unknownOrders > 0)) {
    await mapAtOnce(wishes.filter(isOpen), askedAtOnce, async (wish) => {
      const what = hear(wish, await host.askAs(wish.caller)(wish.tool, wish.input), clock());
      if (what !== null) wrong.push([`${wish.tool} ${what}`, ...wish.history].join("\n    "));
    });
    await sleep(30);
  }
  // what has ended just now is written down a moment later
  await sleep(100);
  return [
    ...wrong,
    ...wishes
      .filter(isOpen)
      .map(({ tool, history }) => [`${tool} has never settled`, ...history].join("\n    ")),
  ];
}

interface ActorDeps {
  readonly host: FaultHost;
  readonly chance: Chance;
  readonly wishes: Wish[];
  readonly wrong: string[];
  readonly clock: () => number;
}

function createActor({ host, chance, wishes, wrong, clock }: ActorDeps) {
  /** The caller may leave before the answer. */
  const signal = (): AbortSignal =>
    chance.happens(0.1) ? AbortSignal.timeout(chance.integer(60)) : new AbortController().signal;

  async function want(wish: Wish): Promise<void> {
    wish.history.push(`${Math.round(clock())} ms: asked ${JSON.stringify(wish.input)}`);
    const answer = await host.askAs(wish.caller, signal())(wish.tool, wish.input);
    const what = hear(wish, answer, clock());
    if (what !== null) wrong.push([`${wish.tool} ${what}`, ...wish.history].join("\n    "));
  }

  /** The key of a placed order with another order. */
  async function misuse(): Promise<void> {
    const wish = chance.oneOf(wishes.filter((one) => one.isKeyed && one.answer?.type === "result"));
    if (wish === null) return;
    const other = { ...wish.input, quantity: 77, orders: [] };
    const answer = await host.askAs(wish.caller)(
      wish.tool,
      wish.kind === "basket" ? { ...wish.input, oneCancelsOther: true } : other,
    );
    const isRefused =
      answer.type === "error" && (answer.error.code === "invalid_input" || isPassing(answer.error.code));
    if (!isRefused) wrong.push(`a key was taken for another order: ${JSON.stringify(answer)}`);
  }

  /** An order of a caller that was placed, and its id. */
  function placed(kind: "place" | "bracket", orderType?: string) {
    const wish = chance.oneOf(
      wishes.filter(
        (one) =>
          one.kind === kind &&
          one.answer?.type === "result" &&
          (orderType === undefined || one.input["orderType"] === orderType),
      ),
    );
    if (wish?.answer?.type !== "result") return null;
    const { output } = wish.answer;
    const { orderId } = Placed.parse({ orderId: output["orderId"] ?? output["parentOrderId"] });
    return { wish, orderId, ask: host.askAs(wish.caller, signal()) };
  }

  async function cancel(): Promise<void> {
    const one = placed(chance.happens(0.8) ? "place" : "bracket");
    if (one === null) return;
    const { wish, orderId, ask } = one;
    wish.isCancelled = true;
    const answer = await ask("ibkr_cancel_order", { orderId });
    wish.history.push(`${Math.round(clock())} ms: cancelled: ${JSON.stringify(answer).slice(0, 300)}`);
    const status = answer.type === "result" ? Ended.parse(answer.output).status : "Unknown";
    if (isFinal(status) && wish.kind === "place") wish.isEnded = true;
  }

  async function modify(): Promise<void> {
    const one = placed("place", "LMT");
    if (one === null) return;
    const { wish, orderId, ask } = one;
    const limitPrice = 1 + chance.integer(20) / 10;
    // until it is answered it may be so or not, and with others at once any of them
    wish.limits = [...wish.limits, limitPrice];
    const before = wish.limits;
    const answer = await ask("ibkr_modify_order", { orderId, limitPrice });
    wish.history.push(
      `${Math.round(clock())} ms: changed to ${limitPrice}: ${JSON.stringify(answer).slice(0, 300)}`,
    );
    if (wish.limits !== before) return;
    if (answer.type === "result")
      wish.limits = [limitPrice, ...(wish.isEnded || wish.isCancelled ? before : [])];
    else if (answer.type === "error" && !isPassing(answer.error.code))
      wish.limits = before.filter(
        (price) => price !== limitPrice || before.indexOf(price) < before.length - 1,
      );
  }

  return {
    async act(worker: number): Promise<void> {
      const kind = chance.integer(100);
      if (kind < 50 && wishes.length < mostWishes) {
        const wish = newWish(chance, wishes.length * 10 + worker);
        wishes.push(wish);
        await want(wish);
        // the same at once, as an impatient caller does
        if (wish.isKeyed && chance.happens(0.15)) await Promise.all([want(wish), want(wish)]);
      } else if (kind < 68) {
        const wish = chance.oneOf(wishes.filter(({ isKeyed }) => isKeyed));
        if (wish !== null) await want(wish);
      } else if (kind < 73) await misuse();
      else if (kind < 87) await cancel();
      else await modify();
    },
  };
}
