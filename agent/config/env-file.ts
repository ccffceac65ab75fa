import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";

/** One setting of the file, as it stands there. */
interface Setting {
  readonly name: string;
  readonly value: string;
  readonly line: number;
}

export interface EnvFile {
  readonly settings: readonly Setting[];
  /** What could not be read, one sentence each. */
  readonly mistakes: readonly string[];
}

const path = ".env";
const byLine = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*?)\s*$/;
const quoted = /^(["'`])(.*?)\1\s*(?:#.*)?$/;

/** Reads `.env` of the working directory, which may be missing; one that is there and cannot be read is a mistake. */
export function readEnvFile(): EnvFile {
  const mistakes = namesakes();
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return { settings: [], mistakes };
  try {
    const read = parseEnvFile(readFileSync(path));
    return { ...read, mistakes: [...mistakes, ...read.mistakes] };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { settings: [], mistakes: [...mistakes, `The file .env cannot be read: ${why}.`] };
  }
}

/** Nothing where the folder may not be listed. */
function namesHere(): readonly string[] {
  try {
    return readdirSync(".");
  } catch {
    return [];
  }
}

/** Files that somebody may take for the settings, and that nothing reads. */
function namesakes(): string[] {
  const inode = lstatSync(path, { throwIfNoEntry: false })?.ino;
  return (
    namesHere()
      .filter((name) => name !== path && /^\.env(\.local)?$/i.test(name))
      // where capitals do not count, they may be the same file
      .filter((name) => lstatSync(name, { throwIfNoEntry: false })?.ino !== inode)
      .map((name) => `The file ${name} is not read: settings are in .env. Move them there, and remove it.`)
  );
}

/** What others on this machine may do with `.env`, in words; null when nothing, and on Windows. */
export function envFileWarning(): string | null {
  if (process.platform === "win32" || !existsSync(path)) return null;
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return null;
  return `Other users of this machine can read or write the file .env (mode ${mode.toString(8)}). Run: chmod 600 .env`;
}

/** Reads the file strictly: what an ordinary reader would pass over in silence is a mistake. */
export function parseEnvFile(bytes: Uint8Array): EnvFile {
  const text = decode(bytes);
  if (text === null) {
    return {
      settings: [],
      mistakes: ["The file .env is no text in UTF-8, so nothing in it can be read. Save it as UTF-8."],
    };
  }
  const settings: Setting[] = [];
  const mistakes: string[] = [];
  for (const [index, content] of text.split(/\r\n|\n|\r/).entries()) {
    const line = index + 1;
    if (/^\s*(#|$)/.test(content)) continue;
    const [, name, raw = ""] = byLine.exec(content) ?? [];
    if (name === undefined) {
      mistakes.push(`Line ${line} of .env is no setting. Write NAME=value, or put # before it.`);
      continue;
    }
    const value = valueOf(raw);
    if (value === null) {
      mistakes.push(
        `${name} in line ${line} of .env has a quote without its other end, or a # that may begin a comment or not. Put the value in quotes.`,
      );
    } else settings.push({ name, value, line });
  }
  return { settings, mistakes };
}

/** Null where it cannot be told what is meant. */
function valueOf(raw: string): string | null {
  const [, , inner] = quoted.exec(raw) ?? [];
  if (inner !== undefined) return inner;
  if (/^["'`]/.test(raw)) return null;
  // behind one word a # between spaces begins a comment; anywhere else it may belong to the value
  const bare = raw.replace(/^(\S*)\s+#(?:\s.*)?$/, "$1").replace(/^#(?:\s.*)?$/, "");
  return bare.includes("#") ? null : bare;
}

/** UTF-8 or UTF-16 as its byte-order mark says, UTF-8 without one; null where that is not what the bytes are. */
function decode(bytes: Uint8Array): string | null {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}
