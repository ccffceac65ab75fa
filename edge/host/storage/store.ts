import { z } from "zod";
import { Contract } from "../../../shared/contract.ts";
import { type Resource, resourceKinds } from "../../../shared/resources.ts";
import { AgentStatus } from "../../../shared/status.ts";
import { AuditHead, Trail } from "../../../shared/audit.ts";
import type { TrailRecord } from "../../rpc/host.ts";
import { migrate } from "../../storage/migrations.ts";

/** All that a host's object keeps on disk, and the only file with SQL in it. docs/storage.md describes every table. */

/** Oldest first. */
const migrations: readonly string[] = [
  `
  -- One agent, the one that said hello last: who it is, since when it is here or gone, and what it last said of TWS.
  -- The rival is another process that held the link while this one took it: two machines with one key.
  CREATE TABLE agent (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    instance_id TEXT NOT NULL,
    machine TEXT NOT NULL,
    version TEXT NOT NULL,
    presence TEXT NOT NULL,
    since TEXT NOT NULL,
    status TEXT NOT NULL,
    rival TEXT
  );
  -- Quote streams that a grant has started and not stopped. Each keeps its topic open until it is stopped.
  CREATE TABLE started (
    grant_id TEXT NOT NULL,
    resource_id TEXT NOT NULL COLLATE NOCASE,
    topic TEXT NOT NULL,
    contract TEXT NOT NULL,
    started_at TEXT NOT NULL,
    PRIMARY KEY (grant_id, resource_id)
  );
  `,
  `
  -- Any kind of stream can be started, and only an instrument has a contract.
  ALTER TABLE started RENAME TO started_quotes;
  CREATE TABLE started (
    grant_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    resource_id TEXT NOT NULL COLLATE NOCASE,
    topic TEXT NOT NULL,
    contract TEXT,
    started_at TEXT NOT NULL,
    PRIMARY KEY (grant_id, kind, resource_id)
  );
  INSERT INTO started SELECT grant_id, 'market-data', resource_id, topic, contract, started_at FROM started_quotes;
  DROP TABLE started_quotes;
  `,
  `
  -- When it was last read; NULL while a socket watches it, so that nothing needs to be written meanwhile.
  ALTER TABLE started ADD COLUMN used_at TEXT;
  `,
  `
  -- The copy of the agent's audit trail: each entry as it came, which its hash was made of.
  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    entry TEXT NOT NULL
  );
  `,
  `
  -- Each journal that an agent has kept is a trail of its own. Those from before they had names are one, without name.
  CREATE TABLE trail (
    trail_id TEXT PRIMARY KEY,
    began_at TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL,
    previous TEXT
  );
  INSERT INTO trail (trail_id, began_at, seq, hash)
    SELECT '', (SELECT json_extract(entry, '$.at') FROM audit ORDER BY seq LIMIT 1),
           json_extract(value, '$.seq'), json_extract(value, '$.hash')
    FROM fact WHERE key = 'audit_head';
  ALTER TABLE audit RENAME TO audit_of_one;
  CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    trail_id TEXT NOT NULL,
    entry TEXT NOT NULL
  );
  INSERT INTO audit (number, trail_id, entry) SELECT seq, '', entry FROM audit_of_one;
  DROP TABLE audit_of_one;
  DELETE FROM fact WHERE key = 'audit_head';
  `,
];

const Rival = z.object({
  instanceId: z.string(),
  machine: z.string(),
  seenAt: z.string(),
  /** It has come back after it was replaced: both are alive and push each other out. */
  hasReturned: z.boolean(),
  /** It was not let in, since its order journal is another. */
  isRefused: z.boolean().default(false),
});
export type Rival = z.infer<typeof Rival>;

/** Whether the agent is here, and if not, how it went. */
const Presence = z.enum([
  "here",
  /** It said goodbye. */
  "stopped",
  /** Its connection ended. */
  "lost",
  /** Its connection looked open, but nothing came any more. */
  "silent",
]);
export type Presence = z.infer<typeof Presence>;

