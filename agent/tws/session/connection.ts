import { EventName, IBApi } from "@stoqey/ib";
import { TwsError } from "../../../shared/errors.ts";
import { zoneOfGreeting } from "./time-zone.ts";
import type { Log } from "../../process/log.ts";
import type { TwsNotice } from "./api.ts";
import type { TwsEventName, TwsEvents } from "./event-types.ts";
import { startHeartbeat } from "./heartbeat.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { createPacer, twsPacing } from "./pacing.ts";
import type { Pacer } from "./pacing.ts";
import { EventRate, guardSocket, sendWithoutDelay } from "./socket-guard.ts";

export interface ConnectionTimes {
  /** From dialling to TWS's answer to our hello. */
  readonly helloMs: number;
  /** From there to the accounts and the first order id. */
  readonly readyMs: number;
  readonly heartbeatMs: number;
  readonly heartbeatMisses: number;
}

/** What a connection is once TWS has accepted us. */
export interface Accepted {
  readonly accounts: readonly string[];
  readonly nextValidId: number;
  readonly serverVersion: number;
  /** The zone of the clock of TWS's machine; null where it cannot be told. */
  readonly zone: string | null;
}

export interface Ended {
  /** For people: what happened and what to do. */
  readonly reason: string;
  /** TWS says that another session holds our client id. */
  readonly isClientIdInUse: boolean;
}

/** One socket to TWS with its own instance of the library, used once and thrown away. */
export interface Connection {
  readonly ib: IBApi;
  readonly pacer: Pacer;
  /** Listens on this connection only; stops by itself when the connection ends. */
  listen<E extends TwsEventName>(event: E, listener: (...args: TwsEvents[E]) => void): () => void;
  end(reason: string): void;
}

interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: number;
  readonly times: ConnectionTimes;
  readonly log: Log;
  /** Listeners that must miss nothing are added here, before the socket opens. */
  readonly onOpening: (connection: Connection) => void;
  readonly onAccepted: (connection: Connection, accepted: Accepted) => void;
  readonly onNotice: (notice: TwsNotice) => void;
  /** Called once, at the end of every attempt, accepted or not. */
  readonly onEnded: (ended: Ended) => void;
}

/**
 * Dials once. A fresh instance for each attempt, because the library sends what an old one has queued on its next
 * socket, and because it waits for ever where we give up.
 */
export function openConnection(options: ConnectionOptions): Connection {
  const { host, port, clientId, times, log } = options;
  // a low rate would add a second queue of the library's own, which forgets silently
  const ib = new IBApi({ host, port, clientId, maxReqPerSec: 500 });
  const pacer = createPacer(twsPacing);
  let isEnded = false;
  let heartbeat: Heartbeat | null = null;
  let accounts: readonly string[] | null = null;
  let nextValidId: number | null = null;

  const end = (reason: string, isClientIdInUse = false): void => {
    if (isEnded) return;
    isEnded = true;
    clearTimeout(deadline);
    heartbeat?.stop();
    ib.removeAllListeners();
    ib.disconnect();
    pacer.close(new TwsError("tws_offline", "The connection to TWS has ended."));
    options.onEnded({ reason, isClientIdInUse });
  };

  const connection: Connection = {
    ib,
    pacer,
    listen(event, listener) {
      // the library calls listeners inside its socket handler: what they throw would end the process
      const guarded = (...args: TwsEvents[typeof event]): void => {
        if (isEnded) return;
        try {
          listener(...args);
        } catch (error) {
          log.error("tws.listener_failed", { event, error });
        }
      };
      ib.addListener(event, guarded);
      return () => {
        ib.removeListener(event, guarded);
      };
    },
    end,
  };

  const acceptWhenComplete = (): void => {
    if (heartbeat !== null || accounts === null || nextValidId === null) return;
    clearTimeout(deadline);
    heartbeat = startHeartbeat({
      everyMs: times.heartbeatMs,
      misses: times.heartbeatMisses,
      probe: () => {
        pacer.submit(
          "account",
          () => ib.reqCurrentTime(),
          (error) => log.warn("tws.heartbeat_not_sent", { error }),
        );
      },
      onSilent: () => end("TWS stopped answering although its socket is open. Check that it has not frozen."),
    });
    options.onAccepted(connection, { accounts, nextValidId, serverVersion: ib.serverVersion, zone });
  };

  let zone: string | null = null;
  const unreadable = new EventRate(mostUnreadable, 1_000);
  const notices = new EventRate(mostNotices, 1_000);
  const notice = (id: number, code: number, text: string): void => {
    if (code === 505 && unreadable.isExceeded(performance.now())) return end(brokenBytes);
    if (notices.isExceeded(performance.now())) return end(floodOfNotices);
    if (code === 100) pacer.slowDown();
    const fatal = endOf(code, text, { clientId, port, host });
    if (fatal !== null) end(fatal, code === 326);
    else options.onNotice({ id, code, text });
  };

  const within = (ms: number, reason: string): NodeJS.Timeout => setTimeout(() => end(reason), ms);
  let deadline = within(
    times.helloMs,
    `${host}:${port} did not answer the API handshake. Check that this is TWS's API port and that TWS is logged in.`,
  );

  connection.listen(EventName.server, (_version, connectedAt) => {
    zone = zoneOfGreeting(connectedAt);
    clearTimeout(deadline);
    deadline = within(
      times.readyMs,
      "TWS answered but named no account. Check that it is logged in and shows no dialog.",
    );
  });
  connection.listen(EventName.managedAccounts, (list) => {
    accounts = list
      .split(",")
      .map((account) => account.trim())
      .filter((account) => account !== "");
    acceptWhenComplete();
  });
  connection.listen(EventName.nextValidId, (orderId) => {
    nextValidId = orderId;
    acceptWhenComplete();
  });
  connection.listen(EventName.received, () => heartbeat?.heard());
  connection.listen(EventName.error, (error, code, id) => notice(id, code, error.message));
  connection.listen(EventName.info, (text, code) => notice(-1, code, text));
  connection.listen(EventName.disconnected, () => end("TWS closed the connection."));

  options.onOpening(connection);
  guardDecoder(ib, (error) => {
    log.error("tws.decoder_failed", { error });
    end("A message of TWS could not be read, so the session was begun again.");
  });
  guardSocket(ib, {
    isEnded: () => isEnded,
    onFault: ({ reason, isForeign }) => {
      log.warn("tws.malformed_bytes", { reason });
      end(isForeign ? notTws(host, port) : brokenBytes);
    },
  });
  ib.connect();
  sendWithoutDelay(ib);
  return connection;
}

