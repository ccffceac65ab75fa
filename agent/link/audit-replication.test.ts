import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AuditHead, auditBatch, emptyHead } from "../../shared/audit.ts";
import { TwsError } from "../../shared/errors.ts";
import type { AgentFrame } from "../../shared/protocol.ts";
import { createAuditReplication } from "./audit-replication.ts";
import { createLog } from "../process/log.ts";
import { archiveSome } from "../journal/archiving.ts";
import { appendAudit } from "../journal/audit-trail.ts";
import { inMemory, type JournalFile, openJournalFile } from "../journal/database.ts";
import { createJournalFolder } from "../journal/journal.fixture.ts";
import { createJournal, type Journal } from "../journal/journal.ts";

let file: JournalFile;
let journal: Journal;
/** The one that the replication reads now. */
let audit: Journal["audit"];
let sent: AgentFrame[];
let logged: string[];
let replication: ReturnType<typeof createAuditReplication>;

beforeEach(() => {
  file = openJournalFile({ path: inMemory, exclusive: true });
  journal = createJournal(file, Date.now);
  ({ audit } = journal);
  sent = [];
  logged = [];
  const log = createLog({
    level: "info",
    secrets: [],
    write: (line) => logged.push(String(Reflect.get(JSON.parse(line), "event"))),
    now: Date.now,
  });
  const reading: Journal["audit"] = {
    head: () => audit.head(),
    trail: () => audit.trail(),
    after: (seq, limit) => audit.after(seq, limit),
    isMoved: (seq) => audit.isMoved(seq),
  };
  replication = createAuditReplication({ audit: reading }, (frame) => sent.push(frame), log);
});
afterEach(() => file.close());

function write(count: number, into = file): void {
  into.write("steps", (db) => {
    for (let index = 0; index < count; index += 1) appendAudit(db, { step: "received" }, Date.now());
  });
}

/** What was sent since the last look: the trail's name and end, or the numbers of the entries. */
function told(): readonly string[] {
  return sent.splice(0).map((frame) => {
    if (frame.type === "trail") return `trail to ${frame.trail.head.seq}`;
    if (frame.type !== "audit") return frame.type;
    return `${frame.entries[0]?.seq}-${frame.entries.at(-1)?.seq}`;
  });
}

const headAt = (seq: number): AuditHead => {
  const entry = audit.after(seq - 1, 1)[0];
  return entry === undefined || seq === 0 ? emptyHead : { seq, hash: entry.hash };
};

test("tells the trail, and then the entries in batches, each after the last was taken", () => {
  write(2 * auditBatch + 50);
  replication.linked(true);
  expect(told()).toEqual(["trail to 250"]);
  replication.tell();
  expect(told()).toEqual([]);
  replication.audited(emptyHead);
  expect(told()).toEqual(["1-100"]);
  replication.tell();
  expect(told()).toEqual([]);
  replication.audited(headAt(100));
  expect(told()).toEqual(["101-200"]);
  replication.audited(headAt(200));
  expect(told()).toEqual(["201-250"]);
  replication.audited(headAt(250));
  expect(told()).toEqual([]);
  write(1);
  replication.tell();
  expect(told()).toEqual(["251-251"]);
});

test("tells nothing while no edge wants it", () => {
  write(3);
  replication.tell();
  replication.linked(false);
  replication.tell();
  replication.audited(emptyHead);
  replication.linked(true);
  expect(told()).toEqual(["trail to 3"]);
  replication.unlinked();
  replication.audited(emptyHead);
  replication.tell();
  expect(told()).toEqual([]);
});

test("begins on each link where the edge is, and sends again what may not have arrived", () => {
  write(150);
  replication.linked(true);
  replication.audited(headAt(50));
  expect(told()).toEqual(["trail to 150", "51-150"]);
  replication.unlinked();
  replication.linked(true);
  replication.audited(headAt(50));
  expect(told()).toEqual(["trail to 150", "51-150"]);
  replication.unlinked();
  replication.linked(true);
  replication.audited(headAt(150));
  expect(told()).toEqual(["trail to 150"]);
});

