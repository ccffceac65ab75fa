import { type AuditEntry, type AuditHead, auditText, emptyHead, firstPrevious } from "../../shared/audit.ts";
import { sha256Of } from "../crypto/digest.ts";
import type { ScriptedAgent } from "./host.fixture.ts";

/** For tests: an audit trail as an honest agent writes it. */
export async function auditTrail(count: number, changes: Partial<AuditEntry> = {}): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (let seq = 1; seq <= count; seq += 1) {
    const entry = {
      seq,
      at: new Date(Date.UTC(2026, 0, 5) + seq * 1000).toISOString(),
      step: "received",
      intentId: `ag1:${seq}`,
      grantId: "g_1",
      client: "Claude",
      tool: "ibkr_place_order",
      account: "DU1",
      digest: "d".repeat(64),
      outcome: `step ${seq}`,
      ...changes,
      previous: entries.at(-1)?.hash ?? firstPrevious,
    };
    entries.push({ ...entry, hash: await sha256Of(auditText(entry)) });
  }
  return entries;
}

/** The agent says which trail it keeps and where that ends; how far the edge has it. */
export async function announceTrail(
  agent: ScriptedAgent,
  trailId = "first",
  head: AuditHead = emptyHead,
): Promise<AuditHead> {
  agent.send({ type: "trail", trail: { trailId, head } });
  return (await agent.expect("audited")).head;
}
