import { type AuditHead, auditBatch, emptyHead } from "../../shared/audit.ts";
import type { AgentFrame } from "../../shared/protocol.ts";
import type { Log } from "../process/log.ts";
import type { Journal } from "../journal/journal.ts";

/** How it stands between agent and edge. */
type Phase =
  /** No edge is there that wants it. */
  | "off"
  /** The edge has been told which trail it is, and is to say how far it has it. */
  | "told"
  /** The edge has all up to `taken`. */
  | "idle"
  /** A batch is under way. */
  | "sent"
  /** The edge has another past than this trail: what follows would not continue it. */
  | "refused";

/** Tells the edge of the audit trail, batch by batch: the next follows when the edge has taken the last. */
export function createAuditReplication(
  { audit }: Pick<Journal, "audit">,
  send: (frame: AgentFrame) => void,
  log: Log,
) {
  let phase: Phase = "off";
  let trailId = "";
  let taken: AuditHead = emptyHead;

  function tell(): void {
    if (phase === "off") return;
    try {
      const trail = audit.trail();
      // a journal that was made anew is another trail
      if (trail.trailId !== trailId) {
        ({ trailId } = trail);
        phase = "told";
        return send({ type: "trail", trail });
      }
      if (phase !== "idle") return;
      const entries = audit.after(taken.seq, auditBatch);
      if (entries.length === 0) return;
      phase = "sent";
      send({ type: "audit", entries });
    } catch (error) {
      log.error("audit.not_told", { error });
      if (isArchiveMissing()) phase = "refused";
    }
  }

  /** What the edge lacks is in an archive that cannot be read: later entries would not continue what it has. */
  function isArchiveMissing(): boolean {
    try {
      return phase === "idle" && audit.isMoved(taken.seq);
    } catch {
      return false;
    }
  }

  /** Null while the journal cannot be read: the trail is then told again. */
  function readHead(): AuditHead | null {
    try {
      return audit.head();
    } catch (error) {
      log.error("audit.not_told", { error });
      trailId = "";
      return null;
    }
  }

  function refused(head: AuditHead, event: string): void {
    phase = "refused";
    log.error(event, { trailId, seq: head.seq });
  }

  return {
    /** A link begins. */
    linked(keepsAudit: boolean): void {
      phase = keepsAudit ? "idle" : "off";
      trailId = "";
      tell();
    },
    unlinked(): void {
      phase = "off";
    },
    /** How far the edge has it. Where it has not moved on, or has more than there is, nothing more is sent on this link. */
    audited(head: AuditHead): void {
      switch (phase) {
        case "told": {
          const own = readHead();
          if (own === null) return undefined;
          if (head.seq > own.seq) return refused(head, "audit.edge_is_ahead");
          break;
        }
        case "sent":
          if (head.seq <= taken.seq) return refused(head, "audit.refused_by_edge");
          break;
        // nobody asked
        case "off":
        case "idle":
        case "refused":
          return undefined;
        default:
          return phase satisfies never;
      }
      taken = head;
      phase = "idle";
      return tell();
    },
    /** There may be more to tell. */
    tell,
  };
}