test("stops where the edge does not take a batch, until the next link", () => {
  write(5);
  replication.linked(true);
  replication.audited(headAt(2));
  told();
  replication.audited(headAt(2));
  expect(logged).toEqual(["audit.refused_by_edge"]);
  write(1);
  replication.tell();
  replication.audited(headAt(3));
  expect(told()).toEqual([]);
  replication.unlinked();
  replication.linked(true);
  expect(told()).toEqual(["trail to 6"]);
});

test("stops where the edge has more than there is, and sends nothing that would not continue it", () => {
  write(5);
  replication.linked(true);
  replication.audited({ seq: 6, hash: "f".repeat(64) });
  expect(logged).toEqual(["audit.edge_is_ahead"]);
  write(5);
  replication.tell();
  expect(told()).toEqual(["trail to 5"]);
});

test("takes no answer for which it has not asked", () => {
  write(5);
  replication.linked(true);
  replication.audited(headAt(5));
  told();
  replication.audited(headAt(2));
  write(1);
  replication.tell();
  expect(told()).toEqual(["6-6"]);
});

test("tells of another trail as soon as the journal is another, in the middle of a link", () => {
  write(5);
  replication.linked(true);
  replication.audited(headAt(2));
  told();
  const other = openJournalFile({ path: inMemory, exclusive: true });
  write(1, other);
  ({ audit } = createJournal(other, Date.now));
  replication.tell();
  expect(told()).toEqual(["trail to 1"]);
  replication.audited(emptyHead);
  expect(told()).toEqual(["1-1"]);
  other.close();
});

test("tells the trail once the journal can be read, and says in the log why it has not", () => {
  const { audit: whole } = journal;
  audit = {
    ...whole,
    trail: () => {
      throw new TwsError("journal_unavailable", "The disk is gone.");
    },
  };
  replication.linked(true);
  expect(told()).toEqual([]);
  expect(logged).toEqual(["audit.not_told"]);
  audit = whole;
  replication.tell();
  expect(told()).toEqual(["trail to 0"]);
});

test("tells the trail again when the journal could not be read as the edge answered", () => {
  const { audit: whole } = journal;
  write(5);
  replication.linked(true);
  told();
  audit = {
    ...whole,
    head: () => {
      throw new TwsError("journal_unavailable", "The disk is gone.");
    },
  };
  replication.audited(headAt(2));
  expect(logged).toEqual(["audit.not_told"]);
  audit = whole;
  replication.tell();
  expect(told()).toEqual(["trail to 5"]);
  replication.audited(headAt(2));
  expect(told()).toEqual(["3-5"]);
});

test("an edge that lacks archived entries is sent them, one that has them is not, and without the archive it stops once", async () => {
  const place = createJournalFolder();
  try {
    const onDisk = place.open();
    ({ audit } = createJournal(onDisk, Date.now));
    write(150, onDisk);
    const end = headAt(150);
    const now = Date.now() + 60_000;
    const { archive } = archiveSome({ file: onDisk, before: now, now });
    replication.linked(true);
    replication.audited(end);
    expect(told()).toEqual(["trail to 150"]);
    write(1, onDisk);
    replication.tell();
    expect(told()).toEqual(["151-151"]);
    replication.unlinked();
    replication.linked(true);
    replication.audited(headAt(20));
    expect(told()).toEqual(["trail to 151", "21-120"]);
    replication.audited(headAt(120));
    expect(told()).toEqual(["121-149"]);
    replication.audited(headAt(149));
    expect(told()).toEqual(["150-151"]);
    rmSync(join(place.folder, archive ?? ""));
    replication.unlinked();
    replication.linked(true);
    replication.audited(emptyHead);
    replication.tell();
    expect(told()).toEqual(["trail to 151"]);
    expect(logged).toEqual(["audit.not_told"]);
  } finally {
    await place.close();
  }
});
