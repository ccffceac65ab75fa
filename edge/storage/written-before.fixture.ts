import { evictDurableObject, runInDurableObject } from "cloudflare:test";

/** A database of an object as an earlier release has written it. */
export interface WrittenDatabase {
  readonly schema: readonly string[];
  readonly rows: Readonly<Record<string, readonly Readonly<Record<string, string | number | null>>[]>>;
}

/** For tests: gives an object such a database instead of its own, and lets it begin with that. */
export async function restoreDatabase(
  object: DurableObjectStub,
  { schema, rows }: WrittenDatabase,
): Promise<void> {
  await runInDurableObject(object, (_instance, { storage: { sql } }) => {
    for (const { name } of tablesOf(sql)) sql.exec(`DROP TABLE ${name}`);
    for (const statement of schema) sql.exec(statement);
    for (const [table, all] of Object.entries(rows)) {
      for (const row of all) {
        const columns = Object.keys(row);
        const marks = columns.map(() => "?").join(", ");
        sql.exec(`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${marks})`, ...Object.values(row));
      }
    }
  });
  await evictDurableObject(object);
}

const tablesOf = (sql: SqlStorage) =>
  sql
    .exec<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
    )
    .toArray();

/** The statements that make the tables that an object has now. */
export const schemaOf = (object: DurableObjectStub): Promise<readonly string[]> =>
  runInDurableObject(object, (_instance, { storage: { sql } }) =>
    sql
      .exec<{ sql: string }>(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY rowid",
      )
      .toArray()
      .map((row) => row.sql),
  );
