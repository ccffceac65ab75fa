import { z } from "zod";
import { AuditEntry, AuditHead, auditText, emptyHead } from "../../shared/audit.ts";
import { sha256Of } from "../digest.ts";
import type { AuditPage, AuditState } from "./rpc.ts";
import type { Store } from "./store.ts";

/** The newest entries that are kept; of those before, only that they were there is known. */
export const auditKept = 100_000;
const mostShown = 100;

const Broken = z.object({ since: z.string(), reason: z.string() });
type Broken = z.infer<typeof Broken>;

/**
 * The copy of the agent's audit trail. It only grows: what does not continue what is here is refused, and that it was
 * tried is remembered, since it means that somebody has changed the trail beside TWS, or lost it.
 */
export class AuditMirror {
  readonly #store: Store;
  /** Batches are taken one after the other, since hashing lets another message in between. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: Store) {
    this.#store = store;
  }

  /** How far the trail is here. */
  head(): AuditHead {
    const text = this.#store.fact("audit_head");
    return text === null ? emptyHead : AuditHead.parse(JSON.parse(text));
  }

  /** Takes the next entries. Returns the new head, or null where they do not continue the trail. */
  take(entries: readonly AuditEntry[]): Promise<AuditHead | null> {
    const turn = this.#last.then(() => this.#append(entries));
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  state(): AuditState {
    if (this.#broken() !== null) return "broken";
    return this.head().seq === 0 ? "none" : "ok";
  }

  /** The entries before `before`, newest first. */
  async page(before: number | null): Promise<AuditPage> {
    const rows = this.#store.auditBefore(before ?? Number.MAX_SAFE_INTEGER, mostShown + 1);
    const entries = rows.slice(0, mostShown).map((row) => AuditEntry.parse(JSON.parse(row)));
    return {
      entries,
      hasMore: rows.length > mostShown,
      head: this.head(),
      broken: this.#broken() ?? (await brokenAmong(entries.toReversed())),
    };
  }

  #broken(): Broken | null {
    const text = this.#store.fact("audit_broken");
    return text === null ? null : Broken.parse(JSON.parse(text));
  }

  async #append(entries: readonly AuditEntry[]): Promise<AuditHead | null> {
    const head = this.head();
    const fault = await faultIn(head, entries);
    const last = entries.at(-1);
    if (fault === null && last !== undefined) {
      const next = { seq: last.seq, hash: last.hash };
      this.#store.appendAudit(
        entries.map((entry) => ({ seq: entry.seq, entry: JSON.stringify(entry) })),
        JSON.stringify(next),
        last.seq - auditKept,
      );
      return next;
    }
    // the first time is what the owner looks for
    if (this.#broken() === null) {
      const broken: Broken = { since: new Date().toISOString(), reason: fault ?? "It was empty." };
      this.#store.setFact("audit_broken", JSON.stringify(broken));
    }
    return null;
  }
}

/** Why the entries do not continue a trail that ends at `head`; null if they do. */
async function faultIn(head: AuditHead, entries: readonly AuditEntry[]): Promise<string | null> {
  let { seq, hash } = head;
  for (const entry of entries) {
    if (entry.seq !== seq + 1) return `Entry ${entry.seq} came after entry ${seq}.`;
    if (entry.previous !== hash) return `Entry ${entry.seq} names another entry before it than the one here.`;
    if ((await sha256Of(auditText(entry))) !== entry.hash) return `The hash of entry ${entry.seq} is wrong.`;
    ({ seq, hash } = entry);
  }
  return null;
}

/** What is on disk here is held to its hashes once more when it is shown. */
async function brokenAmong(entries: readonly AuditEntry[]): Promise<Broken | null> {
  const [first] = entries;
  if (first === undefined) return null;
  const reason = await faultIn({ seq: first.seq - 1, hash: first.previous }, entries);
  return reason === null ? null : { since: first.at, reason };
}