/** The agent as last seen. */
export interface AgentRecord {
  readonly instanceId: string;
  readonly machine: string;
  readonly version: string;
  readonly presence: Presence;
  /** Since when it is here, or gone. */
  readonly since: string;
  readonly status: AgentStatus;
  readonly rival: Rival | null;
}

/** A stream that a grant has started. */
export interface StartedResource extends Resource {
  readonly grantId: string;
  readonly topic: string;
  /** Null for what is not about one instrument. */
  readonly contract: Contract | null;
  readonly startedAt: string;
}

/** As it is kept. */
export interface StartedRecord extends StartedResource {
  /** When it was last read, in Unix milliseconds; null while a socket watches it. */
  readonly usedAt: number | null;
}

/** An entry of the audit trail as it came. */
export interface AuditRow {
  /** In the order in which they came, over all trails. */
  readonly number: number;
  readonly trailId: string;
  readonly entry: string;
}

/** A journal may be begun anew at each start, so trails are bounded as well. */
const trailsKept = 1_000;

const AgentRow = z.object({
  instance_id: z.string(),
  machine: z.string(),
  version: z.string(),
  presence: Presence,
  since: z.string(),
  status: z.string(),
  rival: z.string().nullable(),
});

const StartedRow = z.object({
  grant_id: z.string(),
  kind: z.enum(resourceKinds),
  resource_id: z.string(),
  topic: z.string(),
  contract: z.string().nullable(),
  started_at: z.string(),
  used_at: z.string().nullable(),
});

const EntryRow = z.object({ number: z.int(), trail_id: z.string(), entry: z.string() });

const TrailRow = z.object({
  trail_id: z.string(),
  began_at: z.string(),
  seq: z.int(),
  hash: z.string(),
  previous: z.string().nullable(),
});

/** As it was then; one from before trails had names may be without. */
const Previous = Trail.extend({ trailId: z.string() });

export type Store = ReturnType<typeof openStore>;

