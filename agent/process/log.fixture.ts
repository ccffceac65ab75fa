import { createLog, type Log, type LogFields, type LogLevel } from "./log.ts";

/** For tests: a log that nobody reads. */
export const silentLog: Log = createLog({ level: "error", secrets: [], write: () => {}, now: Date.now });

export interface LoggedEvent {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

/** For tests: a log of every level, which tells what it is given as it is given. */
export function recordingLog(record: (logged: LoggedEvent) => void): Log {
  const at =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}): void =>
      record({ level, event, fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
