import type { Freeze } from "../../shared/status.ts";
import { type Answer, confirmed, exitCodeFor, exitCodes, unconfirmedWords } from "./confirmation.ts";
import { type Failure, failureOf, type Output, plain, terminal } from "./output.ts";
import { type ForeignAgent, freezeAsOwner } from "./freeze-as-owner.ts";
import { type OpenJournal, type JournalsToStop, nameOf, withJournal } from "./open-journal.ts";
import { createKillSwitch } from "../journal/kill-switch.ts";
import type { RunningAgent } from "../process/running-agents.ts";

export const freezeHelp = `tws-edge freeze: stops new orders on this machine, at once and until you lift it.

  tws-edge freeze
  tws-edge freeze back on Monday     the rest is the reason, which clients are shown (200 characters at most)

It stops every agent that runs on this machine, from whichever folder and whoever calls it, or the one whose journal
--journal names, and says of each whether the agent has confirmed it. An agent of another user is named and not stopped:
only that user and root can. It also holds for the configured journal's next agent, where there is such a journal.
Working orders stay at TWS, and cancelling still works. An agent in a container is stopped by this command inside it.
`;

export const unfreezeHelp = `tws-edge unfreeze: lets new orders through again, whoever has stopped them.

  tws-edge unfreeze
`;

/** How one journal's agent took the stop; words of what failed where that could not even be written. */
type Stopped = Answer | { readonly kind: "failed"; readonly words: string };

/** Stops new orders in each of these journals, and says what each agent has confirmed. */
export async function runFreezeAll(
  { journals, foreign, unreached }: JournalsToStop,
  reason: string,
  { out }: Output = terminal,
): Promise<Failure> {
  // all at once: a stuck agent must not delay the stop of another
  const all = await Promise.all([...journals].map(([path, agent]) => stopOne(path, agent, reason)));
  // this user's own agents first: another user may keep whoever stops theirs busy
  const said = all.flatMap(({ lines }) => (lines.length === 0 ? [] : [lines.join("\n")]));
  if (said.length > 0) out(said.join("\n\n"));
  const ofOthers = await Promise.all(foreign.map((one) => stopForeign(one, reason, out)));
  const problems = all.flatMap(({ stopped }) => problemOf(stopped));
  for (const words of [...unreached, ...ofOthers.flatMap((one) => one ?? [])])
    problems.push({ words: `Not stopped. ${words}`, exitCode: exitCodes.notConfirmed });
  const isAnyConfirmed = ofOthers.includes(null) || all.some(({ stopped }) => stopped.kind === "confirmed");
  // a journal that waits for its next agent is no problem while another agent has confirmed
  const counted = isAnyConfirmed
    ? problems.filter(({ exitCode }) => exitCode !== exitCodes.notRunning)
    : problems;
  const [first] = counted;
  if (first === undefined && journals.size + foreign.length > 0) return null;
  if (first === undefined) return { words: nothingThere, exitCode: exitCodes.notRunning };
  const worst = [1, exitCodes.notConfirmed].find((code) => counted.some(({ exitCode }) => exitCode === code));
  return {
    words: [...new Set(counted.map(({ words }) => words))].join("\n"),
    exitCode: worst ?? first.exitCode,
  };
}

const nothingThere =
  "Nothing was stopped: no agent that runs on this machine was found, and there is no order journal where the configuration says. Run this where the agent runs (in its container, too), set TWS_EDGE_JOURNAL and TWS_PORT as the agent has them, or give --journal PATH.";

const problemOf = (stopped: Stopped): { readonly words: string; readonly exitCode: number }[] => {
  switch (stopped.kind) {
    case "confirmed":
      return [];
    case "failed":
      return [{ words: stopped.words, exitCode: 1 }];
    case "silent":
    case "contradicted":
    case "not_running":
      return [{ words: unconfirmedWords(stopped, "the stop"), exitCode: exitCodeFor(stopped) }];
    default:
      return stopped satisfies never;
  }
};

