import { type AuditHead, auditBatch } from "../shared/audit.ts";
import type { AgentFrame } from "../shared/protocol.ts";
import type { Log } from "./log.ts";
import type { Journal } from "./orders/journal.ts";

/** Tells the edge of the audit trail, batch by batch: the next follows when the edge has taken the last. */
export function createAuditMirror(journal: Journal, send: (frame: AgentFrame) => void, log: Log) {
  /** How far the edge has it; null while no edge wants it. */
  let taken: AuditHead | null = null;
  let isUnderWay = false;

  function tell(): void {
    if (taken === null || isUnderWay) return;
    try {
      const entries = journal.audit.after(taken.seq, auditBatch);
      if (entries.length === 0) return;
      isUnderWay = true;
      send({ type: "audit", entries });
    } catch (error) {
      log.error("audit.not_told", { error });
    }
  }

  return {
    /** A link begins; null from an edge that keeps no trail. */
    linked(head: AuditHead | null): void {
      taken = head;
      isUnderWay = false;
      tell();
    },
    unlinked(): void {
      taken = null;
    },
    /** The edge has taken a batch, or has not: then it says where it stands, and nothing more is sent on this link. */
    audited(head: AuditHead): void {
      const hasMoved = taken !== null && head.seq > taken.seq;
      if (taken !== null && !hasMoved) {
        taken = null;
        return log.error("audit.refused_by_edge", { seq: head.seq });
      }
      taken = head;
      isUnderWay = false;
      tell();
    },
    /** There may be more to tell. */
    tell,
  };
}
