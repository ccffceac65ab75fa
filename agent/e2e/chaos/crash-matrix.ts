import type { AgentFrame } from "../../../shared/protocol.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { type Attempt, type Deed, isDefinite, type Rig } from "./crash-operations.ts";

/** What goes wrong once, and is over when it resolves: `act` is under way or done by then. */
export type Mishap = (act: () => Promise<AgentFrame>) => Promise<unknown>;

/** The same times as usual, a hundred times faster. */
export const quickReconcile = { lookAgainMs: 100, settledMs: 500, lookMs: 4_000, noteMs: 5 };
/** Shorter than `settledMs`, as it is in reality. */
export const emptyForMs = 250;

/**
 * Asks for a deed while something goes wrong, and retries until the answer is for good; what it says must be so in the
 * books of TWS, and ibkr_get_order_status must know it too. Returns what is there, in words.
 */
async function playCell(rig: Rig, deed: Deed, key: string, mishap: Mishap): Promise<string> {
  const attempt = await deed.begin(rig, key);
  await mishap(attempt.act);
  const answer = await until(attempt.act, (given) => isDefinite(deed, given));
  const words = attempt.verdict(answer);
  await allKnown(rig, attempt);
  // nothing comes behind, and the same again changes nothing
  const again = attempt.verdict(await attempt.act());
  return again === words ? words : `${words}, then ${again}`;
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

/** Plays each mishap in turn; returns what was wrong, in words. */
export async function playCells(
  rig: Rig,
  deed: Deed,
  mishaps: ReadonlyMap<string, Mishap>,
  table: Table,
  key = "cell",
): Promise<string[]> {
  const wrong: string[] = [];
  for (const [index, [name, mishap]] of [...mishaps].entries()) {
    try {
      table.note(name, deed.name, await playCell(rig, deed, `${key}-${index}`, mishap));
    } catch (error) {
      table.note(name, deed.name, "WRONG");
      wrong.push(`${deed.name}, ${name}: ${String(error)}`);
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
