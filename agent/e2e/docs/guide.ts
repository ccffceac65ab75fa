/** What a guide tells its reader to do or shows as an answer; docs/contributing.md has the notation. */
export type Step = { readonly line: number } & (
  | { readonly kind: "call"; readonly tool: string; readonly input: unknown; readonly fails: Failing | null }
  | {
      readonly kind: "request";
      readonly method: string;
      readonly params: unknown;
      readonly fails: Failing | null;
    }
  | { readonly kind: "curl"; readonly url: string; readonly body: unknown }
  | { readonly kind: "read"; readonly uri: string }
  | { readonly kind: "talk"; readonly url: string; readonly messages: readonly unknown[] }
  /** Where a client is told to connect. */
  | { readonly kind: "connect"; readonly url: string }
  | { readonly kind: "excerpt"; readonly value: unknown }
  | { readonly kind: "text"; readonly text: string }
  /** Named in passing: it must exist. */
  | { readonly kind: "tool"; readonly tool: string }
  | { readonly kind: "word"; readonly word: string }
);

/** What the errors table says of a call; … in the words stands for anything. Requests outside tools have no code. */
export interface Failing {
  readonly code: string | null;
  readonly words: string;
}

interface Block {
  readonly line: number;
  readonly kind: "heading" | "paragraph" | "table" | "json" | "sh" | "text" | "other";
  readonly text: string;
}

/** The steps of a guide in the order of its text. Throws, with the line, where it does not keep to the notation. */
export function readGuide(markdown: string): Step[] {
  const steps: Step[] = [];
  let inErrors = false;
  let named: string | null = null;
  for (const { kind, text, line } of blocksOf(markdown)) {
    switch (kind) {
      case "heading":
        inErrors = text === "## Errors";
        named = null;
        break;
      case "paragraph": {
        const spoken = readLine(text, line, null);
        steps.push(...spoken.steps);
        named = spoken.named;
        break;
      }
      case "table":
        for (const [index, row] of text.split("\n").entries())
          steps.push(...readLine(row, line + index, inErrors ? failingOf(row) : null).steps);
        named = null;
        break;
      case "json": {
        const value = parseJson(text, line);
        steps.push(named === null ? { kind: "excerpt", line, value } : stepOf(named, value, line, null));
        named = null;
        break;
      }
      case "sh":
        steps.push(...commandsOf(text, line));
        named = null;
        break;
      case "text":
        steps.push({ kind: "text", line, text });
        named = null;
        break;
      case "other":
        throw new Error(`line ${line}: the notation has no block of this kind`);
    }
  }
  return steps;
}

