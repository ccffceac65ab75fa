import type { SessionStatus } from "../../../shared/status.ts";
import { type LoggedEvent, recordingLog } from "../../process/log.fixture.ts";
import type { RequestContext, TwsSession } from "../session/api.ts";
import { createSession } from "../session/session.ts";
import type { SessionTimes } from "../session/session.ts";

/** Short enough for a test, long enough for a busy machine. */
export const quickTimes: Partial<SessionTimes> = {
  helloMs: 2_000,
  readyMs: 2_000,
  retryFirstMs: 20,
  retryCapMs: 50,
  clientIdInUseMs: 100,
};

export interface SessionFixture {
  readonly session: TwsSession;
  readonly logged: readonly LoggedEvent[];
}

export function dial(port: number, times: Partial<SessionTimes> = {}, clientId = 7): SessionFixture {
  const logged: LoggedEvent[] = [];
  const session = createSession({
    host: "127.0.0.1",
    port,
    clientId,
    isSimulator: true,
    log: recordingLog((event) => logged.push(event)),
    times: { ...quickTimes, ...times },
  });
  return { session, logged };
}

/** Resolves with the first status for which `isIt` holds, the one of now included. */
export function statusWhere(
  session: TwsSession,
  isIt: (status: SessionStatus) => boolean,
): Promise<SessionStatus> {
  const now = session.status();
  if (isIt(now)) return Promise.resolve(now);
  const { promise, resolve } = Promise.withResolvers<SessionStatus>();
  const off = session.onStatus((status) => {
    if (!isIt(status)) return;
    off();
    resolve(status);
  });
  return promise;
}

export const within = (timeoutMs: number, signal?: AbortSignal): RequestContext => ({
  timeoutMs,
  signal: signal ?? new AbortController().signal,
});
