import { type ParseArgsConfig, parseArgs } from "node:util";
import { TwsError } from "../../shared/errors.ts";
import { auditHelp, auditOptions, runAudit } from "./audit.ts";
import {
  approvalsHelp,
  approvalsOptions,
  approveHelp,
  declineHelp,
  listApprovals,
  runDecision,
} from "./approvals.ts";
import { type Failure, failureOf } from "./output.ts";
import { freezeHelp, runFreeze, runUnfreeze, unfreezeHelp } from "./freeze.ts";
import { journalFor, journalsToStop, withJournal } from "./open-journal.ts";
import { listUnknown, ordersHelp, ordersOptions } from "./unknown-orders.ts";

/** The owner's commands about the order journal. They work beside a running agent, and without one. */
type JournalCommand = "freeze" | "unfreeze" | "approvals" | "approve" | "decline" | "audit" | "orders";

const helps: Readonly<Record<JournalCommand, string>> = {
  freeze: freezeHelp,
  unfreeze: unfreezeHelp,
  approvals: approvalsHelp,
  approve: approveHelp,
  decline: declineHelp,
  audit: auditHelp,
  orders: ordersHelp,
};

/** Said by each of them. */
const common = `
  --journal PATH    the journal's file, if not that of the configured TWS (TWS_EDGE_JOURNAL) or, without one, of the simulator
`;

export function runJournalCommand(command: JournalCommand, args: readonly string[]): Failure {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${helps[command]}${common}`);
    return null;
  }
  try {
    switch (command) {
      case "freeze": {
        const { values, positionals } = read(command, args, {});
        // who wants to stop must not miss the agent that runs for want of a variable
        for (const path of journalsToStop(values.journal)) {
          withJournal(path, "make", (journal) => runFreeze(journal, positionals.join(" ")));
        }
        return null;
      }
      case "unfreeze": {
        const { values, positionals } = read(command, args, {});
        none(positionals, command);
        return withJournal(journalFor(values.journal), "find", runUnfreeze);
      }
      case "approvals": {
        const { values, positionals } = read(command, args, approvalsOptions);
        none(positionals, command);
        return withJournal(journalFor(values.journal), "find", (journal) => listApprovals(journal, values));
      }
      case "approve":
      case "decline": {
        const { values, positionals } = read(command, args, {});
        const [id, ...more] = positionals;
        none(more, command);
        if (id === undefined) throw wrong(command, `${command} needs an id; tws-edge approvals shows them.`);
        return withJournal(journalFor(values.journal), "find", (journal) =>
          runDecision(journal, command, id),
        );
      }
      case "audit": {
        const { values, positionals } = read(command, args, auditOptions);
        return withJournal(journalFor(values.journal), "find", (journal) =>
          runAudit(journal, positionals, values),
        );
      }
      case "orders": {
        const { values, positionals } = read(command, args, ordersOptions);
        const [action, ...more] = positionals;
        none(more, command);
        if (action !== "unknown") throw wrong(command, "orders needs: unknown.");
        return withJournal(journalFor(values.journal), "find", (journal) => listUnknown(journal, values));
      }
      default:
        return command satisfies never;
    }
  } catch (error) {
    return failureOf(error);
  }
}

const journalOption = { journal: { type: "string" } } as const;

function read<const Options extends NonNullable<ParseArgsConfig["options"]>>(
  command: JournalCommand,
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...options, ...journalOption },
    });
  } catch (error) {
    throw wrong(command, error instanceof Error ? error.message : String(error));
  }
}

function none(more: readonly string[], command: JournalCommand): void {
  if (more.length > 0) throw wrong(command, `${command} does not take ${more.join(" ")}.`);
}

const wrong = (command: JournalCommand, message: string) =>
  new TwsError("invalid_input", message, { nextStep: `tws-edge ${command} --help explains it.` });
