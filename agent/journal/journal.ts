import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import type { AuditEntry } from "../../shared/audit.ts";
import { ErrorBody, TwsError } from "../../shared/errors.ts";
import { Order } from "../../shared/order.ts";
import type { Freeze } from "../../shared/status.ts";
import { appendAudit, headOf, movedHeadOf, trailOf } from "./audit-trail.ts";
import type { OrderSpec } from "../tws/orders/order-wire.ts";
import type { JournalFile } from "./database.ts";
import { readSentOrder, writeSentOrder } from "./sent-order.ts";
import { recount } from "./usage.ts";
import { type ArchivedKey, archivedKeyOf, withArchive } from "./archives.ts";
import { IntentState, isAtEnd, isLost } from "./intent-states.ts";
import { trailAfter } from "./whole-trail.ts";

export const IntentKind = z.enum(["place", "bracket", "basket", "modify", "cancel", "cancel_all"]);
export type IntentKind = z.infer<typeof IntentKind>;

/** An order intent as it comes in. */
export interface NewIntent {
  /** The orderRef of its order, or what those of its orders begin with. */
  readonly intentId: string;
  readonly grantId: string;
  readonly client: string;
  readonly idempotencyKey: string;
  readonly tool: string;
  readonly kind: IntentKind;
  /** Of what was asked for. */
  readonly digest: string;
  readonly account: string;
  /** Unix milliseconds; nothing is sent after it. */
  readonly notAfter: number;
}

/** One order of an intent, as it was or is to be sent. */
export interface Leg {
  /** order, or entry, takeProfit and stopLoss. */
  readonly leg: string;
  readonly orderId: number;
  readonly clientId: number;
  readonly orderRef: string;
  /** The order as it was sent; null for one that this journal did not send. */
  readonly sent: OrderSpec | null;
  readonly permId: number | null;
  /** As TWS has shown it last; null before it has. */
  readonly shown: Order | null;
}

export interface Intent extends NewIntent {
  readonly state: IntentState;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly sentAt: number | null;
  /** In the account's currency; null where it is not known. */
  readonly value: number | null;
  /** Why it was refused, rejected, unknown or absent. */
  readonly outcome: ErrorBody | null;
  /** What the caller was told before and was wrong; null while nothing was. */
  readonly corrected: "absent" | "rejected" | null;
  /** Unix milliseconds: since when the agent cancels its entry of its own accord. Null when it does not. */
  readonly cancellingAt: number | null;
  readonly legs: readonly Leg[];
}

/** An order that a new one may repeat. */
export interface PossiblyRepeated {
  readonly intent: Intent;
  /** Unix milliseconds; null while nobody knows what became of it. */
  readonly answeredAt: number | null;
}

/** An intent that was sent, has ended, and is in an archive. */
export interface ArchivedIntent extends ArchivedKey {
  /** Null where the archive cannot be read. */
  readonly intent: Intent | null;
}

export type NewLeg = Pick<Leg, "leg" | "orderId" | "clientId" | "orderRef" | "sent">;

const unfinished: readonly IntentState[] = ["received", "reserved", "sending", "unknown", "acked"];

const nullableJson = <T>(schema: z.ZodType<T>) =>
  z.preprocess((text) => (typeof text === "string" ? JSON.parse(text) : null), schema.nullable());

const IntentRow = z
  .object({
    intent_id: z.string(),
    grant_id: z.string(),
    client: z.string(),
    idempotency_key: z.string(),
    tool: z.string(),
    kind: IntentKind,
    digest: z.string(),
    account: z.string(),
    state: IntentState,
    created_at: z.int(),
    not_after: z.int(),
    sent_at: z.int().nullable(),
    value: z.number().nullable(),
    outcome: nullableJson(ErrorBody),
  })
  .transform(({ intent_id, grant_id, idempotency_key, created_at, not_after, sent_at, ...rest }) => ({
    ...rest,
    intentId: intent_id,
    grantId: grant_id,
    idempotencyKey: idempotency_key,
    createdAt: created_at,
    notAfter: not_after,
    sentAt: sent_at,
  }));

const RevisionRow = z
  .object({
    corrected: z.enum(["absent", "rejected"]).nullable(),
    cancelling_at: z.int().nullable(),
  })
  .transform(({ corrected, cancelling_at }) => ({ corrected, cancellingAt: cancelling_at }));

