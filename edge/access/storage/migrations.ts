/** The tables of the object `Access`, oldest first; docs/storage.md describes every one. Secrets are kept as hashes. */
export const migrations: readonly string[] = [
  `
  -- What the OAuth library keeps: clients, codes, grants and tokens. Unix seconds.
  CREATE TABLE record (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    metadata TEXT,
    expires_at INTEGER
  );
  CREATE INDEX record_expiry ON record (expires_at) WHERE expires_at IS NOT NULL;
  -- What the owner agreed to, one row for each consent.
  CREATE TABLE consent (
    grant_id TEXT PRIMARY KEY,
    client_id TEXT NOT NULL,
    client TEXT NOT NULL,
    policy TEXT NOT NULL,
    created_at TEXT NOT NULL,
    used_at TEXT,
    expires_at INTEGER NOT NULL
  );
  -- Sign-ins of the owner.
  CREATE TABLE session (
    hash TEXT PRIMARY KEY,
    csrf TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  );
  -- Failed attempts, and registrations, by what is counted and for whom.
  CREATE TABLE attempt (
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    count INTEGER NOT NULL,
    blocked_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (kind, source)
  );
  -- One-time tickets for WebSockets.
  CREATE TABLE ticket (
    hash TEXT PRIMARY KEY,
    endpoint TEXT NOT NULL,
    caller TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  );
  `,
  `
  -- TWS hosts that an agent was paired for.
  CREATE TABLE agent_host (
    host_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL
  );
  -- Public keys of agents' machines. A revoked one stays, so that it is never taken again.
  CREATE TABLE agent_key (
    key_id TEXT PRIMARY KEY,
    public_key TEXT NOT NULL,
    host_id TEXT NOT NULL,
    machine TEXT NOT NULL,
    paired_at TEXT NOT NULL,
    used_at TEXT,
    revoked_at TEXT
  );
  -- Proofs that were taken, so that none is taken twice.
  CREATE TABLE proof (
    id TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
  );
  -- Pairings that wait for their other half.
  CREATE TABLE pairing (
    code_hash TEXT PRIMARY KEY,
    poll_hash TEXT UNIQUE,
    body TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  );
  -- Script tokens by id. None is taken that is not here.
  CREATE TABLE script_token (
    id TEXT PRIMARY KEY,
    key_id TEXT NOT NULL,
    token TEXT NOT NULL,
    used_at TEXT,
    revoked_at TEXT,
    expires_at INTEGER NOT NULL
  );
  `,
  `
  -- Wrong codes that were tried while this one was open.
  ALTER TABLE pairing ADD COLUMN wrong INTEGER NOT NULL DEFAULT 0;
  `,
  `
  ALTER TABLE session ADD COLUMN created_at TEXT;
  ALTER TABLE session ADD COLUMN used_at TEXT;
  ALTER TABLE session ADD COLUMN address TEXT;
  -- Browsers in which the owner has signed in.
  CREATE TABLE device (
    hash TEXT PRIMARY KEY,
    created_at TEXT NOT NULL,
    used_at TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  );
  -- What the owner has not said yet that they know.
  CREATE TABLE notice (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    words TEXT NOT NULL
  );
  `,
];

/** The tables whose rows go away at `expires_at`, in Unix milliseconds. */
export const expiringTables: readonly string[] = [
  "session",
  "device",
  "attempt",
  "ticket",
  "proof",
  "pairing",
  "script_token",
];