const blockKinds = ["json", "sh", "text"] as const;

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split("\n");
  for (let index = 0; index < lines.length; index += 1) {
    const first = lines[index] ?? "";
    const line = index + 1;
    if (first.trim() === "") continue;
    if (first.startsWith("```")) {
      const end = lines.indexOf("```", index + 1);
      if (end === -1) throw new Error(`line ${line}: the block does not end`);
      const kind = blockKinds.find((one) => one === first.slice(3).trim()) ?? "other";
      blocks.push({ line, kind, text: lines.slice(index + 1, end).join("\n") });
      index = end;
      continue;
    }
    if (first.startsWith("#")) {
      blocks.push({ line, kind: "heading", text: first });
      continue;
    }
    let end = index;
    while ((lines[end + 1] ?? "").trim() !== "" && !/^(?:```|#)/.test(lines[end + 1] ?? "")) end += 1;
    const kind = first.startsWith("|") ? "table" : "paragraph";
    blocks.push({ line, kind, text: lines.slice(index, end + 1).join("\n") });
    index = end;
  }
  return blocks;
}

const isTool = (text: string) => text.startsWith("ibkr_");
const isMethod = (text: string) => /^(?:completion|prompts|resources|tools)\/\w+$/.test(text);

/** What stands between a tool and its arguments in one line. */
const joined = /^(?: with | |\s*\|\s*)$/;

/**
 * Reads a paragraph or a row of a table. `named` is the first tool in it that has no arguments there: those of the
 * block that may follow.
 */
function readLine(
  text: string,
  line: number,
  fails: Failing | null,
): { steps: Step[]; named: string | null } {
  const steps: Step[] = [];
  const unanswered: string[] = [];
  let talk: { url: string; messages: unknown[] } | null = null;
  let before: { name: string; end: number } | null = null;
  for (const match of text.matchAll(/`([^`]+)`/g)) {
    const [whole, span = ""] = match;
    const end = match.index + whole.length;
    const place = line + text.slice(0, match.index).split("\n").length - 1;
    const called: string | null =
      before !== null && joined.test(text.slice(before.end, match.index)) ? before.name : null;
    const [url] = /http:\/\/[^\s"]+/.exec(span) ?? [];
    before = null;
    if (url !== undefined) {
      steps.push({ kind: "connect", line: place, url });
    } else if (isTool(span) || isMethod(span)) {
      before = { name: span, end };
      unanswered.push(span);
      if (isTool(span)) steps.push({ kind: "tool", line: place, tool: span });
    } else if (span.startsWith("{")) {
      const value = parseJson(span, place);
      if (called !== null) {
        unanswered.pop();
        steps.push(stepOf(called, value, place, fails));
      } else if (talk !== null) talk.messages.push(value);
      else throw new Error(`line ${place}: it does not say which tool takes ${span}`);
    } else if (/^"\w+":/.test(span)) {
      const value = parseJson(`{${span}}`, place);
      const isAnswer = text.startsWith("|") && fails === null && steps.at(-1)?.kind === "call";
      if (isAnswer) steps.push({ kind: "excerpt", line: place, value });
      else for (const word of Object.keys(Object(value))) steps.push({ kind: "word", line: place, word });
    } else if (/^wss?:/.test(span)) {
      talk = { url: span, messages: [] };
      steps.push({ kind: "talk", line: place, ...talk });
    } else if (span.startsWith("ibkr:")) {
      steps.push({ kind: "read", line: place, uri: span });
    } else if (span.endsWith("_uri")) {
      steps.push({ kind: "read", line: place, uri: `<${span}>` });
    } else if (/^[a-z]\w*(?:\.\w+)*$/.test(span)) {
      for (const word of span.split(".")) steps.push({ kind: "word", line: place, word });
    }
  }
  return { steps, named: unanswered[0] ?? null };
}

const stepOf = (named: string, value: unknown, line: number, fails: Failing | null): Step =>
  isMethod(named)
    ? { kind: "request", line, method: named, params: value, fails }
    : { kind: "call", line, tool: named, input: value, fails };

/** "`code`: words", or words alone, in the first cell of a row. */
function failingOf(row: string): Failing {
  const [, code = null, words = ""] = /^\| (?:`(\w+)`[:,]? ?)?(.*?)\s*\|/.exec(row) ?? [];
  return { code, words };
}

/** The curls of a script, and where its other commands connect to. */
function commandsOf(script: string, line: number): Step[] {
  return script.split("\n").flatMap((command, index): Step[] => {
    if (!command.startsWith("curl ")) {
      const [address] = /http:\/\/\S+/.exec(command) ?? [];
      return address === undefined ? [] : [{ kind: "connect", line: line + 1 + index, url: address }];
    }
    const [, url, body] =
      /^curl -X POST (\S+) -H "Content-Type: application\/json" -d '([^']*)'$/.exec(command) ?? [];
    const place = line + 1 + index;
    if (url === undefined || body === undefined) throw new Error(`line ${place}: a curl of another form`);
    return [{ kind: "curl", line: place, url, body: parseJson(body, place) }];
  });
}

function parseJson(text: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`line ${line}: not JSON: ${text.slice(0, 80)}`, { cause: error });
  }
}
