import type { KillSwitch } from "../journal/kill-switch.ts";
import { accountFindings, boundsOf, limitNames } from "./limits.ts";
import type { Finding, Limits } from "./limits.ts";
import type { TwsSession } from "../tws/session/api.ts";
import type { Log } from "../process/log.ts";
import { watchDailyPnl } from "../tws/account/pnl-watch.ts";
import { amountText } from "./amounts.ts";

/** Watches the loss of the day, and stops new orders when it reaches the limit. */
export interface LossWatch {
  /** How an account stands to the limit; null when none is set. Not ok while its loss is not known. */
  finding(account: string): Finding | null;
  /** Ends the watch; what it has stopped stays stopped. */
  close(): void;
}

interface LossWatchDeps {
  readonly limits: Limits;
  readonly session: TwsSession;
  readonly killSwitch: KillSwitch;
  readonly log: Log;
}

/** Figures come within a second. */
const retryAfterMs = 2_000;

/**
 * Follows today's profit of every account that may be traded, as long as a limit is set. One account's loss stops the
 * orders of all. While the loss stands, each figure stops them anew: lifting the stop alone does not help.
 */
export function createLossWatch(deps: LossWatchDeps): LossWatch {
  const { dayLoss } = boundsOf(deps.limits);
  return dayLoss === null ? { finding: () => null, close: () => {} } : watchLoss(deps, dayLoss);
}

function watchLoss({ session, killSwitch, limits, log }: LossWatchDeps, most: number): LossWatch {
  /** Today's profit by account, as this connection has told it. */
  const profits = new Map<string, number>();
  const watches = new Map<string, () => void>();

  function stop(account: string, profit: number): void {
    const reason = `${account} has lost ${amountText(-profit)} today; ${limitNames.dayLoss} is ${amountText(most)}`;
    try {
      const before = killSwitch.state();
      if (before !== null && before.by !== "page") return;
      killSwitch.freeze("loss", reason);
      log.warn("limits.loss_reached", { account });
    } catch (error) {
      // orders are refused all the same, by the figure
      log.error("limits.freeze_failed", { account, error });
    }
  }

  const isLost = (profit: number): boolean => profit <= -most;

  function follow(): void {
    for (const account of session.accounts()) {
      const isTraded = accountFindings(limits, account).every(({ ok }) => ok);
      if (watches.has(account) || !isTraded) continue;
      const onFigure = (profit: number): void => {
        profits.set(account, profit);
        if (isLost(profit)) stop(account, profit);
      };
      const onLost = (): void => void profits.delete(account);
      watches.set(account, watchDailyPnl({ session, account, log, onFigure, onLost }));
    }
  }
  const off = session.onConnected(follow);
  follow();

  return {
    finding(account) {
      const base = { name: limitNames.dayLoss, limit: amountText(most) };
      const profit = profits.get(account);
      if (profit === undefined) {
        const sentence = `TWS has not told yet what account ${account} has lost today, and there is a limit to it.`;
        return { ...base, asked: "not known yet", ok: false, sentence, retryAfterMs };
      }
      const loss = Math.max(0, -profit);
      const sentence = `Account ${account} has lost ${amountText(loss)} today, and ${base.limit} is the limit.`;
      return { ...base, asked: `a loss of ${amountText(loss)}`, ok: !isLost(profit), sentence };
    },
    close() {
      off();
      for (const unwatch of watches.values()) unwatch();
    },
  };
}
