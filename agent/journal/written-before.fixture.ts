import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { createJournalFolder, type JournalFolder } from "./journal.fixture.ts";

/** For tests: a journal that an earlier release has written; the README beside the files tells how. */
const folder = new URL("written-before/", import.meta.url);

export const readWrittenBefore = (name: string): string => readFileSync(new URL(name, folder), "utf8");

/** A folder in which that journal lies, as its agent has left it. */
export function restoreJournal(): JournalFolder {
  const place = createJournalFolder();
  const db = new DatabaseSync(place.path);
  db.exec(`BEGIN; ${readWrittenBefore("journal.sql")} COMMIT`);
  db.close();
  return place;
}

const text = z.string();
const count = z.number().nullable();

/** The journal as the release that wrote it has read it. */
const ReadBack = z.strictObject({
  writtenAt: z.int(),
  head: z.strictObject({ seq: z.int(), hash: text }),
  trail: z.strictObject({ trailId: text, head: z.strictObject({ seq: z.int(), hash: text }) }),
  chain: z.null(),
  frozen: z.strictObject({ by: text, since: text, reason: text }),
  unknown: z.int(),
  unfinished: z.array(text),
  usage: z.strictObject({ value: z.number(), ordersInMinute: z.int() }),
  greatestOrderId: z.int(),
  intents: z.array(
    z.strictObject({
      grantId: text,
      idempotencyKey: text,
      intentId: text,
      kind: text,
      state: text,
      digest: text,
      value: count,
      outcome: text.nullable(),
      orders: z.array(
        z.strictObject({
          leg: text,
          orderId: z.int(),
          orderRef: text,
          permId: count,
          status: text.nullable(),
          filled: count,
        }),
      ),
    }),
  ),
  approvals: z.array(
    z.strictObject({
      approvalId: text,
      grantId: text,
      digest: text,
      state: text,
      verdict: text,
      verdictOnHost: text,
    }),
  ),
});

export const readBack = () => ReadBack.parse(JSON.parse(readWrittenBefore("read-back.json")));
