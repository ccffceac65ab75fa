/**
 * Brings the tables of an object up to date. A release may add migrations and never changes one; the number that have
 * run is in `fact`, a table for small facts that need none of their own.
 */
export function migrate(storage: DurableObjectStorage, migrations: readonly string[]): void {
  const { sql } = storage;
  storage.transactionSync(() => {
    sql.exec("CREATE TABLE IF NOT EXISTS fact (key TEXT PRIMARY KEY, value TEXT NOT NULL)");
    const [row] = sql.exec<{ value: string }>("SELECT value FROM fact WHERE key = 'schema'").toArray();
    const done = Number(row?.value ?? 0);
    if (done > migrations.length) {
      throw new Error(
        `The tables are of a newer release (schema ${done}, this one knows ${migrations.length}).`,
      );
    }
    if (done === migrations.length) return;
    for (const migration of migrations.slice(done)) sql.exec(migration);
    sql.exec("INSERT OR REPLACE INTO fact (key, value) VALUES ('schema', ?)", String(migrations.length));
  });
}
