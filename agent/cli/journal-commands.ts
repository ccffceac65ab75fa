import { type ParseArgsConfig, parseArgs } from "node:util";
import { TwsError } from "../../shared/errors.ts";
import { auditHelp, auditOptions, runAudit } from "./audit.ts";
import { archiveHelp, archiveOptions, readBefore, runArchive } from "./archive.ts";
import {
  approvalsHelp,
  approvalsOptions,
  approveHelp,
  declineHelp,
  listApprovals,
  runDecision,
} from "./approvals.ts";
import { type Failure, failureOf } from "./output.ts";
import { exitCodesHelp } from "./confirmation.ts";
import { freezeHelp, runFreezeAll, runUnfreeze, unfreezeHelp } from "./freeze.ts";
import { journalFor, journalsToStop, withJournal } from "./open-journal.ts";
import { listUnknown, ordersHelp, ordersOptions } from "./unknown-orders.ts";

/** The owner's commands about the order journal. They work beside a running agent, and without one. */
type JournalCommand =
  | "freeze"
  | "unfreeze"
  | "approvals"
  | "approve"
  | "decline"
  | "audit"
  | "orders"
  | "journal";

const helps: Readonly<Record<JournalCommand, string>> = {
  freeze: `${freezeHelp}${exitCodesHelp}`,
  unfreeze: `${unfreezeHelp}${exitCodesHelp}`,
  approvals: approvalsHelp,
  approve: `${approveHelp}${exitCodesHelp}`,
  decline: `${declineHelp}${exitCodesHelp}`,
  audit: auditHelp,
  orders: ordersHelp,
  journal: archiveHelp,
};

/** Said by each of them. */
const common = `
  --journal PATH    the journal's file, if not that of the configured TWS (TWS_EDGE_JOURNAL) or, without one, of the simulator
`;

export async function runJournalCommand(command: JournalCommand, args: readonly string[]): Promise<Failure> {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${helps[command]}${common}`);
    return null;
  }
  try {
    switch (command) {
      case "freeze": {
        const { values, positionals } = read(command, args, {});
        return await runFreezeAll(journalsToStop(values.journal), positionals.join(" "));
      }
      case "unfreeze": {
        const { values, positionals } = read(command, args, {});
        none(positionals, command);
        return await withJournal(journalFor(values.journal), runUnfreeze);
      }
      case "approvals": {
        const { values, positionals } = read(command, args, approvalsOptions);
        none(positionals, command);
        return await withJournal(journalFor(values.journal), (desk) => listApprovals(desk, values));
      }
      case "approve":
      case "decline": {
        const { values, positionals } = read(command, args, {});
        const [id, ...more] = positionals;
        none(more, command);
        if (id === undefined) throw wrong(command, `${command} needs an id; tws-edge approvals shows them.`);
        return await withJournal(journalFor(values.journal), (desk) => runDecision(desk, command, id));
      }
      case "audit": {
        const { values, positionals } = read(command, args, auditOptions);
        return await withJournal(journalFor(values.journal), (desk) => runAudit(desk, positionals, values));
      }
      case "orders": {
        const { values, positionals } = read(command, args, ordersOptions);
        const [action, ...more] = positionals;
        none(more, command);
        if (action !== "unknown") throw wrong(command, "orders needs: unknown.");
        return await withJournal(journalFor(values.journal), (desk) => listUnknown(desk, values));
      }
      case "journal": {
        const { values, positionals } = read(command, args, archiveOptions);
        const [action, ...more] = positionals;
        none(more, command);
        if (action !== "archive") throw wrong(command, "journal needs: archive.");
        const before = readBefore(values.before);
        return await withJournal(journalFor(values.journal), (desk) =>
          runArchive(desk, before, values["dry-run"] === true),
        );
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
