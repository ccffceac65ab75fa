import type { Freeze } from "../../shared/status.ts";
import { type Failure, plain } from "./output.ts";
import type { OpenJournal } from "./open-journal.ts";
import { createKillSwitch } from "../journal/kill-switch.ts";

export const freezeHelp = `tws-edge freeze: stops new orders on this machine, at once and until you lift it.

  tws-edge freeze
  tws-edge freeze back on Monday     the rest is the reason, which clients are shown (200 characters at most)

It holds for the agent that runs, within its next step, and for each one that starts later. Working orders stay at TWS,
and cancelling still works. Where no TWS is configured, it stops the simulator's orders and those of an agent that runs.
`;

export const unfreezeHelp = `tws-edge unfreeze: lets new orders through again, whoever has stopped them.

  tws-edge unfreeze
`;

/** Stops new orders in this journal, and says since when they are stopped, and by whom. */
export function runFreeze({ file, path, isTaken, now, out }: OpenJournal, reason: string): void {
  const killSwitch = createKillSwitch(file, now);
  const before = killSwitch.state();
  const after = killSwitch.freeze("host", reason);
  if (before !== null && before.by === after.by && before.since === after.since) {
    out(`New orders were stopped already, ${wordsOf(after)}.`);
  } else {
    out(`New orders are stopped, ${wordsOf(after)}.`);
    if (before !== null)
      out(`They were stopped already, ${wordsOf(before)}; now only this machine lifts it.`);
  }
  out(
    isTaken
      ? "An agent runs with this journal: it takes no new order from now on."
      : "No agent runs with this journal: the next one that starts takes no new order.",
  );
  out("Working orders stay at TWS, and cancelling still works. To lift it: tws-edge unfreeze");
  out(`Journal: ${path}`);
}

/** Lifts what has stopped new orders, and says what that was. */
export function runUnfreeze({ file, path, now, out }: OpenJournal): Failure {
  const killSwitch = createKillSwitch(file, now);
  const before = killSwitch.state();
  killSwitch.unfreeze("host");
  out(
    before === null
      ? "New orders were not stopped, so there was nothing to lift."
      : `New orders are taken again. They were stopped ${wordsOf(before)}.`,
  );
  out(`Journal: ${path}`);
  return null;
}

const who: Readonly<Record<Freeze["by"], string>> = {
  host: "on this machine",
  page: "at the edge's page",
  loss: "by the loss limit of the day",
};

const wordsOf = ({ by, since, reason }: Freeze): string =>
  `${who[by]}, since ${since}${reason === "" ? "" : ` (${plain(reason)})`}`;
