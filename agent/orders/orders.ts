import { TwsError } from "../../shared/errors.ts";
import type { TradingStatus } from "../../shared/status.ts";
import { limitsInForce } from "../limits/limits-in-force.ts";
import { boundsOf } from "../limits/limits.ts";
import type { Limits } from "../limits/limits.ts";
import { createLimitGuard } from "../limits/limit-check.ts";
import { createLossWatch } from "../limits/loss-watch.ts";
import type { QuoteStreams, TwsSession } from "../tws/session/api.ts";
import type { OrderBook } from "../tws/orders/order-book.ts";
import { createApprovals } from "../journal/approvals.ts";
import { createJournal } from "../journal/journal.ts";
import type { JournalFile } from "../journal/database.ts";
import { createConflicts } from "../journal/conflicts.ts";
import { createKillSwitch } from "../journal/kill-switch.ts";
import { confirmCommands } from "../journal/owner-commands.ts";
import { createDuplicates } from "./duplicates.ts";
import { createPipeline } from "./submission.ts";
import { createReconciler, type ReconcileTimes } from "./reconciler.ts";
import type { Log } from "../process/log.ts";

interface OrdersOptions {
  readonly session: TwsSession;
  readonly orderBook: OrderBook;
  readonly quotes: QuoteStreams;
  readonly limits: Limits;
  readonly journalFile: JournalFile;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds on a clock that nobody sets; that of the process by default. */
  readonly elapsed?: () => number;
  readonly log: Log;
  readonly reconcileTimes?: Partial<ReconcileTimes>;
}

export type Orders = ReturnType<typeof createOrders>;

/** All that stands between an order intent and TWS. Make it with the session, before that connects. */
export function createOrders(options: OrdersOptions) {
  const { session, orderBook, quotes, limits, journalFile, now, log, reconcileTimes } = options;
  const { elapsed = () => performance.now() } = options;
  const journal = createJournal(journalFile, now);
  const killSwitch = createKillSwitch(journalFile, now);
  const approvals = createApprovals(journalFile, now, boundsOf(limits).approvalAt);
  const lossWatch = createLossWatch({ limits, session, killSwitch, log });
  const guard = createLimitGuard({
    limits,
    session,
    quotes: quotes.forChecks,
    orderBook,
    journal,
    lossWatch,
    now,
  });
  const reconciler = createReconciler({
    journal,
    orderBook,
    session,
    now,
    log,
    ...(reconcileTimes && { times: reconcileTimes }),
  });
  const { clientId } = session;
  const duplicates = createDuplicates({ journal, observed: reconciler, now, elapsed });
  const pipeline = createPipeline({ journal, guard, approvals, reconciler, duplicates, clientId, now, log });
  return {
    journal,
    conflicts: createConflicts(journalFile, now, log),
    killSwitch,
    approvals,
    guard,
    reconciler,
    pipeline,

    /** Whether new orders are taken. Never throws. */
    status(): TradingStatus {
      const { trading } = limits;
      const { approval, approvalAt } = boundsOf(limits);
      const inForce = limitsInForce(limits);
      try {
        return {
          trading,
          approval,
          approvalAt,
          limits: inForce,
          frozen: killSwitch.state(),
          journal: journal.failure() === null ? "ok" : "failed",
          unknownOrders: journal.countUnknown(),
        };
      } catch {
        return {
          trading,
          approval,
          approvalAt,
          limits: inForce,
          frozen: null,
          journal: "failed",
          unknownOrders: 0,
        };
      }
    },

    /** Which journal this is; null while it cannot be read. Never throws. */
    journalId(): string | null {
      try {
        return journal.audit.trail().trailId;
      } catch (error) {
        log.error("journal.not_read_failed", { error });
        return null;
      }
    },

    /** Answers the commands that the owner has given on this machine, by what holds here now. Never throws. */
    confirmCommands(): void {
      try {
        confirmCommands(journalFile, process.pid, now());
      } catch (error) {
        // without an answer the command says that it was not confirmed
        if (!(error instanceof TwsError)) throw error;
      }
    },

    close(): void {
      reconciler.close();
      lossWatch.close();
    },
  };
}
