import { EventName } from "@stoqey/ib";
import type { TwsSession } from "../session/api.ts";
import type { Log } from "../../process/log.ts";
import { figureOf } from "../session/figures.ts";

interface PnlWatch {
  readonly session: TwsSession;
  readonly account: string;
  readonly log: Log;
  /** Each figure of today's profit that TWS sends, about every second, in the account's currency. */
  readonly onFigure: (dailyPnL: number) => void;
  /** What was told before holds no more; another figure follows once TWS answers again. */
  readonly onLost: () => void;
}

/** TWS may refuse for a moment, as it does right after it has started. */
const retryMs = 2_000;

/** Follows today's profit of one account over all connections. Returns the way to stop. */
export function watchDailyPnl({ session, account, log, onFigure, onLost }: PnlWatch): () => void {
  let reqId: number | null = null;
  let retry: NodeJS.Timeout | null = null;
  /** The connection on which it was asked last. */
  let askedOn = 0;

  const isUp = (): boolean => {
    const { state } = session.status().tws;
    return state === "connected" || state === "upstream_down";
  };
  const open = (): void => {
    const id = session.nextRequestId();
    reqId = id;
    askedOn = session.connection;
    session
      .send("account", (ib) => {
        if (reqId === id) ib.reqPnL(id, account);
      })
      .catch((error: unknown) => {
        // the end of the connection is followed by the next one
        if (reqId !== id || !isUp()) return;
        log.warn("tws.pnl_not_asked", { account, error });
        lose();
        retryLater();
      });
  };
  const lose = (): void => {
    reqId = null;
    if (retry !== null) clearTimeout(retry);
    retry = null;
    onLost();
  };
  const retryLater = (): void => {
    retry = setTimeout(() => {
      if (reqId === null && isUp()) open();
    }, retryMs);
    retry.unref();
  };
  const withdraw = (id: number | null): void => {
    if (id === null || !isUp()) return;
    session
      .send("release", (ib) => ib.cancelPnL(id))
      .catch((error: unknown) => {
        if (isUp()) log.warn("tws.cancel_not_sent", { reqId: id, error });
      });
  };

  const offs = [
    session.on(EventName.pnl, (id, daily) => {
      const figure = figureOf(daily);
      if (id === reqId && figure !== null) onFigure(figure);
    }),
    session.onNotice((notice) => {
      if (notice.id !== reqId) return;
      log.warn("tws.pnl_refused", { account, code: notice.code, text: notice.text });
      lose();
      retryLater();
    }),
    session.onConnected(() => {
      // a watch that began with this very connection
      if (askedOn === session.connection) return;
      lose();
      open();
    }),
    session.onDisconnected(lose),
    session.onDataLost(() => {
      const before = reqId;
      lose();
      withdraw(before);
      open();
    }),
  ];
  if (isUp()) open();

  return () => {
    for (const off of offs) off();
    if (retry !== null) clearTimeout(retry);
    const last = reqId;
    reqId = null;
    withdraw(last);
  };
}
