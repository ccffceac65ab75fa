import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { isFinal, OrderStatus } from "../../../shared/order.ts";
import { mapConcurrently } from "../../call/concurrent-map.ts";
import { hash } from "../../simulator/market/noise.ts";
import { startSimulator } from "../../simulator/server.ts";
import { type SeededRandom, createSeededRandom } from "./seeded-random.ts";
import { trader } from "../../handlers/handlers.fixture.ts";
import { fillBefore } from "./crash-matrix.ts";
import { isPassing } from "./crash-operations.ts";
import { isLost } from "../../journal/intent-states.ts";
import { type Books, disagreements, intentOf, mayStayOpen } from "./consistency-check.ts";
import { type FaultHost, startFaultHost } from "../rigs/restartable-agent.ts";
import { type FaultTrace, inject, restoreAll, runReconcile } from "./fault-injection.ts";
import { accounts, hear, isRevisable, isSettled, newIntent, type WorkloadIntent } from "./workload.ts";

/** One stretch of the run, which a seed makes again. */
export interface Stretch {
  readonly seed: number;
  readonly faults: number;
  /** See FaultTrace; no by default. */
  readonly leavesDialogsOpen?: boolean;
}

export interface StretchEnd extends Stretch {
  readonly intents: number;
  readonly orders: number;
  readonly fills: number;
  /** Of the intents: those whose order was sent before TWS's lists began, so that nobody knows. */
  readonly unknown: number;
  /** By kind. */
  readonly injected: ReadonlyMap<string, number>;
  /** All that did not agree in the end, in words. */
  readonly wrong: readonly string[];
}

const workers = 3;
/** Each agent places for its own callers, at the same TWS. */
const agents = 2;
/**
 * An agent asks as often as this, and for so long, before it is said that an order never settles: eight cancellations of
 * an entry, each after twice the time of the last, take half of it.
 */
const fewestRounds = 150;
const shortestSettleMs = 60_000;
/** What TWS takes forty of in a second is not asked for by the hundred: the calls would run out of time in the queue. */
const askedAtOnce = 20;
/** While TWS is away each intent fails at once; on a slow machine there would be thousands. */
const mostIntents = 400;
const Placed = z.object({ orderId: z.int() });
const Ended = z.object({ status: OrderStatus });

/** Many callers who want, repeat, change, cancel and confuse orders, while everything goes wrong; then all must agree. */
export async function runStretch({ seed, faults, leavesDialogsOpen = false }: Stretch): Promise<StretchEnd> {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-faults-"));
  const simulator = await startSimulator({ port: 0, seed: 7, maxMessagesPerSecond: 500, accounts });
  const hosts = Array.from({ length: agents }, (_, index) =>
    startFaultHost(simulator, join(folder, `journal-${index}.db`), {
      clientId: index + 1,
      reconcileTimes: runReconcile,
    }),
  );
  const trace: FaultTrace = { leavesDialogsOpen, dayBeganAt: 0, refusedLate: new Set() };
  for (const host of hosts) {
    await host.whenUp();
    await fillBefore(host.askAs(trader), accounts[0]);
  }
  const startedAt = performance.now();
  const clock = () => performance.now() - startedAt;
  const intents: WorkloadIntent[] = [];
  const wrong: string[] = [];
  const injected = new Map<string, number>();
  const faultLog: string[] = [];
  const over = new AbortController();

  const actors = Array.from({ length: workers }, async (_, worker) => {
    const random = createSeededRandom(hash(seed, worker + 1));
    const actor = createActor({ hosts, random, intents, wrong, clock });
    while (!over.signal.aborted) {
      await actor.act(worker);
      await sleep(random.integer(30));
    }
  });
  const random = createSeededRandom(hash(seed, 0));
  for (let count = 0; count < faults; count += 1) {
    await sleep(2 + random.integer(20));
    const at = Math.round(clock());
    const name = await inject({ simulator, hosts, trace }, random);
    faultLog.push(`${at} to ${Math.round(clock())} ms: ${name}`);
    injected.set(name, (injected.get(name) ?? 0) + 1);
  }
  over.abort();
  await restoreAll({ simulator, hosts });
  await Promise.all(actors);
  const books = { simulator, hosts, intents, trace };
  wrong.push(...(await settle(books, clock)));
  wrong.push(...(await disagreements(books)));
  const { orders, executions } = simulator.world.ledger.history();
  for (const host of hosts) await host.close();
  await simulator.close();
  rmSync(folder, { recursive: true });
  if (wrong.length > 0) wrong.push(`the faults were\n    ${faultLog.join("\n    ")}`);
  const unknown = intents.filter((intent) => intent.isKeyed && !isSettled(intent)).length;
  const counts = { intents: intents.length, orders: orders.length, fills: executions.length, unknown };
  return { seed, faults, ...counts, injected, wrong };
}

