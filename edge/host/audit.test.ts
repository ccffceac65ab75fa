import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { type AuditEntry, emptyHead } from "../../shared/audit.ts";
import {
  callOf,
  connectAgent,
  freshHost,
  type HostStub,
  openSocket,
  rpc,
  type ScriptedAgent,
} from "./scripted.ts";
import { auditTrail } from "./scripted-audit.ts";

const trail = await auditTrail(250);
const other = await auditTrail(3, { outcome: "another" });
const headAt = (seq: number) => {
  const entry = trail[seq - 1];
  return entry === undefined ? emptyHead : { seq, hash: entry.hash };
};

const auditIn = async (host: HostStub) => {
  const outcome = await rpc(host).call(callOf("ibkr_get_status"));
  return outcome.ok ? Reflect.get(Object(outcome.output["trading"]), "audit") : outcome.error;
};

/** Sends a batch and waits for how far the edge says it is. */
async function mirrored(agent: ScriptedAgent, entries: readonly AuditEntry[]) {
  agent.say({ type: "audit", entries: [...entries] });
  return (await agent.expect("audited")).head;
}

/** Sends what is to be refused, which gets no answer, so that the agent does not send it again: the status tells it. */
async function refused(host: HostStub, agent: ScriptedAgent, entries: readonly AuditEntry[]) {
  const watch = await openSocket(host, "watch?id=status&uri=ibkr://status");
  agent.say({ type: "audit", entries: [...entries] });
  expect(await watch.json()).toEqual({ type: "updated", uri: "ibkr://status" });
  watch.socket.close(1000, "");
  const { broken } = await rpc(host).audit(null);
  if (broken === null) throw new Error("It was not refused.");
  return broken;
}

describe("the copy of the audit trail", () => {
  it("begins at the first entry, and goes on where it was after the agent and the object were away", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    expect(agent.welcome).toMatchObject({ audited: emptyHead });
    expect(await auditIn(host)).toBe("none");
    expect(await mirrored(agent, trail.slice(0, 100))).toEqual(headAt(100));
    expect(await mirrored(agent, trail.slice(100, 110))).toEqual(headAt(110));
    agent.socket.close(1000, "");
    await agent.closed;
    await evictDurableObject(host);
    const next = await connectAgent(host);
    expect(next.welcome).toMatchObject({ audited: headAt(110) });
    expect(await mirrored(next, trail.slice(110, 120))).toEqual(headAt(120));
    expect(await auditIn(host)).toBe("ok");
  });

  it("takes batches in the order in which they came, however they overlap", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    for (let from = 0; from < 250; from += 50) {
      agent.say({ type: "audit", entries: trail.slice(from, from + 50) });
    }
    for (let to = 50; to <= 250; to += 50) {
      expect((await agent.expect("audited")).head).toEqual(headAt(to));
    }
    const page = await rpc(host).audit(null);
    expect(page.broken).toBeNull();
    expect(page.entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, row) => 250 - row));
    expect(page.hasMore).toBe(true);
    expect((await rpc(host).audit(51)).entries.at(-1)?.seq).toBe(1);
    expect((await rpc(host).audit(51)).hasMore).toBe(false);
  });

  const [first, second, third] = trail;
  if (first === undefined || second === undefined || third === undefined) throw new Error("It has three.");
  it.each<[string, AuditEntry[]]>([
    ["a gap", [third]],
    ["a repeat", [first]],
    ["another past", other.slice(1, 2)],
    ["a changed word", [{ ...second, outcome: "changed" }]],
    ["a changed hash", [{ ...second, hash: "0".repeat(64) }]],
    ["one bad entry behind a good one", [second, { ...third, account: "U1" }]],
  ])("refuses %s whole, keeps what it has, and says broken from then on", async (_, entries) => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await mirrored(agent, [first]);
    const broken = await refused(host, agent, entries);
    expect(Date.parse(broken.since)).toBeLessThanOrEqual(Date.now());
    expect(await auditIn(host)).toBe("broken");
    const page = await rpc(host).audit(null);
    expect(page.entries.map(({ seq }) => seq)).toEqual([1]);
    expect(page.head).toEqual(headAt(1));
    // what is right is still taken, but does not hide what was wrong
    expect(await mirrored(agent, [second])).toEqual(headAt(2));
    expect((await rpc(host).audit(null)).broken).toEqual(broken);
  });

  it("finds a row that was changed on its own disk", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await mirrored(agent, trail.slice(0, 3));
    await runInDurableObject(host, (_, { storage }) => {
      storage.sql.exec("UPDATE audit SET entry = replace(entry, 'step 2', 'step 9') WHERE seq = 2");
    });
    expect((await rpc(host).audit(null)).broken).toMatchObject({
      reason: expect.stringContaining("entry 2"),
    });
  });

  it("keeps the newest hundred thousand entries and the head", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    await mirrored(agent, trail.slice(0, 100));
    // as if it had grown to just below the bound
    await runInDurableObject(host, (_, { storage }) => {
      storage.sql.exec("UPDATE audit SET seq = seq - 99930 WHERE seq <= 50");
    });
    expect(await mirrored(agent, trail.slice(100, 110))).toEqual(headAt(110));
    const [oldest] = await runInDurableObject(host, (_, { storage }) =>
      storage.sql.exec<{ seq: number }>("SELECT MIN(seq) AS seq FROM audit").toArray(),
    );
    expect(oldest?.seq).toBe(111 - 100_000);
  });

  it("says nothing of trading where the agent does not", async () => {
    expect(await auditIn(freshHost())).toBeUndefined();
  });
});
