import { type AuditEntry, AuditHead, emptyHead } from "../../shared/audit.ts";
import { TwsError } from "../../shared/errors.ts";
import { type Failure, jsonOf, plain } from "./output.ts";
import type { OpenJournal } from "./open-journal.ts";
import { type AuditSpan, type ChainFault, spanOf } from "../journal/audit-trail.ts";
import { checkTrail, type CheckedPart, findInTrail, trailAfter } from "../journal/whole-trail.ts";

export const auditHelp = `tws-edge audit: the trail of every step that had to do with an order, in which each entry names the one before it.

  tws-edge audit show       the last 20 entries, oldest first
  tws-edge audit verify     checks the whole chain; exit code 1 when it is broken
  tws-edge audit export     every entry as a line of JSON, on stdout

Of show:

  --last N          how many, from 1 to 10000 (20)
  --since TIME      an instant such as 2026-11-20 or 2026-11-20T15:30:00Z, or a time ago such as 90s, 15m, 2h or 7d
  --intent ID       of one order intent: its intentId, or the beginning of it
  --json            a line of JSON for each

All of them read the journal's archives too; verify says from when to when each reaches, and exits with 1 also where one
is missing.

Of verify:

  --head SEQ:HASH   an end of the chain that you know from elsewhere, such as from the edge's page: only so a trail that
                    was cut short, or written anew, is found
`;

export const auditOptions = {
  last: { type: "string" },
  since: { type: "string" },
  intent: { type: "string" },
  head: { type: "string" },
  json: { type: "boolean" },
} as const;

type Values = Readonly<Partial<Record<"last" | "since" | "intent" | "head", string>>> & {
  readonly json?: boolean;
};

/** Which options each action takes. */
const optionsOf = {
  show: ["last", "since", "intent", "json"],
  verify: ["head"],
  export: [],
} as const satisfies Readonly<Record<string, readonly (keyof Values)[]>>;

export function runAudit(
  journal: OpenJournal,
  [action, ...more]: readonly string[],
  values: Values,
): Failure {
  switch (action) {
    case "show":
      only("show", more, values);
      return show(journal, values);
    case "verify":
      only("verify", more, values);
      return verify(journal, values.head === undefined ? emptyHead : readHead(values.head));
    case "export":
      only("export", more, values);
      return exportAll(journal);
    default:
      throw wrong(
        action === undefined ? "audit needs show, verify or export." : `audit cannot ${plain(action)}.`,
      );
  }
}

function show({ file, path, now, out, note }: OpenJournal, values: Values): Failure {
  const query = {
    last: readLast(values.last ?? "20"),
    since: values.since === undefined ? null : readSince(values.since, now()),
    intentId: values.intent ?? null,
  };
  const entries = findInTrail(file, query);
  if (values.json === true) for (const entry of entries) out(jsonOf(entry));
  else for (const entry of entries) out(lineOf(entry));
  if (entries.length === 0) note(`No entry fits (journal: ${path}).`);
  return null;
}

function lineOf(entry: AuditEntry): string {
  const { seq, at, step, account, tool, intentId, client, grantId, outcome } = entry;
  const who = client === "" && grantId === "" ? "" : `by ${client} (${grantId})`;
  return [String(seq), at, step, account, tool, intentId, who, outcome]
    .filter((text) => text !== "")
    .map(plain)
    .join("  ");
}

function verify({ file, path, out }: OpenJournal, known: AuditHead): Failure {
  const { head, fault, parts } = checkTrail(file, known);
  const problems = parts.flatMap(({ problem }) => problem ?? []);
  if (fault !== null) {
    const where = fault.archive === null ? "" : ` (in the archive ${fault.archive})`;
    return {
      words: [
        `The audit trail is broken: ${faultWords(fault, known)}${where}`,
        ...problems,
        head.seq === 0 ? "No entry before that is good." : `Good up to ${head.seq}:${head.hash}`,
        "Keep a copy of the journal's file, and compare it with what the edge has: somebody has changed it, or the disk is bad.",
        `Journal: ${path}`,
      ].join("\n"),
      exitCode: 1,
    };
  }
  if (problems.length > 0) {
    return {
      words: [
        "The audit trail is not whole: an archive cannot be read. What is beside it is good.",
        ...parts.map(partWords),
        `Good from there up to ${head.seq}:${head.hash}`,
        "Put the archive back beside the journal.",
        `Journal: ${path}`,
      ].join("\n"),
      exitCode: 1,
    };
  }
  out(`The audit trail is whole: ${head.seq} ${head.seq === 1 ? "entry" : "entries"}.`);
  out(`Head: ${head.seq}:${head.hash}`);
  if (known.seq > 0) out(`It contains the known end ${known.seq}:${known.hash}`);
  for (const part of parts) out(partWords(part));
  if (parts.length > 0) out(spanWords("the journal", file.read(spanOf)));
  out(`Journal: ${path}`);
  return null;
}

const partWords = ({ archive, problem }: CheckedPart): string =>
  `${spanWords(`the archive ${plain(archive.name)}`, archive)}${problem === null ? "" : `: ${plain(problem)}`}`;

const spanWords = (what: string, { firstSeq, lastSeq, firstAt, lastAt }: AuditSpan): string =>
  `Entries ${firstSeq} to ${lastSeq}, from ${firstAt} to ${lastAt}, are in ${what}`;

function faultWords({ fault, seq }: ChainFault, known: AuditHead): string {
  switch (fault) {
    case "missing":
      return `entry ${seq} is missing.`;
    case "altered":
      return `entry ${seq} was altered, or does not follow from the one before it.`;
    case "cut":
      return `it ends before entry ${seq}, and there were ${known.seq}.`;
    default:
      return fault satisfies never;
  }
}

const batch = 1_000;

function exportAll({ file, out }: OpenJournal): Failure {
  let seq = 0;
  for (;;) {
    const entries = trailAfter(file, seq, batch);
    if (entries.length > 0) out(entries.map((entry) => jsonOf(entry)).join("\n"));
    const last = entries.at(-1);
    if (last === undefined) return null;
    ({ seq } = last);
  }
}

function readHead(text: string): AuditHead {
  const [, seq = "", hash = ""] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  const head = AuditHead.safeParse({ seq: seq === "" ? null : Number(seq), hash });
  if (head.success) return head.data;
  throw wrong("--head is SEQ:HASH, a number and 64 letters and digits, as audit verify prints it.");
}

function readLast(text: string): number {
  const last = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (last >= 1 && last <= 10_000) return last;
  throw wrong("--last is a number from 1 to 10000; audit export gives all.");
}

const millisecondsOf: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function readSince(text: string, now: number): number {
  const [, count = "", unit = ""] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  if (unit !== "") return now - Number(count) * (millisecondsOf[unit] ?? 0);
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw wrong(
    "--since is an instant such as 2026-11-20T15:30:00Z, or a time ago such as 90s, 15m, 2h or 7d.",
  );
}

function only(action: keyof typeof optionsOf, more: readonly string[], values: Values): void {
  if (more.length > 0) throw wrong(`audit ${action} does not take ${plain(more.join(" "))}.`);
  const allowed: readonly string[] = [...optionsOf[action], "journal"];
  const foreign = Object.keys(values).filter((name) => !allowed.includes(name));
  if (foreign.length > 0) throw wrong(`audit ${action} does not take --${foreign.join(" and --")}.`);
}

const wrong = (message: string) =>
  new TwsError("invalid_input", message, { nextStep: "tws-edge audit --help explains it." });
