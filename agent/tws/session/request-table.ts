import type { IBApi } from "@stoqey/ib";
import { TwsError } from "../../../shared/errors.ts";
import type { RequestContext, RequestControl, RequestSpec, TwsNotice } from "./api.ts";
import { isReadOnlyRefusal, mayAnswerWithoutId, meaningOf, twsErrorFor } from "./errors.ts";
import { answersById } from "./event-types.ts";
import type { TwsEventName, TwsEvents } from "./event-types.ts";
import type { Pacer } from "./pacing.ts";
import type { Log } from "../../process/log.ts";

/**
 * Above the usual order ids and below 2^31; no request has the id of an order, so that a notice's id tells whose it is.
 * TWS answers 322 to an id that it has seen before, also from an earlier connection, so the counter is the process's and
 * only rises.
 */
export const firstRequestId = 1_000_000_000;
let nextId = firstRequestId;
/** Ids of orders at or above `firstRequestId`. */
const idsOfOrders = new Set<number>();

export function nextRequestId(): number {
  while (idsOfOrders.has(nextId)) nextId += 1;
  nextId += 1;
  return nextId - 1;
}

/** Whether a request of this process may have had the id. */
export const isRequestId = (id: number): boolean => id >= firstRequestId && id < nextId;

/** An order has the id, so no request gets it from now on. */
export const keepForOrder = (orderId: number): void => void idsOfOrders.add(orderId);

export const isKeptForOrder = (id: number): boolean => idsOfOrders.has(id);

/** The connection that a request is sent on; it never moves to another. */
interface Sender {
  readonly ib: IBApi;
  readonly pacer: Pacer;
}

interface Running {
  deliver<E extends TwsEventName>(event: E, args: TwsEvents[E]): void;
  notice(notice: TwsNotice): void;
  /** Fails a request that one of these events would have answered. */
  lost(events: readonly TwsEventName[]): void;
  fail(error: TwsError): void;
  /** Whether it is written and nothing has come, so that an error without an id may be its answer. */
  readonly awaitsWithoutId: (isOfOrders: boolean) => boolean;
}

export interface RequestMap {
  run<T>(spec: RequestSpec<T>, context: RequestContext, sender: Sender): Promise<T>;
  /** True when the notice belongs to a running request. */
  notice(notice: TwsNotice): boolean;
  /** A message could not be read that would have been these events: an answer without it would be shorter than the truth. */
  lost(events: readonly TwsEventName[]): void;
  /** The connection has ended, and every request with it. */
  failAll(error: TwsError): void;
}

interface RequestMapOptions {
  /** Listens to an event of the library on this and every later connection. */
  readonly listen: <E extends TwsEventName>(event: E, listener: (...args: TwsEvents[E]) => void) => void;
  /** What an unanswered request has run into. */
  readonly timeoutError: (what: string, timeoutMs: number) => TwsError;
  readonly log: Log;
}

/** The requests that wait for answers, by id. */
export function createRequestMap({ listen, timeoutError, log }: RequestMapOptions): RequestMap {
  const running = new Map<number, Running>();
  const listening = new Set<TwsEventName>();

  const listenOnce = (event: TwsEventName): void => {
    if (listening.has(event)) return;
    listening.add(event);
    listen(event, (...args) => {
      if (!answersById.has(event)) {
        for (const request of running.values()) request.deliver(event, args);
        return;
      }
      const [id] = args;
      if (typeof id === "number") running.get(id)?.deliver(event, args);
    });
  };

  /** The oldest request without an id that an error without an id may answer: TWS answers in turn. */
  const answered = (notice: TwsNotice): Running | undefined => {
    if (notice.id !== -1 || !mayAnswerWithoutId(notice)) return undefined;
    const isOfOrders = isReadOnlyRefusal(notice);
    return [...running.values()].find((request) => request.awaitsWithoutId(isOfOrders));
  };

  return {
    run<T>(spec: RequestSpec<T>, context: RequestContext, sender: Sender): Promise<T> {
      const { what, lane } = spec;
      if (context.signal.aborted) return Promise.reject(left(what));
      // what came before in the same call has used its time up
      if (context.timeoutMs <= 0) return Promise.reject(timeoutError(what, 0));
      for (const event of eventsOf(spec)) listenOnce(event);

      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const reqId = nextRequestId();
      let isWritten = false;
      let isHeard = false;
      const isWithoutId = !eventsOf(spec).some((event) => answersById.has(event));
      let withdraw = (): void => {};

      const end = (cancelAtTws: boolean): boolean => {
        if (!running.delete(reqId)) return false;
        clearTimeout(timer);
        context.signal.removeEventListener("abort", onAbort);
        withdraw();
        if (cancelAtTws && isWritten && spec.cancel !== undefined) {
          const { ib, pacer } = sender;
          // if the connection ends before this is written, so has the request at TWS
          pacer.submit(
            "release",
            () => spec.cancel?.(ib, reqId),
            () => {},
          );
        }
        return true;
      };
      const control: RequestControl<T> = {
        reqId,
        resolve(value) {
          if (end(spec.cancelAfter === true)) resolve(value);
        },
        reject(error) {
          if (end(false)) reject(error);
        },
      };
      const onAbort = (): void => {
        if (end(true)) reject(left(what));
      };
      const timer = setTimeout(() => {
        if (end(true)) reject(timeoutError(what, context.timeoutMs));
      }, context.timeoutMs);

      context.signal.addEventListener("abort", onAbort, { once: true });
      running.set(reqId, {
        deliver(event, args) {
          // every request without an id is shown what answers any of them
          isHeard ||= spec.on[event] !== undefined;
          try {
            spec.on[event]?.(control, ...args);
          } catch (error) {
            // left out, it would make the answer shorter than the truth
            log.error("tws.answer_failed", { event, what, error });
            control.reject(unreadable(what));
          }
        },
        lost(events) {
          if (events.some((event) => spec.on[event] !== undefined)) control.reject(unreadable(what));
        },
        notice(notice) {
          if (spec.notice?.(notice, control) === true) return;
          const meaning = meaningOf(notice);
          log.info("tws.notice", { id: notice.id, code: notice.code, text: notice.text, meaning, what });
          if (meaning === "fatal" || meaning === "retry") control.reject(twsErrorFor(notice, what));
        },
        fail(error) {
          control.reject(error);
        },
        awaitsWithoutId: (isOfOrders) =>
          isWritten && isWithoutId && !isHeard && (!isOfOrders || spec.isOfOrders === true),
      });
      withdraw = sender.pacer.submit(
        lane,
        () => {
          isWritten = true;
          spec.start(sender.ib, reqId, control);
        },
        (error) => control.reject(error),
      );
      return promise;
    },
    notice(notice) {
      const request = running.get(notice.id) ?? answered(notice);
      request?.notice(notice);
      return request !== undefined;
    },
    lost(events) {
      if (events.length === 0) return;
      for (const request of running.values()) request.lost(events);
    },
    failAll(error) {
      for (const request of running.values()) request.fail(error);
    },
  };
}

function left(what: string): TwsError {
  return new TwsError("cancelled", `The request for ${what} was cancelled.`);
}

function unreadable(what: string): TwsError {
  return new TwsError("tws_error", `The agent could not read a part of TWS's answer for ${what}.`, {
    nextStep:
      "TWS may be newer than this agent knows: tell the owner to update tws-edge. What is missing is not known.",
  });
}

function eventsOf<T>({ on }: RequestSpec<T>): TwsEventName[] {
  const isOurs = (key: string): key is TwsEventName => Object.hasOwn(on, key);
  return Object.keys(on).filter(isOurs);
}
