import { z } from "zod";
import type { Ask } from "../rigs/dispatch-client.ts";
import type { AgentFrame } from "../../../shared/protocol.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { type Attempt, type Operation, isDefinite, type Rig } from "./crash-operations.ts";

/** A fault that happens once, and is over when this resolves: `act` is under way or done by then. */
export type Fault = (act: () => Promise<AgentFrame>) => Promise<unknown>;

/** The same times as usual, a hundred times faster. */
export const quickReconcile = {
  probeIntervalMs: 100,
  settledMs: 500,
  dialogMs: 600,
  probeMs: 4_000,
  recordDelayMs: 5,
};
/** Shorter than `settledMs`, as it is in reality. */
export const emptyForMs = 250;

const Filled = z.object({ status: z.literal("Filled") });

/** An order that has filled before all others: TWS's lists show that they reach back to it. */
export async function fillBefore(ask: Ask, account?: string): Promise<void> {
  const inAccount = account === undefined ? {} : { account };
  const order = {
    ...inAccount,
    conId: 265_598,
    action: "BUY",
    quantity: 1,
    orderType: "MKT",
    idempotencyKey: "before",
  };
  await until(
    () => ask("ibkr_place_order", order),
    (answer) => answer.type === "result" && Filled.safeParse(answer.output).success,
  );
  await nextSecond();
}

/** TWS tells the time of a fill in whole seconds: what is sent within the same one is not known to come behind it. */
export async function nextSecond(): Promise<void> {
  const next = Math.floor(Date.now() / 1_000 + 1) * 1_000;
  while (Date.now() < next) await sleep(next - Date.now());
}

/**
 * Asks for an operation during a fault, and retries until the answer is definite; what it says must be so in the
 * ledger of TWS, and ibkr_get_order_status must know it too. Returns what is there, in words.
 */
async function playCell(rig: Rig, operation: Operation, key: string, fault: Fault): Promise<string> {
  const attempt = await operation.begin(rig, key);
  await fault(attempt.act);
  const answer = await until(attempt.act, (given) => isDefinite(operation, given));
  const words = attempt.describe(answer);
  await allKnown(rig, attempt);
  // nothing comes behind, and the same again changes nothing
  const again = attempt.describe(await attempt.act());
  if (again !== words) throw new Error(`was ${words}, and asked again ${again}`);
  return words;
}

const patienceMs = 20_000;

/** Asks again until the answer satisfies; throws with the last one when it never does. */
async function until(
  ask: () => Promise<AgentFrame>,
  isDone: (answer: AgentFrame) => boolean,
): Promise<AgentFrame> {
  const startedAt = performance.now();
  for (;;) {
    const answer = await ask();
    if (isDone(answer)) return answer;
    if (performance.now() - startedAt > patienceMs) {
      throw new Error(`after ${patienceMs} ms still ${JSON.stringify(answer)}`);
    }
    await sleep(30);
  }
}

/** Plays each fault in turn; returns what was wrong, in words. */
export async function playCells(
  rig: Rig,
  operation: Operation,
  faults: ReadonlyMap<string, Fault>,
  table: Table,
  key = "cell",
): Promise<string[]> {
  const wrong: string[] = [];
  for (const [index, [name, fault]] of [...faults].entries()) {
    try {
      table.note(name, operation.name, await playCell(rig, operation, `${key}-${index}`, fault));
    } catch (error) {
      table.note(name, operation.name, "WRONG");
      wrong.push(`${operation.name}, ${name}: ${String(error)}`);
    }
  }
  return wrong;
}

async function allKnown({ ask }: Rig, { names }: Attempt): Promise<void> {
  for (const name of names) {
    await until(
      () => ask("ibkr_get_order_status", name),
      (answer) => answer.type === "result" && answer.output["status"] !== "Unknown",
    );
  }
}

/** Cells by what went wrong and what was being done. */
export function createTable(title: string, columns: readonly string[]) {
  const rows = new Map<string, Map<string, string>>();
  return {
    note(row: string, column: string, words: string): void {
      rows.set(row, (rows.get(row) ?? new Map<string, string>()).set(column, words));
    },
    text(): string {
      const lines = [
        [title, ...columns],
        ...[...rows]
          .sort(([a], [b]) => a.localeCompare(b))
          .map(([row, cells]) => [row, ...columns.map((column) => cells.get(column) ?? "")]),
      ];
      const widths = [title, ...columns].map((_, at) =>
        Math.max(...lines.map((line) => line[at]?.length ?? 0)),
      );
      return lines
        .map((line) =>
          line
            .map((cell, at) => cell.padEnd(widths[at] ?? 0))
            .join("  ")
            .trimEnd(),
        )
        .join("\n");
    },
  };
}
export type Table = ReturnType<typeof createTable>;