/**
 * Asks again for all that is open, until it is known. What was sent before TWS's lists began may stay unknown, as it must
 * then be told.
 */
async function settle(books: Books, clock: () => number): Promise<string[]> {
  const { hosts, intents } = books;
  const beganAt = clock();
  const isOpen = (intent: WorkloadIntent) => intent.isKeyed && !isSettled(intent);
  const mustEnd = (intent: WorkloadIntent) => {
    if (!isOpen(intent)) return false;
    const { journal } = hostOf(hosts, intent).agent().orders;
    const recorded = intent.refs.flatMap((ref) => journal.intent(intentOf(ref)) ?? []);
    return !recorded.some((one) => isLost(one.state) && mayStayOpen(books, one));
  };
  const isAnyLost = () =>
    hosts.some((host) => {
      const { journal } = host.agent().orders;
      return journal.unfinished().some((intent) => isLost(intent.state) && !mayStayOpen(books, intent));
    });
  const wrong: string[] = [];
  const askAll = (wanted: readonly WorkloadIntent[]) =>
    mapConcurrently(wanted, askedAtOnce, async (intent) => {
      const ask = hostOf(hosts, intent).askAs(intent.caller);
      const what = hear(intent, await ask(intent.tool, intent.input), clock());
      if (what !== null) wrong.push([`${intent.tool} ${what}`, ...intent.history].join("\n    "));
    });
  for (let rounds = 0; intents.some(mustEnd) || isAnyLost(); rounds += 1) {
    if (rounds > fewestRounds && clock() - beganAt > shortestSettleMs) break;
    await askAll(intents.filter(mustEnd));
    await sleep(30);
  }
  // what keeps one open may end while it is asked for once more
  const mayBeOpen = new Set(intents.filter((intent) => isOpen(intent) && !mustEnd(intent)));
  // what has ended just now is written down a moment later
  await sleep(100);
  await askAll(intents.filter((intent) => isOpen(intent) || isRevisable(intent)));
  return [
    ...wrong,
    ...intents
      .filter((intent) => mustEnd(intent) && !mayBeOpen.has(intent))
      .map(({ tool, history }) => [`${tool} has never settled`, ...history].join("\n    ")),
  ];
}

function hostOf(hosts: readonly FaultHost[], { agent }: WorkloadIntent): FaultHost {
  const host = hosts[agent];
  if (host === undefined) throw new Error(`there is no agent ${agent}`);
  return host;
}

interface ActorDeps {
  readonly hosts: readonly FaultHost[];
  readonly random: SeededRandom;
  readonly intents: WorkloadIntent[];
  readonly wrong: string[];
  readonly clock: () => number;
}