const LegRow = z
  .object({
    leg: z.string(),
    order_id: z.int(),
    client_id: z.int(),
    order_ref: z.string(),
    spec: z.string().transform(readSentOrder),
    perm_id: z.int().nullable(),
    shown: nullableJson(Order),
  })
  .transform(({ order_id, client_id, order_ref, perm_id, spec, ...rest }) => ({
    ...rest,
    sent: spec,
    orderId: order_id,
    clientId: client_id,
    orderRef: order_ref,
    permId: perm_id,
  }));

const ArchivedText = z.object({ intent: IntentRow, legs: z.array(LegRow), revision: RevisionRow.nullable() });

/** An intent as an archive has it. */
function intentOfText(text: string): Intent {
  const { intent, legs, revision } = ArchivedText.parse(JSON.parse(text));
  return { ...intent, ...(revision ?? { corrected: null, cancellingAt: null }), legs };
}

export type Journal = ReturnType<typeof createJournal>;

/**
 * The order journal: each method that changes it returns when the change is on disk, with its line in the audit trail,
 * and throws journal_unavailable when it is not.
 */
export function createJournal(file: JournalFile, now: () => number) {
  const legsOf = (db: DatabaseSync, intentId: string) =>
    db
      .prepare("SELECT * FROM leg WHERE intent_id = ? ORDER BY rowid")
      .all(intentId)
      .map((row) => LegRow.parse(row));
  const toIntent = (db: DatabaseSync, row: unknown): Intent => {
    const intent = IntentRow.parse(row);
    const revision = db
      .prepare("SELECT corrected, cancelling_at FROM revision WHERE intent_id = ?")
      .get(intent.intentId);
    const { corrected, cancellingAt } = RevisionRow.parse(
      revision ?? { corrected: null, cancelling_at: null },
    );
    return { ...intent, corrected, cancellingAt, legs: legsOf(db, intent.intentId) };
  };
  const find = (db: DatabaseSync, intentId: string): Intent | null => {
    const row = db.prepare("SELECT * FROM intent WHERE intent_id = ?").get(intentId);
    return row === undefined ? null : toIntent(db, row);
  };
  const select = (where: string, ...values: readonly (string | number)[]): Intent[] =>
    file.read((db) =>
      db
        .prepare(`SELECT * FROM intent WHERE ${where}`)
        .all(...values)
        .map((row) => toIntent(db, row)),
    );

  /** Moves the intent to another state, and writes why. */
  function move(db: DatabaseSync, intentId: string, state: IntentState, step: string, outcome: string): void {
    db.prepare("UPDATE intent SET state = ? WHERE intent_id = ?").run(state, intentId);
    recount(db, intentId);
    noteEnd(db, intentId, state);
    const intent = find(db, intentId);
    if (intent === null) throw new Error(`The journal has no intent ${intentId}.`);
    const { grantId, client, tool, account, digest } = intent;
    appendAudit(db, { step, intentId, grantId, client, tool, account, digest, outcome }, now());
  }

  /** What is at its end may be archived when it is old enough. */
  function noteEnd(db: DatabaseSync, intentId: string, state: IntentState): void {
    const words = isAtEnd(state)
      ? db.prepare("INSERT OR REPLACE INTO ended (intent_id, ended_at) VALUES (:intentId, :at)")
      : db.prepare("DELETE FROM ended WHERE intent_id = :intentId");
    words.run(isAtEnd(state) ? { intentId, at: now() } : { intentId });
  }

  /** Writes a new intent, in state received, over one of the same id of which nothing was sent. */
  function insertIntent(db: DatabaseSync, intent: NewIntent): void {
    if (archivedKeyOf(db, intent.intentId) !== null) {
      throw new Error(`The intent ${intent.intentId} was sent, and is in an archive.`);
    }
    const { changes } = db
      .prepare(
        `INSERT INTO intent (intent_id, grant_id, client, idempotency_key, tool, kind, digest, account, state,
                             created_at, not_after)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'received', ?, ?)
         ON CONFLICT (intent_id) DO UPDATE SET client = excluded.client, tool = excluded.tool, kind = excluded.kind,
           digest = excluded.digest, account = excluded.account, state = 'received',
           created_at = excluded.created_at, not_after = excluded.not_after, outcome = NULL, sent_at = NULL, value = NULL,
           approval_id = NULL
         WHERE state IN ('received', 'reserved', 'refused')`,
      )
      .run(
        intent.intentId,
        intent.grantId,
        intent.client,
        intent.idempotencyKey,
        intent.tool,
        intent.kind,
        intent.digest,
        intent.account,
        now(),
        intent.notAfter,
      );
    if (Number(changes) !== 1) throw new Error(`The intent ${intent.intentId} may have been sent already.`);
    for (const table of ["leg", "revision"]) {
      db.prepare(`DELETE FROM ${table} WHERE intent_id = ?`).run(intent.intentId);
    }
  }

  function insertLegs(db: DatabaseSync, intentId: string, legs: readonly NewLeg[]): void {
    const insert = db.prepare(
      "INSERT INTO leg (intent_id, leg, order_id, client_id, order_ref, spec) VALUES (?, ?, ?, ?, ?, ?)",
    );
    for (const { leg, orderId, clientId, orderRef, sent } of legs) {
      insert.run(intentId, leg, orderId, clientId, orderRef, writeSentOrder(sent));
    }
  }

  function show(db: DatabaseSync, intentId: string, orders: readonly Order[]): void {
    const write = db.prepare(
      "UPDATE leg SET shown = ?, perm_id = coalesce(?, perm_id) WHERE intent_id = ? AND order_ref = ?",
    );
    // not by its id, which TWS does not tell of what has ended
    for (const one of orders) write.run(JSON.stringify(one), one.permId, intentId, one.orderRef ?? "");
  }

  const endCancelling = (db: DatabaseSync, intentId: string): void =>
    void db.prepare("UPDATE revision SET cancelling_at = NULL WHERE intent_id = ?").run(intentId);

  const end = (
    intentId: string,
    state: "refused" | "rejected" | "unknown" | "absent",
    error: TwsError,
    orders: readonly Order[] = [],
  ) => {
    file.write(state, (db) => {
      const body = error.toBody();
      show(db, intentId, orders);
      db.prepare("UPDATE intent SET outcome = ? WHERE intent_id = ?").run(JSON.stringify(body), intentId);
      if (state === "rejected") noteAnswer(db, intentId);
      if (state !== "unknown") endCancelling(db, intentId);
      move(db, intentId, state, state, body.code);
    });
    if (state === "rejected") tellAnswered(intentId);
  };

  const answerListeners = new Set<(intentId: string) => void>();
  const tellAnswered = (intentId: string): void => {
    for (const listener of answerListeners) listener(intentId);
  };
  /** The first answer counts. */
  const noteAnswer = (db: DatabaseSync, intentId: string): void =>
    void db
      .prepare("INSERT OR IGNORE INTO answer (intent_id, answered_at) VALUES (?, ?)")
      .run(intentId, now());

  return {
    /**
     * An intent has come in. One that came before comes in anew only if nothing of it was sent; of one that may have
     * been, throws an Error, since what the journal knows of it must stay.
     */
    receive(intent: NewIntent): void {
      file.write("received", (db) => {
        insertIntent(db, intent);
        move(db, intent.intentId, "received", "received", "");
      });
    },

    /**
     * Gives the intent its order ids for good. `check` runs within the same transaction, sees all that was reserved
     * before, and may refuse by throwing. `approvalId` is the owner's approval of it; null where it needed none.
     */
    reserve(
      intentId: string,
      legs: readonly NewLeg[],
      value: number | null,
      check: (db: DatabaseSync) => void,
      approvalId: string | null = null,
    ): void {
      file.write("reserved", (db) => {
        check(db);
        insertLegs(db, intentId, legs);
        const approved = db.prepare("UPDATE intent SET value = ?, approval_id = ? WHERE intent_id = ?");
        approved.run(value, approvalId, intentId);
        move(db, intentId, "reserved", "reserved", legs.map(({ orderId }) => orderId).join(" "));
      });
    },

    /** Its message is about to be written; after this only TWS can say whether it was. */
    sending(intentId: string): void {
      file.write("sending", (db) => {
        db.prepare("UPDATE intent SET sent_at = ? WHERE intent_id = ?").run(now(), intentId);
        move(db, intentId, "sending", "sending", "");
      });
    },

    /** TWS has shown its orders; done when `isOver`. */
    acknowledge(intentId: string, orders: readonly Order[], isOver: boolean): void {
      const state = isOver ? "done" : "acked";
      file.write(state, (db) => {
        show(db, intentId, orders);
        db.prepare("UPDATE intent SET outcome = NULL WHERE intent_id = ?").run(intentId);
        noteAnswer(db, intentId);
        endCancelling(db, intentId);
        // no quantities: the trail is mirrored at the edge
        const words = orders.map(({ orderId, status }) => `${orderId} ${status}`);
        move(db, intentId, state, isOver ? "done" : "acknowledged", words.join(", "));
      });
      tellAnswered(intentId);
    },

    /** TWS shows an order that was called absent or rejected: what was told is taken back, and the trail says so. */
    correct(intentId: string, told: "absent" | "rejected"): void {
      file.write("corrected", (db) => {
        db.prepare(
          `INSERT INTO revision (intent_id, corrected) VALUES (?, ?)
           ON CONFLICT (intent_id) DO UPDATE SET corrected = excluded.corrected`,
        ).run(intentId, told);
        move(db, intentId, "unknown", "corrected", `told as ${told}; TWS shows it`);
      });
    },

    /** The agent is about to cancel the entry of its own accord; until the end of that it is no placed order. */
    cancelling(intentId: string): void {
      file.write("cancelling", (db) => {
        const { changes } = db
          .prepare(
            `INSERT INTO revision (intent_id, cancelling_at) VALUES (?, ?)
             ON CONFLICT (intent_id) DO UPDATE SET cancelling_at = excluded.cancelling_at WHERE cancelling_at IS NULL`,
          )
          .run(intentId, now());
        const intent = find(db, intentId);
        if (intent !== null && Number(changes) === 1) {
          move(db, intentId, intent.state, "cancelling", "the agent cancels its entry");
        }
      });
    },

    /** TWS knows no order to cancel. */
    notCancelling: (intentId: string): void =>
      file.write("not cancelling", (db) => {
        endCancelling(db, intentId);
        const intent = find(db, intentId);
        if (intent !== null) move(db, intentId, intent.state, "not cancelling", "TWS knows no such order");
      }),

    /** A message that needs no order to be found again has been dealt with. */
    finish(intentId: string, words: string): void {
      file.write("done", (db) => move(db, intentId, "done", "done", words));
    },

    /** TWS shows orders of an intent that this journal has not: it was placed before the journal was lost. */
    adopt(intent: NewIntent, orders: readonly Order[], clientId: number): void {
      file.write("adopted", (db) => {
        insertIntent(db, intent);
        const legs = orders.map(({ orderId, orderRef }, index) => ({
          leg: `adopted ${index}`,
          orderId,
          clientId,
          orderRef: orderRef ?? "",
          sent: null,
        }));
        insertLegs(db, intent.intentId, legs);
        show(db, intent.intentId, orders);
        move(db, intent.intentId, "acked", "adopted", "");
      });
    },

    /** Denied by the agent: nothing was sent, and the same intent may come again. */
    deny: (intentId: string, error: TwsError): void => end(intentId, "refused", error),
    /** Rejected by TWS; `orders` are those of its orders that TWS has shown, which may have filled in part. */
    reject: (intentId: string, error: TwsError, orders: readonly Order[] = []): void =>
      end(intentId, "rejected", error, orders),
    /** It was sent, and nobody can say what became of it. */
    markUnknown: (intentId: string, error: TwsError): void => end(intentId, "unknown", error),
    /** It was sent, and TWS does not have it. */
    markAbsent: (intentId: string, error: TwsError): void => end(intentId, "absent", error),

    /** Told when it is known what became of an intent that was sent. */
    onAnswered: (listener: (intentId: string) => void): void => void answerListeners.add(listener),

    intent: (intentId: string): Intent | null => file.read((db) => find(db, intentId)),

    /** What is known of an intent that was sent and has been archived since; null for any other. */
    archived(intentId: string): ArchivedIntent | null {
      const found = file.read((db) => {
        const key = archivedKeyOf(db, intentId);
        return key === null ? null : { key, trailId: trailOf(db).trailId };
      });
      if (found === null) return null;
      const { key, trailId } = found;
      try {
        const text = withArchive(file.path, key.archive, trailId, (archive) => archive.intent(intentId));
        return { ...key, intent: text === null ? null : intentOfText(text) };
      } catch (error) {
        if (error instanceof TwsError || error instanceof z.ZodError || error instanceof SyntaxError) {
          return { ...key, intent: null };
        }
        throw error;
      }
    },

    /** Intents under a key of a grant: those of a basket are several. */
    byKey: (grantId: string, key: string): Intent[] =>
      select("grant_id = ? AND idempotency_key = ? ORDER BY rowid", grantId, key),

    /** The last intent whose order has this id. */
    byOrderId: (orderId: number, clientId: number): Intent | null =>
      select(
        "intent_id = (SELECT intent_id FROM leg WHERE order_id = ? AND client_id = ? ORDER BY rowid DESC LIMIT 1)",
        orderId,
        clientId,
      )[0] ?? null,

    /** The intent whose order TWS has given this id. */
    byPermId: (permId: number): Intent | null =>
      select(
        "intent_id = (SELECT intent_id FROM leg WHERE perm_id = ? ORDER BY rowid DESC LIMIT 1)",
        permId,
      )[0] ?? null,

    /** Intents that are not at their end, oldest first. */
    unfinished: (): Intent[] =>
      select(`state IN (${unfinished.map((state) => `'${state}'`).join(", ")}) ORDER BY rowid`),

    countUnknown: (): number =>
      file.read((db) =>
        Number(
          db.prepare("SELECT count(*) AS n FROM intent WHERE state IN ('sending', 'unknown')").get()?.["n"],
        ),
      ),

    /**
     * Orders that a new one may repeat: those of which nobody knows, and those of which it was first known since then,
     * by the clock of this machine, what became of them. What was answered before is forgotten.
     */
    possiblyRepeated: (since: number): readonly PossiblyRepeated[] => {
      file.write("answers forgotten", (db) => {
        db.prepare("DELETE FROM answer WHERE answered_at < ?").run(since);
      });
      const unknown = select("state IN ('sending', 'unknown')").map((intent) => ({
        intent,
        answeredAt: null,
      }));
      const answered = file.read((db) =>
        db
          .prepare("SELECT intent_id, answered_at FROM answer WHERE answered_at >= ?")
          .all(since)
          .flatMap((row) => {
            const intent = find(db, String(row["intent_id"]));
            return intent === null || isLost(intent.state)
              ? []
              : [{ intent, answeredAt: Number(row["answered_at"]) }];
          }),
      );
      return [...unknown, ...answered].filter(
        ({ intent: { kind } }) => kind === "place" || kind === "bracket",
      );
    },

    /** The greatest order id that was ever reserved for this client; 0 for none. */
    greatestOrderId: (clientId: number): number =>
      file.read((db) => {
        const here = db.prepare("SELECT max(order_id) AS n FROM leg WHERE client_id = ?").get(clientId);
        const moved = db
          .prepare("SELECT greatest AS n FROM archived_order_id WHERE client_id = ?")
          .get(clientId);
        return Math.max(Number(here?.["n"] ?? 0), Number(moved?.["n"] ?? 0));
      }),

    // with a + before it the state chooses no index: nearly all that the journal holds is done
    /** Orders that were sent since then, filled and ended: lists of that time must show them. */
    filledSince: (since: number): { readonly orderRef: string; readonly account: string }[] =>
      file.read((db) =>
        db
          .prepare(
            `SELECT order_ref, account FROM intent JOIN leg USING (intent_id)
             WHERE created_at >= ? AND +state = 'done' AND kind IN ('place', 'bracket')
               AND json_extract(shown, '$.filled') > 0`,
          )
          .all(since)
          .map(({ order_ref, account }) => ({ orderRef: String(order_ref), account: String(account) })),
      ),

    /** The newest intents since then whose last word TWS may still revise: absent, rejected, and ended as Inactive or unlisted. */
    revisableSince: (since: number, most: number): Intent[] =>
      select(
        `created_at >= ? AND kind IN ('place', 'bracket') AND (+state IN ('absent', 'rejected')
           OR (+state = 'done' AND EXISTS (SELECT 1 FROM leg WHERE leg.intent_id = intent.intent_id
             AND json_extract(shown, '$.status') IN ('Inactive', 'Unknown'))))
         ORDER BY created_at DESC LIMIT ?`,
        since,
        most,
      ),

    audit: {
      head: () => file.read(headOf),
      trail: () => file.read(trailOf),
      /** Throws journal_unavailable also for what is in an archive that cannot be read. */
      after: (seq: number, limit: number): AuditEntry[] => trailAfter(file, seq, limit),
      /** Whether the entry behind `seq` is in an archive. */
      isMoved: (seq: number): boolean => file.read((db) => seq < movedHeadOf(db).seq),
    },

    failure: (): string | null => file.failure(),
    file,
  };
}

const FreezeRow = z.object({ by: z.enum(["host", "page", "loss"]), since: z.string(), reason: z.string() });

/** Who has stopped new orders; null for nobody. */
export function freezeOf(db: DatabaseSync): Freeze | null {
  const row = db.prepare("SELECT by, since, reason FROM freeze").get();
  return row === undefined ? null : FreezeRow.parse(row);
}