/** Messages of a second that the library cannot decode (505); a TWS with a field more than it knows stays below. */
const mostUnreadable = 1_000;
/** Notices within a second; those of a TWS answer at most 40 messages, or tell of some farms. */
const mostNotices = 1_000;

const notTws = (host: string, port: number): string =>
  `What answers at ${host}:${port} is no TWS. Set TWS_HOST and TWS_PORT to the API port of TWS (7496 live, 7497 paper) or IB Gateway (4001 live, 4002 paper).`;

const floodOfNotices = "TWS sent more notices than the agent can take in, so the session was begun again.";
const brokenBytes = "TWS sent bytes that are no message of its API, so the session was begun again.";

/** Why a notice ends the connection; null for the many that do not. */
function endOf(
  code: number,
  text: string,
  { clientId, host, port }: { readonly clientId: number; readonly host: string; readonly port: number },
): string | null {
  switch (code) {
    case 326:
      return `TWS says that client id ${clientId} is in use. Another program has it, or TWS has not yet noticed that our last session ended. Give the other program another id.`;
    case 502:
      if (text.includes("ECONNREFUSED"))
        return `Nothing answers at ${host}:${port}. Start TWS or IB Gateway and enable its API on that port.`;
      return /ECONNRESET|EPIPE/.test(text)
        ? "TWS closed the connection."
        : `The socket to ${host}:${port} failed. Check the host name and the network.`;
    case 506:
      return "This TWS speaks no API version that the agent knows. Update TWS or IB Gateway.";
    case 507:
      return "TWS ended the connection in the middle of a message.";
    case 1300: {
      const newPort = /(\d{2,5})\D*$/.exec(text)?.[1];
      return `TWS has moved its API to ${newPort === undefined ? "another port" : `port ${newPort}`}. Configure that port, or set the old one again in TWS.`;
    }
    default:
      return null;
  }
}

/**
 * The library decodes inside the socket's data handler and lets some malformed messages throw there, which nothing
 * could catch. There is no public way in, so the private method is wrapped, and left alone if it should be renamed.
 */
function guardDecoder(ib: IBApi, onError: (error: unknown) => void): void {
  const controller: unknown = Reflect.get(ib, "controller");
  if (typeof controller !== "object" || controller === null) return;
  const decode: unknown = Reflect.get(controller, "processIngressQueue");
  if (typeof decode !== "function") return;
  Reflect.set(controller, "processIngressQueue", () => {
    try {
      decode.call(controller);
    } catch (error) {
      onError(error);
    }
  });
}
