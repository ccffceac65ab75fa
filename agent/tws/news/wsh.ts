import { EventName } from "@stoqey/ib";
import { TwsError } from "../../../shared/errors.ts";
import type { RequestContext, RequestControl, TwsNotice, TwsSession } from "../session/api.ts";
import { createTurns } from "../session/serial-queue.ts";
import type { Turns } from "../session/serial-queue.ts";
import { eventTypesIn, eventsIn } from "./wsh-json.ts";
import type { CorporateEvent, EventType } from "./wsh-json.ts";

export interface EventRequest {
  readonly conId: number;
  /** yyyymmdd, or empty for no bound. */
  readonly startDate: string;
  readonly endDate: string;
  readonly totalLimit: number;
}

interface CalendarState {
  /** TWS runs one request of each kind for a client. */
  readonly turns: Turns;
  /** The session in which TWS was last asked for the types, and what it said. */
  meta: { readonly connection: number; readonly types: readonly EventType[] } | null;
}

const bySession = new WeakMap<TwsSession, CalendarState>();

function calendarStateOf(session: TwsSession): CalendarState {
  const existing = bySession.get(session);
  if (existing !== undefined) return existing;
  const state: CalendarState = { turns: createTurns(), meta: null };
  bySession.set(session, state);
  return state;
}

const calendar = "Wall Street Horizon's calendar";

/** The kinds of events there are. Throws no_market_data without a subscription. */
export function wshEventTypes(session: TwsSession, context: RequestContext): Promise<readonly EventType[]> {
  const state = calendarStateOf(session);
  return state.turns(calendar, context, (within) => askTypes(session, state, within));
}

/** Events of one company; TWS wants the types asked for first, so they are, once in a session. */
export function wshEvents(
  session: TwsSession,
  request: EventRequest,
  context: RequestContext,
): Promise<CorporateEvent[]> {
  const state = calendarStateOf(session);
  return state.turns(calendar, context, async (within) => {
    const startedAt = performance.now();
    const left = () => ({ ...within, timeoutMs: within.timeoutMs - (performance.now() - startedAt) });
    const types =
      state.meta?.connection === session.connection
        ? state.meta.types
        : await askTypes(session, state, left());
    const names = new Map(types.map(({ tag, name }) => [tag, name]));
    try {
      return eventsIn(await askEvents(session, request, left()), names);
    } catch (error) {
      // 10282: it has forgotten that it was asked, so the next call asks it anew
      if (error instanceof TwsError && error.detail.tws?.code === 10_282) state.meta = null;
      throw error;
    }
  });
}

async function askTypes(
  session: TwsSession,
  state: CalendarState,
  context: RequestContext,
): Promise<readonly EventType[]> {
  const { connection } = session;
  const json = await session.request<string>(
    {
      lane: "data",
      what: calendar,
      start: (ib, reqId) => ib.reqWshMetaData(reqId),
      cancel: (ib, reqId) => ib.reqCancelWshMetaData(reqId),
      on: { [EventName.wshMetaData]: (control, _id, text) => control.resolve(text) },
      notice: refusal,
    },
    context,
  );
  const types = eventTypesIn(json);
  state.meta = { connection, types };
  return types;
}

function askEvents(
  session: TwsSession,
  { conId, startDate, endDate, totalLimit }: EventRequest,
  context: RequestContext,
): Promise<string> {
  return session.request<string>(
    {
      lane: "data",
      what: calendar,
      start: (ib, reqId) =>
        ib.reqWshEventData(reqId, {
          conId,
          filter: "",
          fillWatchlist: false,
          fillPortfolio: false,
          fillCompetitors: false,
          startDate,
          endDate,
          totalLimit,
        }),
      cancel: (ib, reqId) => ib.reqCancelWshEventData(reqId),
      on: { [EventName.wshEventData]: (control, _id, text) => control.resolve(text) },
      notice: refusal,
    },
    context,
  );
}

function refusal(notice: TwsNotice, control: RequestControl<string>): boolean {
  // 10277: permissions are missing; TWS answers 10276 to those who have none at all
  if (notice.code !== 10_276 && notice.code !== 10_277) return false;
  control.reject(
    new TwsError("no_market_data", "The account has no subscription to Wall Street Horizon's calendar.", {
      nextStep: "The owner can subscribe to it in IBKR's Client Portal, under market data.",
      tws: { code: notice.code, text: notice.text.slice(0, 1000) },
    }),
  );
  return true;
}
