import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { JournalFile } from "./database.ts";
import { freezeOf } from "./journal.ts";

/**
 * The owner's commands, as they are given to the agent that runs with this journal: a command writes a row, the agent
 * looks by itself whether what was commanded holds, and answers in the row. Only who can write the journal can answer.
 */

const Kind = z.enum(["freeze", "unfreeze", "approve", "decline"]);
type Kind = z.infer<typeof Kind>;

export interface OwnerCommand {
  readonly kind: Kind;
  /** The approval that was decided on; empty for what is about all orders. */
  readonly approvalId: string;
}

/** The agent's answer: `confirmed` when what was commanded holds for it, `contradicted` when it sees something else. */
export interface Confirmation {
  readonly answer: "confirmed" | "contradicted";
  /** The process of the agent, on its machine. */
  readonly pid: number;
}

/** How long a command is kept, for whoever looks into the journal. */
const keptMs = 24 * 3_600_000;

const Row = z.object({
  command_id: z.string(),
  kind: Kind,
  approval_id: z.string(),
  answer: z.enum(["confirmed", "contradicted"]).nullable(),
  pid: z.int().nullable(),
});

/** Gives a command to the agent; returns the name under which its answer is found. Written after what is commanded. */
export function giveCommand(file: JournalFile, { kind, approvalId }: OwnerCommand, now: number): string {
  const commandId = randomBytes(16).toString("hex");
  file.write("command given", (db) => {
    db.prepare("DELETE FROM command WHERE given_at < ?").run(now - keptMs);
    db.prepare("INSERT INTO command (command_id, kind, approval_id, given_at) VALUES (?, ?, ?, ?)").run(
      commandId,
      kind,
      approvalId,
      now,
    );
  });
  return commandId;
}

/** The agent's answer; null while there is none. */
export function confirmationOf(file: JournalFile, commandId: string): Confirmation | null {
  const row = file.read((db) => db.prepare("SELECT * FROM command WHERE command_id = ?").get(commandId));
  if (row === undefined) return null;
  const { answer, pid } = Row.parse(row);
  return answer === null || pid === null ? null : { answer, pid };
}

/** For the agent that has the journal open for orders: answers every command that has no answer yet. */
export function confirmCommands(file: JournalFile, pid: number, now: number): void {
  const unanswered = (db: DatabaseSync) => db.prepare("SELECT * FROM command WHERE answer IS NULL").all();
  // most often there is nothing, and then nothing is written
  if (file.read(unanswered).length === 0) return;
  file.write("commands confirmed", (db) => {
    for (const row of unanswered(db)) {
      const { command_id: commandId, kind, approval_id: approvalId } = Row.parse(row);
      db.prepare("UPDATE command SET answer = ?, pid = ?, answered_at = ? WHERE command_id = ?").run(
        doesHold(db, kind, approvalId) ? "confirmed" : "contradicted",
        pid,
        now,
        commandId,
      );
    }
  });
}

function doesHold(db: DatabaseSync, kind: Kind, approvalId: string): boolean {
  switch (kind) {
    case "freeze":
      return freezeOf(db) !== null;
    case "unfreeze":
      return freezeOf(db) === null;
    case "approve": {
      // the client may have used it by now
      const state = stateOfApproval(db, approvalId);
      return state === "approved" || state === "used";
    }
    case "decline":
      return stateOfApproval(db, approvalId) === "declined";
    default:
      return kind satisfies never;
  }
}

const stateOfApproval = (db: DatabaseSync, approvalId: string): unknown =>
  db.prepare("SELECT state FROM approval WHERE approval_id = ?").get(approvalId)?.["state"];
