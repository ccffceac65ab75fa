import type { DatabaseSync } from "node:sqlite";
import { type AuditEntry, type AuditHead, emptyHead } from "../../shared/audit.ts";
import { TwsError } from "../../shared/errors.ts";
import type { ArchiveFile } from "./archive-file.ts";
import { type Archive, archivesOf, withArchive } from "./archives.ts";
import {
  auditAfter,
  type AuditQuery,
  type ChainFault,
  checkEntries,
  checkChain,
  entryOrNull,
  findAudit,
  trailOf,
} from "./audit-trail.ts";
import type { JournalFile } from "./database.ts";

/** The audit trail from its first entry, over the archives and the journal. */

const readList = (file: JournalFile): { readonly archives: readonly Archive[]; readonly trailId: string } =>
  file.read((db: DatabaseSync) => ({
    archives: archivesOf(db).filter(({ lastSeq }) => lastSeq > 0),
    trailId: trailOf(db).trailId,
  }));

/** The entries behind `seq`, oldest first, at most `limit`. Throws journal_unavailable. */
export function trailAfter(file: JournalFile, seq: number, limit: number): AuditEntry[] {
  const { archives, trailId } = readList(file);
  const archive = archives.find(({ lastSeq }) => seq < lastSeq);
  if (archive === undefined) return file.read((db) => auditAfter(db, seq, limit));
  const { name, lastSeq } = archive;
  return withArchive(file.path, name, trailId, (one) => {
    const entries = one.rowsAfter(seq, lastSeq, limit).map((row) => entryOrNull(row));
    const good = entries.filter((entry) => entry !== null);
    if (good.length === entries.length && good[0]?.seq === seq + 1) return good;
    throw new TwsError(
      "journal_unavailable",
      `The journal's archive ${name} was altered behind entry ${seq}.`,
    );
  });
}

/** Entries that fit, oldest first. Throws journal_unavailable for an archive that may have some and cannot be read. */
export function findInTrail(file: JournalFile, query: AuditQuery): AuditEntry[] {
  const found = file.read((db) => findAudit(db, query));
  const { archives, trailId } = readList(file);
  const since = query.since === null ? "" : new Date(query.since).toISOString();
  for (const { name, lastSeq } of archives.toReversed()) {
    const missing = query.last - found.length;
    if (missing <= 0) break;
    const older = withArchive(file.path, name, trailId, (archive) =>
      archive.findEntries(since, query.intentId ?? "", lastSeq, missing),
    );
    found.unshift(...older);
  }
  return found;
}

/** How an archive was found. */
export interface CheckedPart {
  readonly archive: Archive;
  /** Why it could not be read; null where it could. */
  readonly problem: string | null;
}

export interface CheckedTrail {
  readonly head: AuditHead;
  readonly fault: (ChainFault & { readonly archive: string | null }) | null;
  /** Archives as far as they were looked at, oldest first. */
  readonly parts: readonly CheckedPart[];
}

const batch = 1_000;

/**
 * Checks the chain from its first entry to the head, over archives and journal. One that cannot be read is passed over, and
 * the chain is followed from where the journal says that it ends.
 */
export function checkTrail(file: JournalFile, known: AuditHead = emptyHead): CheckedTrail {
  const { archives, trailId } = readList(file);
  const parts: CheckedPart[] = [];
  let head = emptyHead;
  for (const archive of archives) {
    const { name, lastSeq, lastHash } = archive;
    try {
      const from = head;
      const checked = withArchive(file.path, name, trailId, (one) => checkArchive(one, archive, from, known));
      if (checked.fault !== null) {
        return { head: checked.head, fault: { ...checked.fault, archive: name }, parts };
      }
      parts.push({ archive, problem: null });
    } catch (error) {
      if (!(error instanceof TwsError)) throw error;
      parts.push({ archive, problem: error.message });
    }
    head = { seq: lastSeq, hash: lastHash };
  }
  const { head: end, fault } = file.read((db) => checkChain(db, known));
  return { head: end, fault: fault === null ? null : { ...fault, archive: null }, parts };
}

function checkArchive(one: ArchiveFile, archive: Archive, from: AuditHead, known: AuditHead) {
  let head = from;
  for (;;) {
    const rows = one.rowsAfter(head.seq, archive.lastSeq, batch);
    if (rows.length === 0) break;
    const checked = checkEntries(rows, head, known);
    ({ head } = checked);
    if (checked.fault !== null) return checked;
  }
  if (head.seq < archive.lastSeq) {
    return { head, fault: { fault: "missing", seq: head.seq + 1 } as const };
  }
  // the journal knows where its archive ends: one that was written anew as a whole is another
  const isOther = head.hash !== archive.lastHash;
  return { head, fault: isOther ? ({ fault: "altered", seq: head.seq } as const) : null };
}
