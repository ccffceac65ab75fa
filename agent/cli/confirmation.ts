import { setTimeout as sleep } from "node:timers/promises";
import { confirmationOf, giveCommand, type OwnerCommand } from "../journal/owner-commands.ts";
import { isJournalTaken } from "../journal/database.ts";
import type { OpenJournal } from "./open-journal.ts";

/** How long a command waits for the agent, which answers within half a second when it runs. */
const patienceMs = 5_000;
const pollMs = 50;

/** Whether the agent that runs has taken a command up. */
export type Answer =
  | { readonly kind: "confirmed"; readonly pid: number }
  /** The agent sees something else than what was commanded. */
  | { readonly kind: "contradicted"; readonly pid: number }
  /** An agent has the journal, and says nothing. */
  | { readonly kind: "silent" }
  | { readonly kind: "not_running" };

/** Exit codes besides 0, 1 (it failed) and 2 (a mistake in the arguments). */
export const exitCodes = {
  /** It is written in the journal, and no agent runs that could confirm it. */
  notRunning: 3,
  /** An agent runs that has not confirmed it, or cannot be reached. */
  notConfirmed: 4,
} as const;

export const exitCodesHelp = `
Exit codes: 0 the running agent has confirmed it; 1 it failed; 2 a mistake in the arguments; 3 no agent runs that could
confirm it; 4 an agent runs that did not confirm it, or cannot be reached from here.
`;

/** Gives the command to the agent that runs with this journal, after it was written there, and waits for the answer. */
export async function confirmed(
  { file, path, isTaken, now }: OpenJournal,
  command: OwnerCommand,
): Promise<Answer> {
  if (!isTaken) return { kind: "not_running" };
  const commandId = giveCommand(file, command, now());
  const until = performance.now() + patienceMs;
  while (performance.now() < until) {
    const confirmation = confirmationOf(file, commandId);
    if (confirmation !== null) return { kind: confirmation.answer, pid: confirmation.pid };
    // it has ended meanwhile
    if (!isJournalTaken(path)) return { kind: "not_running" };
    await sleep(pollMs);
  }
  return { kind: "silent" };
}

/** What the owner is told of an agent that did not confirm a command. */
export function unconfirmedWords(answer: Exclude<Answer, { kind: "confirmed" }>, what: string): string {
  switch (answer.kind) {
    case "not_running":
      return `No agent runs with this journal, so nothing that runs has confirmed ${what}.`;
    case "silent":
      return `The agent that has this journal open has not confirmed ${what} within ${patienceMs / 1000} seconds: it is stopped, stuck, or of an earlier release. End that process to be sure.`;
    case "contradicted":
      return `The agent (process ${answer.pid}) sees something else than ${what}: another command or page may have changed it. Try again.`;
    default:
      return answer satisfies never;
  }
}

export const exitCodeFor = ({ kind }: Exclude<Answer, { kind: "confirmed" }>): number =>
  kind === "not_running" ? exitCodes.notRunning : exitCodes.notConfirmed;