/** Brings the tables up to date and opens them. */
export function openStore(storage: DurableObjectStorage) {
  const { sql } = storage;
  migrate(storage, migrations);

  const fact = (key: string): string | null => {
    const [row] = sql.exec<{ value: string }>("SELECT value FROM fact WHERE key = ?", key).toArray();
    return row?.value ?? null;
  };
  const setFact = (key: string, value: string): void => {
    sql.exec("INSERT OR REPLACE INTO fact (key, value) VALUES (?, ?)", key, value);
  };

  return {
    /** Small facts by name; docs/storage.md lists the names. */
    fact,
    setFact,

    /** The newest trails, the newest first. */
    trails: (most: number): TrailRecord[] =>
      sql.exec("SELECT * FROM trail ORDER BY rowid DESC LIMIT ?", most).toArray().map(toTrail),

    trail(trailId: string): TrailRecord | null {
      const [row] = sql.exec("SELECT * FROM trail WHERE trail_id = ?", trailId).toArray();
      return row === undefined ? null : toTrail(row);
    },

    /** Adds a trail. Those before it that never had an entry leave nothing to remember. */
    addTrail({ trailId, beganAt, head, previous }: TrailRecord): void {
      sql.exec("DELETE FROM trail WHERE seq = 0");
      sql.exec(
        "DELETE FROM trail WHERE rowid NOT IN (SELECT rowid FROM trail ORDER BY rowid DESC LIMIT ?)",
        trailsKept - 1,
      );
      sql.exec(
        "INSERT INTO trail (trail_id, began_at, seq, hash, previous) VALUES (?, ?, ?, ?, ?)",
        trailId,
        beganAt,
        head.seq,
        head.hash,
        previous === null ? null : JSON.stringify(previous),
      );
    },

    /** Adds entries to a trail and moves its head with them; of all trails the newest `kept` entries stay. */
    appendAudit({ trailId, head }: Trail, entries: readonly string[], kept: number): void {
      storage.transactionSync(() => {
        for (const entry of entries) {
          sql.exec("INSERT INTO audit (trail_id, entry) VALUES (?, ?)", trailId, entry);
        }
        sql.exec("DELETE FROM audit WHERE number <= (SELECT max(number) FROM audit) - ?", kept);
        sql.exec("UPDATE trail SET seq = ?, hash = ? WHERE trail_id = ?", head.seq, head.hash, trailId);
      });
    },

    /** Entries of all trails, the newest first. */
    auditBefore: (before: number, most: number): AuditRow[] =>
      sql
        .exec("SELECT * FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?", before, most)
        .toArray()
        .map((row) => {
          const { trail_id: trailId, ...rest } = EntryRow.parse(row);
          return { ...rest, trailId };
        }),

    agent(): AgentRecord | null {
      const [row] = sql.exec("SELECT * FROM agent").toArray();
      return row === undefined ? null : toAgent(AgentRow.parse(row));
    },

    saveAgent(agent: AgentRecord): void {
      sql.exec(
        `INSERT OR REPLACE INTO agent
           (only_row, instance_id, machine, version, presence, since, status, rival)
         VALUES (1, ?, ?, ?, ?, ?, ?, ?)`,
        agent.instanceId,
        agent.machine,
        agent.version,
        agent.presence,
        agent.since,
        JSON.stringify(agent.status),
        agent.rival === null ? null : JSON.stringify(agent.rival),
      );
    },

    allStarted: (): StartedRecord[] =>
      sql.exec("SELECT * FROM started ORDER BY started_at, resource_id").toArray().map(toStarted),

    addStarted({ grantId, kind, id, topic, contract, startedAt, usedAt }: StartedRecord): void {
      sql.exec(
        `INSERT INTO started (grant_id, kind, resource_id, topic, contract, started_at, used_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
        grantId,
        kind,
        id,
        topic,
        contract === null ? null : JSON.stringify(contract),
        startedAt,
        instant(usedAt),
      );
    },

    noteUse({ grantId, kind, id, usedAt }: StartedRecord): void {
      sql.exec(
        "UPDATE started SET used_at = ? WHERE grant_id = ? AND kind = ? AND resource_id = ?",
        instant(usedAt),
        grantId,
        kind,
        id,
      );
    },

    removeStarted({ grantId, kind, id }: StartedResource): void {
      sql.exec("DELETE FROM started WHERE grant_id = ? AND kind = ? AND resource_id = ?", grantId, kind, id);
    },
  };
}

function toAgent(row: z.infer<typeof AgentRow>): AgentRecord {
  return {
    instanceId: row.instance_id,
    machine: row.machine,
    version: row.version,
    presence: row.presence,
    since: row.since,
    status: AgentStatus.parse(JSON.parse(row.status)),
    rival: row.rival === null ? null : Rival.parse(JSON.parse(row.rival)),
  };
}

function toTrail(row: unknown): TrailRecord {
  const { trail_id, began_at, seq, hash, previous } = TrailRow.parse(row);
  return {
    trailId: trail_id,
    beganAt: began_at,
    head: AuditHead.parse({ seq, hash }),
    previous: previous === null ? null : Previous.parse(JSON.parse(previous)),
  };
}

const instant = (at: number | null): string | null => (at === null ? null : new Date(at).toISOString());

function toStarted(row: unknown): StartedRecord {
  const { grant_id, kind, resource_id, topic, contract, started_at, used_at } = StartedRow.parse(row);
  return {
    grantId: grant_id,
    kind,
    id: resource_id,
    topic,
    contract: contract === null ? null : Contract.parse(JSON.parse(contract)),
    startedAt: started_at,
    usedAt: used_at === null ? null : Date.parse(used_at),
  };
}