/** Null where the agent has confirmed it; otherwise what to do. */
async function stopForeign(one: ForeignAgent, reason: string, out: Output["out"]): Promise<string | null> {
  const { isConfirmed, lines } = await freezeAsOwner(one, reason);
  if (lines.length > 0) out(lines.join("\n"));
  return isConfirmed
    ? null
    : `${nameOf(one.agent)} has not confirmed it: run tws-edge freeze as the user ${plain(one.agent.user)}, or end the process.`;
}

async function stopOne(path: string, agent: RunningAgent | null, reason: string) {
  const lines: string[] = [];
  try {
    const stopped = await withJournal(path, (desk) =>
      runFreeze({ ...desk, out: (line) => void lines.push(line) }, agent, reason),
    );
    return { stopped, lines };
  } catch (error) {
    const failure = failureOf(error);
    const words = `Not stopped, journal ${path}: ${failure?.words ?? ""}`;
    return { stopped: { kind: "failed", words } as const, lines };
  }
}

/** Stops new orders in this journal, and says since when they are stopped, by whom, and whether the agent agrees. */
async function runFreeze(desk: OpenJournal, agent: RunningAgent | null, reason: string): Promise<Answer> {
  const { file, path, now, out } = desk;
  const killSwitch = createKillSwitch(file, now);
  const before = killSwitch.state();
  const after = killSwitch.freeze("host", reason);
  const isOld = before !== null && before.by === after.by && before.since === after.since;
  const given = await confirmed(desk, { kind: "freeze", approvalId: "" });
  // its process is there, and holds no journal: whatever it does, it has confirmed nothing
  const answer: Answer =
    given.kind === "not_running" && agent?.isInSight === true ? { kind: "silent" } : given;
  if (answer.kind === "confirmed") {
    out(`New orders ${isOld ? "were stopped already" : "are stopped"}, ${wordsOf(after)}.`);
    out(`The agent that runs (process ${answer.pid}) has confirmed it: it takes no new order.`);
  } else {
    out(`The stop is written in the journal, ${wordsOf(after)}.`);
    out(
      answer.kind === "not_running"
        ? "No agent runs with this journal: the next one that starts takes no new order."
        : "NOT CONFIRMED by the agent that has this journal.",
    );
  }
  if (before !== null && !isOld) {
    out(`They were stopped already, ${wordsOf(before)}; now only this machine lifts it.`);
  }
  out("Working orders stay at TWS, and cancelling still works. To lift it: tws-edge unfreeze");
  out(`Journal: ${path}`);
  return answer;
}

/** Lifts what has stopped new orders, and says what that was. */
export async function runUnfreeze(desk: OpenJournal): Promise<Failure> {
  const { file, path, now, out } = desk;
  const killSwitch = createKillSwitch(file, now);
  const before = killSwitch.state();
  killSwitch.unfreeze("host");
  const answer = await confirmed(desk, { kind: "unfreeze", approvalId: "" });
  const were = before === null ? "" : ` They were stopped ${wordsOf(before)}.`;
  if (answer.kind === "confirmed") {
    out(
      before === null
        ? "New orders were not stopped, so there was nothing to lift."
        : `New orders are taken again.${were}`,
    );
    out(`The agent that runs (process ${answer.pid}) has confirmed it.`);
  } else {
    out(
      before === null
        ? "New orders were not stopped in this journal, so there was nothing to lift."
        : `It is lifted in the journal.${were}`,
    );
  }
  out(`Journal: ${path}`);
  return answer.kind === "confirmed"
    ? null
    : { words: unconfirmedWords(answer, "that orders are taken again"), exitCode: exitCodeFor(answer) };
}

const who: Readonly<Record<Freeze["by"], string>> = {
  host: "on this machine",
  page: "at the edge's page",
  loss: "by the loss limit of the day",
};

const wordsOf = ({ by, since, reason }: Freeze): string =>
  `${who[by]}, since ${since}${reason === "" ? "" : ` (${plain(reason)})`}`;
