import { z } from "zod";
import { AuditEntry, type AuditHead, auditText, emptyHead, type Trail } from "../../shared/audit.ts";
import { sha256Of } from "../crypto/digest.ts";
import type { AuditPage, AuditState, ShownEntry } from "../rpc/host.ts";
import type { Store } from "./storage/store.ts";

/** The newest entries that are kept, over all trails; of those before, only that they were there is known. */
export const auditKept = 100_000;
const mostShown = 100;
const mostTrailsShown = 20;

const Broken = z.object({ since: z.string(), reason: z.string() });
type Broken = z.infer<typeof Broken>;

/**
 * The replica of the agent's audit trail. It only grows: what does not continue the trail that it says to be is refused,
 * and that it was tried is remembered, since it means that somebody has changed the trail beside TWS. A journal that
 * begins anew begins another trail, which is remembered too: after which entry of which one it came.
 */
export class AuditReplica {
  readonly #store: Store;
  /** Which announcement of a trail it is: hashing lets other messages in between, and then a batch is out of date. */
  #announcement = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** The agent says which trail it keeps. Returns how far that is here. */
  announced({ trailId, head }: Trail): AuditHead {
    this.#announcement += 1;
    const known = this.#store.trail(trailId);
    if (known === null) this.#begin(trailId);
    this.#store.setFact("audit_trail", trailId);
    const here = known?.head ?? emptyHead;
    if (head.seq < here.seq) {
      this.#break(
        `The trail on the TWS host ends with entry ${head.seq}, and ${here.seq} are here: it was cut, or its journal put back from an older copy.`,
      );
    } else if (head.seq === here.seq && head.hash !== here.hash) {
      this.#break(`The last entry of the trail on the TWS host, ${head.seq}, is another than the one here.`);
    }
    return here;
  }

  /** The agent is gone: what it has sent it will send again. */
  left(): void {
    this.#announcement += 1;
  }

  /** Takes the next entries. Returns the new head; null where they do not continue the trail, or nobody waits any more. */
  async take(entries: readonly AuditEntry[]): Promise<AuditHead | null> {
    const announcement = this.#announcement;
    const falsified = await falsifiedIn(entries);
    if (announcement !== this.#announcement) return null;
    const { trailId, head } = this.#trail();
    const reason = breakIn(head, entries) ?? falsified;
    const last = entries.at(-1);
    if (reason !== null || last === undefined) {
      this.#break(reason ?? "It was empty.");
      return null;
    }
    const next = { seq: last.seq, hash: last.hash };
    const texts = entries.map((entry) => JSON.stringify(entry));
    this.#store.appendAudit({ trailId, head: next }, texts, auditKept);
    return next;
  }

  state(): AuditState {
    if (this.#broken() !== null) return "broken";
    const isEmpty = this.#store.trails(mostTrailsShown).every(({ head }) => head.seq === 0);
    return isEmpty ? "none" : "ok";
  }

  /** The entries of all trails before number `before`, newest first. */
  async page(before: number | null): Promise<AuditPage> {
    const rows = this.#store.auditBefore(before ?? Number.MAX_SAFE_INTEGER, mostShown + 1);
    const entries = rows
      .slice(0, mostShown)
      .map(({ entry, ...row }) => ({ ...row, entry: AuditEntry.parse(JSON.parse(entry)) }));
    return {
      entries,
      hasMore: rows.length > mostShown,
      trails: this.#store.trails(mostTrailsShown),
      head: this.#trail().head,
      broken: this.#broken() ?? (await brokenAmong(entries.toReversed())),
    };
  }

  /** The one that the agent keeps. */
  #trail(): Trail {
    const trailId = this.#store.fact("audit_trail");
    const trail = trailId === null ? this.#store.trails(1)[0] : this.#store.trail(trailId);
    return trail ?? { trailId: "", head: emptyHead };
  }

  #begin(trailId: string): void {
    const before = this.#trail();
    const hadEntries = before.head.seq > 0;
    // one without entries leaves nothing to come after
    const previous = hadEntries
      ? { trailId: before.trailId, head: before.head }
      : (this.#store.trail(before.trailId)?.previous ?? null);
    this.#store.addTrail({ trailId, beganAt: new Date().toISOString(), head: emptyHead, previous });
  }

  #broken(): Broken | null {
    const text = this.#store.fact("audit_broken");
    return text === null ? null : Broken.parse(JSON.parse(text));
  }

  /** The first time is what the owner looks for. */
  #break(reason: string): void {
    if (this.#broken() !== null) return;
    const broken: Broken = { since: new Date().toISOString(), reason };
    this.#store.setFact("audit_broken", JSON.stringify(broken));
  }
}

/** Why the entries do not follow a trail that ends at `head`; null if they do, as far as their hashes are right. */
function breakIn(head: AuditHead, entries: readonly AuditEntry[]): string | null {
  let { seq, hash } = head;
  for (const entry of entries) {
    if (entry.seq !== seq + 1) return `Entry ${entry.seq} came after entry ${seq}.`;
    if (entry.previous !== hash) return `Entry ${entry.seq} names another entry before it than the one here.`;
    ({ seq, hash } = entry);
  }
  return null;
}

/** The first entry whose hash is not its own, in words. */
async function falsifiedIn(entries: readonly AuditEntry[]): Promise<string | null> {
  for (const entry of entries) {
    if ((await sha256Of(auditText(entry))) !== entry.hash) return `The hash of entry ${entry.seq} is wrong.`;
  }
  return null;
}

/** What is on disk here is held to its hashes once more when it is shown; given oldest first. */
async function brokenAmong(shown: readonly ShownEntry[]): Promise<Broken | null> {
  for (const entries of Map.groupBy(shown, ({ trailId }) => trailId).values()) {
    const chain = entries.map(({ entry }) => entry);
    const [first] = chain;
    if (first === undefined) continue;
    const before = { seq: first.seq - 1, hash: first.previous };
    const reason = breakIn(before, chain) ?? (await falsifiedIn(chain));
    if (reason !== null) return { since: first.at, reason };
  }
  return null;
}
