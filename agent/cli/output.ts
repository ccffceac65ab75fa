import { TwsError } from "../../shared/errors.ts";
import { ConfigError } from "../config/config.ts";

/** What went wrong, and the program's exit code for it; null when nothing did. */
export type Failure = { readonly words: string; readonly exitCode: number } | null;

/** What a command says of an error that was thrown on purpose; throws all others. A mistake in the arguments exits with 2. */
export function failureOf(error: unknown): Failure {
  if (error instanceof ConfigError) return { words: error.mistakes.join("\n"), exitCode: 1 };
  if (!(error instanceof TwsError)) throw error;
  return {
    words: `${error.message}\n${error.toBody().nextStep}`,
    exitCode: error.code === "invalid_input" ? 2 : 1,
  };
}

/** Where words go: results to stdout, everything about them to stderr. */
export interface Output {
  readonly out: (text: string) => void;
  readonly note: (text: string) => void;
}

export const terminal: Output = {
  out: (text) => void process.stdout.write(`${text}\n`),
  note: (text) => void process.stderr.write(`${text}\n`),
};

/** JSON that shows its reader nothing but what is there: letters that a terminal would obey are escaped. */
export const jsonOf = (value: unknown, indent = 0): string =>
  JSON.stringify(value, null, indent).replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (letter) =>
    Array.from({ length: letter.length }, (_, at) => escaped(letter.charCodeAt(at))).join(""),
  );

const escaped = (unit: number): string => `\\u${unit.toString(16).padStart(4, "0")}`;

/** Words that came from elsewhere, for a terminal, which would obey what is in them. */
export const plain = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "�");
