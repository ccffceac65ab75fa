import { EventName } from "@stoqey/ib";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { perSession } from "../session/shared-reads.ts";
import { figureOf } from "../session/figures.ts";

interface Followed {
  readonly reqId: number;
  readonly account: string;
  readonly conId: number;
  /** What TWS has sent last; null before the first, and where it knows no figure. */
  daily: number | null;
  usedAt: number;
  /** Resolves with the first answer of TWS, a refusal included. */
  readonly answered: Promise<void>;
  readonly answer: () => void;
}

/** Holdings followed at once. TWS repeats the figure of each every second. */
const mostFollowed = 200;
/** How long a list of holdings waits for figures that TWS has not sent yet. */
const waitMs = 1_500;
/** Holdings that nobody has asked for since are not followed any more. */
const unusedMs = 60_000;

const keyOf = (account: string, conId: number): string => `${account}/${conId}`;

/**
 * The profit of each holding since the previous close, as TWS works it out. TWS tells it for one holding at a time, so
 * all that are asked for are followed for a minute: whoever asks again has them without a message.
 */
class HoldingPnl {
  readonly #session: TwsSession;
  readonly #followed = new Map<string, Followed>();
  readonly #byRequest = new Map<number, Followed>();
  #timer: NodeJS.Timeout | null = null;

  constructor(session: TwsSession) {
    this.#session = session;
    session.on(EventName.pnlSingle, (reqId, _position, daily) => {
      const one = this.#byRequest.get(reqId);
      if (one === undefined) return;
      one.daily = figureOf(daily);
      one.answer();
    });
    session.onNotice(({ id }) => this.#byRequest.get(id)?.answer());
    session.onDisconnected(() => this.#forgetAll());
    session.onDataLost(() => {
      for (const one of this.#followed.values()) this.#withdraw(one);
      this.#forgetAll();
    });
  }

  /** The figures of holdings of one account by conId, as far as TWS sends them in time. */
  async read(
    account: string,
    conIds: readonly number[],
    { timeoutMs, signal }: RequestContext,
  ): Promise<ReadonlyMap<number, number>> {
    const now = performance.now();
    const wanted = conIds.flatMap((conId) => this.#follow(account, conId, now) ?? []);
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.min(waitMs, timeoutMs));
    signal.addEventListener("abort", () => resolve(), { once: true });
    await Promise.race([Promise.all(wanted.map(({ answered }) => answered)), over]);
    clearTimeout(timer);
    resolve();
    return new Map(wanted.flatMap(({ conId, daily }) => (daily === null ? [] : [[conId, daily] as const])));
  }

  /** Null where too many are followed already. */
  #follow(account: string, conId: number, now: number): Followed | null {
    const key = keyOf(account, conId);
    const known = this.#followed.get(key);
    if (known !== undefined) {
      known.usedAt = now;
      return known;
    }
    if (this.#followed.size >= mostFollowed) return null;
    const reqId = this.#session.nextRequestId();
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
    const one: Followed = { reqId, account, conId, daily: null, usedAt: now, answered, answer };
    this.#followed.set(key, one);
    this.#byRequest.set(reqId, one);
    this.#session
      .send("data", (ib) => {
        if (this.#byRequest.has(reqId)) ib.reqPnLSingle(reqId, account, "", conId);
      })
      .catch(() => this.#forget(one));
    this.#timer ??= setInterval(() => this.#endUnused(), unusedMs / 2).unref();
    return one;
  }

  #endUnused(): void {
    const now = performance.now();
    for (const one of this.#followed.values()) {
      if (now - one.usedAt <= unusedMs) continue;
      this.#withdraw(one);
      this.#forget(one);
    }
    if (this.#followed.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #withdraw({ reqId }: Followed): void {
    // a connection that has ended has ended the subscription too
    this.#session.send("data", (ib) => ib.cancelPnLSingle(reqId)).catch(() => {});
  }

  #forget(one: Followed): void {
    one.answer();
    this.#followed.delete(keyOf(one.account, one.conId));
    this.#byRequest.delete(one.reqId);
  }

  #forgetAll(): void {
    for (const one of this.#followed.values()) this.#forget(one);
  }
}

const holdingPnlOf = perSession((session) => new HoldingPnl(session));

/** Profit since the previous close by conId; a holding of which TWS sends none in time is left out. */
export const holdingsDailyPnl = (
  session: TwsSession,
  account: string,
  conIds: readonly number[],
  context: RequestContext,
): Promise<ReadonlyMap<number, number>> => holdingPnlOf(session).read(account, conIds, context);
