import type { EventName, IBApi } from "@stoqey/ib";
import { TwsError } from "../../../shared/errors.ts";
import type { RequestContext, RequestControl, RequestSpec, TwsSession } from "./api.ts";

/** The ends of lists that TWS sends without saying whose they are. */
export type ListEnd =
  | EventName.accountDownloadEnd
  | EventName.completedOrdersEnd
  | EventName.openOrderEnd
  | EventName.positionEnd;

export interface ListSpec<T> extends Pick<
  RequestSpec<T>,
  "lane" | "what" | "on" | "cancelAfter" | "isOfOrders"
> {
  start(ib: IBApi): void;
  cancel?(ib: IBApi): void;
  /** The rows so far answered an earlier request: forgets them. */
  forget(): void;
  /** The rows are whole. */
  whole(control: RequestControl<T>): void;
}

export type AskList = <T>(spec: ListSpec<T>, context: RequestContext) => Promise<T>;

interface ListTimes {
  /** An end was taken for that of an earlier request; if ours has not come after so long, that may have been ours. */
  readonly againMs: number;
  /** Ends that have been missing for so long are lost. */
  readonly lostMs: number;
}

const usualTimes: ListTimes = { againMs: 300, lostMs: 60_000 };

/** What comes between the writing of a request and its end. */
interface Pass {
  ended(): void;
}

/**
 * One kind of list that carries no request id, asked for by one caller at a time. TWS answers in turn, so the end of a
 * request that was given up comes before that of the next, and would end it early: with no rows, or with old ones. So
 * ends are counted. As many as TWS still owed when a request was written are passed over, with the rows before them.
 * An end that never comes would make us pass over our own: then the request is written once more, whose end is one
 * too many at worst, and comes when nobody asks, or is passed over in its turn. Each connection starts from nothing.
 */
export function createListKind(
  session: TwsSession,
  end: ListEnd,
  /** Of those that name an account. */
  account: string | null = null,
  { againMs, lostMs }: ListTimes = usualTimes,
): AskList {
  let connection = 0;
  /** Requests written on that connection less the ends that have come. */
  let owed = 0;
  /** Since when it has been more than none. */
  let owedSince = 0;
  let running: Pass | null = null;

  session.on(end, (...named: readonly string[]) => {
    if (account !== null && named[0] !== account) return;
    owed = Math.max(0, owed - 1);
    running?.ended();
  });

  const written = (): void => {
    const now = performance.now();
    if (connection !== session.connection || now - owedSince > lostMs) owed = 0;
    connection = session.connection;
    if (owed === 0) owedSince = now;
    owed += 1;
  };

  return async <T>(spec: ListSpec<T>, context: RequestContext): Promise<T> => {
    let again: NodeJS.Timeout | undefined;
    let before = 0;
    let isOver = false;
    const send = (action: (ib: IBApi) => void): void => {
      // a connection that ends has ended the request too
      session
        .send(spec.lane, (ib) => {
          if (!isOver) action(ib);
        })
        .catch(() => {});
    };
    const repeat = (): void => {
      if (spec.cancel !== undefined) send((ib) => spec.cancel?.(ib));
      send((ib) => {
        written();
        spec.start(ib);
      });
    };
    const begin = (ib: IBApi, control: RequestControl<T>): void => {
      written();
      before = owed - 1;
      running = {
        ended() {
          clearTimeout(again);
          if (isOver) return;
          if (before === 0) {
            isOver = true;
            spec.whole(control);
            return;
          }
          before -= 1;
          spec.forget();
          again = setTimeout(repeat, againMs);
        },
      };
      spec.start(ib);
    };
    try {
      const { lane, what, on, cancelAfter, isOfOrders } = spec;
      return await session.request<T>(
        {
          lane,
          what,
          on,
          ...(cancelAfter !== undefined && { cancelAfter }),
          ...(isOfOrders !== undefined && { isOfOrders }),
          ...(spec.cancel !== undefined && { cancel: (ib: IBApi) => spec.cancel?.(ib) }),
          start: (ib, _reqId, control) => begin(ib, control),
        },
        context,
      );
    } catch (error) {
      // a refusal of TWS stands for the end of the list
      if (error instanceof TwsError && error.detail.tws !== undefined) owed = Math.max(0, owed - 1);
      throw error;
    } finally {
      isOver = true;
      clearTimeout(again);
      running = null;
    }
  };
}