function createActor({ hosts, random, intents, wrong, clock }: ActorDeps) {
  /** The caller may leave before the answer. */
  const signal = (): AbortSignal =>
    random.happens(0.1) ? AbortSignal.timeout(random.integer(60)) : new AbortController().signal;

  async function want(intent: WorkloadIntent): Promise<void> {
    intent.history.push(`${Math.round(clock())} ms: asked ${JSON.stringify(intent.input)}`);
    const answer = await hostOf(hosts, intent).askAs(intent.caller, signal())(intent.tool, intent.input);
    const what = hear(intent, answer, clock());
    if (what !== null) wrong.push([`${intent.tool} ${what}`, ...intent.history].join("\n    "));
  }

  /** The key of a placed order with another order. */
  async function misuse(): Promise<void> {
    const intent = random.oneOf(intents.filter((one) => one.isKeyed && one.answer?.type === "result"));
    if (intent === null) return;
    const other = { ...intent.input, quantity: 77, orders: [] };
    const answer = await hostOf(hosts, intent).askAs(intent.caller)(
      intent.tool,
      intent.kind === "basket" ? { ...intent.input, oneCancelsOther: true } : other,
    );
    const isRefused =
      answer.type === "error" && (answer.error.code === "invalid_input" || isPassing(answer.error.code));
    if (!isRefused) wrong.push(`a key was taken for another order: ${JSON.stringify(answer)}`);
  }

  /** An order of a caller that was placed, and its id. */
  function placed(kind: "place" | "bracket", orderType?: string) {
    const intent = random.oneOf(
      intents.filter(
        (one) =>
          one.kind === kind &&
          one.answer?.type === "result" &&
          (orderType === undefined || one.input["orderType"] === orderType),
      ),
    );
    if (intent?.answer?.type !== "result") return null;
    const { output } = intent.answer;
    const { orderId } = Placed.parse({ orderId: output["orderId"] ?? output["parentOrderId"] });
    return { intent, orderId, ask: hostOf(hosts, intent).askAs(intent.caller, signal()) };
  }

  async function cancel(): Promise<void> {
    const one = placed(random.happens(0.8) ? "place" : "bracket");
    if (one === null) return;
    const { intent, orderId, ask } = one;
    intent.isCancelled = true;
    const answer = await ask("ibkr_cancel_order", { orderId });
    intent.history.push(`${Math.round(clock())} ms: cancelled: ${JSON.stringify(answer).slice(0, 300)}`);
    const status = answer.type === "result" ? Ended.parse(answer.output).status : "Unknown";
    if (isFinal(status) && intent.kind === "place") intent.isEnded = true;
  }

  async function modify(): Promise<void> {
    const one = placed("place", "LMT");
    if (one === null) return;
    const { intent, orderId, ask } = one;
    const limitPrice = 1 + random.integer(20) / 10;
    // until it is answered it may be so or not, and with others at once any of them
    intent.limits = [...intent.limits, limitPrice];
    const before = intent.limits;
    const answer = await ask("ibkr_modify_order", { orderId, limitPrice });
    intent.history.push(
      `${Math.round(clock())} ms: changed to ${limitPrice}: ${JSON.stringify(answer).slice(0, 300)}`,
    );
    // a late refusal of the order itself is read as that of a change which TWS has not looked at yet
    const isHeld =
      answer.type === "error" && ["outcome_unknown", "order_rejected"].includes(answer.error.code);
    if (isHeld) intent.heldLimits = [...intent.heldLimits, limitPrice];
    if (intent.limits !== before) return;
    if (answer.type === "result")
      intent.limits = [limitPrice, ...(intent.isEnded || intent.isCancelled ? before : [])];
    else if (answer.type === "error" && !isPassing(answer.error.code) && !isRevisable({ answer }))
      intent.limits = before.filter(
        (price) => price !== limitPrice || before.indexOf(price) < before.length - 1,
      );
  }

  return {
    async act(worker: number): Promise<void> {
      const kind = random.integer(100);
      if (kind < 50 && intents.length < mostIntents) {
        const intent = newIntent(random, intents.length * 10 + worker, hosts.length);
        intents.push(intent);
        await want(intent);
        // the same at once, as an impatient caller does
        if (intent.isKeyed && random.happens(0.15)) await Promise.all([want(intent), want(intent)]);
      } else if (kind < 68) {
        const intent = random.oneOf(intents.filter(({ isKeyed }) => isKeyed));
        if (intent !== null) await want(intent);
      } else if (kind < 73) await misuse();
      else if (kind < 87) await cancel();
      else await modify();
    },
  };
}
