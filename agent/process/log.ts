import { RepeatedLines } from "./repeated-lines.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof logLevels)[number];

export type LogFields = Readonly<Record<string, unknown>>;

/** One line of JSON for each event. Event names are short and fixed; what varies goes into the fields. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

interface LogOptions {
  readonly level: LogLevel;
  /** Values that must never appear, wherever they turn up. */
  readonly secrets: readonly string[];
  readonly write: (line: string) => void;
  readonly now: () => number;
}

const maxText = 2_000;
const maxItems = 50;
const maxDepth = 5;
/** A shorter secret would blot out ordinary words; configuration asks for longer ones. */
const shortestSecret = 8;

const secretName = /token|secret|passphrase|password|authorization|cookie|credential|key/i;
const hidden = "[hidden]";

/** Secrets are removed by name and by value, long text is cut, and an error keeps its stack: only here may it. */
export function createLog({ level, secrets, write, now }: LogOptions): Log {
  const threshold = logLevels.indexOf(level);
  const known = secrets.filter((secret) => secret.length >= shortestSecret);

  function clean(value: unknown, depth: number): unknown {
    if (typeof value === "string") return cleanText(value);
    if (typeof value === "bigint") return String(value);
    if (typeof value === "function" || typeof value === "symbol") return typeof value;
    if (typeof value !== "object" || value === null) return value;
    if (depth >= maxDepth) return "[deeper]";
    if (value instanceof Error) return cleanError(value, depth);
    if (Array.isArray(value)) return value.slice(0, maxItems).map((item) => clean(item, depth + 1));
    return cleanFields(Object.entries(value), depth + 1);
  }

  function cleanText(text: string): string {
    const safe = known.reduce((rest, secret) => rest.replaceAll(secret, hidden), text);
    return safe.length > maxText ? `${safe.slice(0, maxText)}… (${safe.length} characters)` : safe;
  }

  const cleanError = (error: Error, depth: number): unknown => ({
    // the stack begins with name and message
    stack: cleanText(error.stack ?? `${error.name}: ${error.message}`),
    ...(error.cause !== undefined && { cause: clean(error.cause, depth + 1) }),
  });

  const cleanFields = (entries: readonly (readonly [string, unknown])[], depth: number) =>
    Object.fromEntries(
      entries
        .slice(0, maxItems)
        .map(([name, value]) => [name, secretName.test(name) ? hidden : clean(value, depth)]),
    );

  const put = (own: LogLevel, event: string, fields: LogFields): void =>
    write(`${JSON.stringify({ at: new Date(now()).toISOString(), level: own, event, ...fields })}\n`);
  const repeated = new RepeatedLines<LogLevel>(put);

  const at =
    (own: LogLevel) =>
    (event: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(own) < threshold) return;
      const admitted = repeated.admit(own, event, () => cleanFields(Object.entries(fields), 0));
      if (admitted !== null) put(own, event, admitted);
    };

  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
