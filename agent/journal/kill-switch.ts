import { TwsError } from "../../shared/errors.ts";
import type { Freeze } from "../../shared/status.ts";
import { appendAudit } from "./audit-trail.ts";
import { freezeOf } from "./journal.ts";
import type { JournalFile } from "./database.ts";

/** Stops new orders until it is lifted, also over restarts: it is kept in the journal. Cancelling is never stopped. */
export interface KillSwitch {
  /** Null: not stopped. */
  state(): Freeze | null;
  /**
   * The first to stop stays named; the host and the loss limit take over what the page has stopped, so that the page
   * cannot lift it.
   */
  freeze(by: Freeze["by"], reason: string): Freeze;
  /** What the host lifts is lifted; the page lifts only what it has stopped itself. Throws trading_frozen otherwise. */
  unfreeze(by: "host" | "page"): void;
}

export function createKillSwitch(file: JournalFile, now: () => number): KillSwitch {
  return {
    state: () => file.read(freezeOf),

    freeze(by, reason) {
      return file.write("frozen", (db) => {
        const before = freezeOf(db);
        if (before !== null && (before.by !== "page" || by === "page")) return before;
        const freeze = {
          by,
          since: new Date(now()).toISOString(),
          reason: reason.slice(0, 200).toWellFormed(),
        };
        db.prepare("INSERT OR REPLACE INTO freeze (only_row, by, since, reason) VALUES (1, ?, ?, ?)").run(
          freeze.by,
          freeze.since,
          freeze.reason,
        );
        appendAudit(db, { step: "frozen", outcome: `by ${by}` }, now());
        return freeze;
      });
    },

    unfreeze(by) {
      file.write("unfrozen", (db) => {
        const before = freezeOf(db);
        if (before === null) return;
        if (by === "page" && before.by !== "page") throw frozen(before);
        db.exec("DELETE FROM freeze");
        appendAudit(db, { step: "unfrozen", outcome: `by ${by}` }, now());
      });
    },
  };
}

const who: Readonly<Record<Freeze["by"], string>> = {
  host: "The owner has stopped new orders on the TWS host",
  page: "The owner has stopped new orders at the edge's page",
  loss: "The loss limit of the day has stopped new orders",
};

export const frozen = ({ by, since, reason }: Freeze): TwsError =>
  new TwsError("trading_frozen", `${who[by]} (since ${since}${reason === "" ? "" : `: ${reason}`}).`);
