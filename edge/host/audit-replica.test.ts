import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { type AuditEntry, type AuditHead, emptyHead } from "../../shared/audit.ts";
import {
  callOf,
  connectAgent,
  freshHost,
  type HostStub,
  openSocket,
  rpc,
  type ScriptedAgent,
} from "./host.fixture.ts";
import { AuditReplica } from "./audit-replica.ts";
import { auditTrail, announceTrail } from "./audit.fixture.ts";
import { openStore } from "./storage/store.ts";

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
async function replicated(agent: ScriptedAgent, entries: readonly AuditEntry[]) {
  agent.send({ type: "audit", entries: [...entries] });
  return (await agent.expect("audited")).head;
}

/** Sends what is to be refused, which gets no answer, so that the agent does not send it again: the status tells it. */
async function refused(host: HostStub, agent: ScriptedAgent, entries: readonly AuditEntry[]) {
  const watch = await openSocket(host, "watch?id=status&uri=ibkr://status");
  agent.send({ type: "audit", entries: [...entries] });
  expect(await watch.json()).toEqual({ type: "updated", uri: "ibkr://status" });
  watch.socket.close(1000, "");
  const { broken } = await rpc(host).audit(null);
  if (broken === null) throw new Error("It was not refused.");
  return broken;
}

/** A host that has the beginning of the trail from an agent. */
async function replicating(count: number) {
  const host = freshHost();
  const agent = await connectAgent(host);
  await announceTrail(agent, "first", headAt(count));
  for (let from = 0; from < count; from += 100) {
    await replicated(agent, trail.slice(from, Math.min(from + 100, count)));
  }
  return { host, agent };
}

describe("the copy of the audit trail", () => {
  it("begins at the first entry, and goes on where it was after the agent and the object were away", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    expect(agent.welcome).toMatchObject({ keepsAudit: true });
    expect(await announceTrail(agent)).toEqual(emptyHead);
    expect(await auditIn(host)).toBe("none");
    expect(await replicated(agent, trail.slice(0, 100))).toEqual(headAt(100));
    expect(await replicated(agent, trail.slice(100, 110))).toEqual(headAt(110));
    agent.socket.close(1000, "");
    await agent.closed;
    await evictDurableObject(host);
    const next = await connectAgent(host);
    expect(await announceTrail(next, "first", headAt(120))).toEqual(headAt(110));
    expect(await replicated(next, trail.slice(110, 120))).toEqual(headAt(120));
    expect(await auditIn(host)).toBe("ok");
  });

  it("shows the newest hundred, and those before on further pages", async () => {
    const { host } = await replicating(250);
    const page = await rpc(host).audit(null);
    expect(page.broken).toBeNull();
    expect(page.entries.map(({ entry }) => entry.seq)).toEqual(
      Array.from({ length: 100 }, (_, row) => 250 - row),
    );
    expect(page.hasMore).toBe(true);
    expect((await rpc(host).audit(51)).entries.at(-1)?.entry.seq).toBe(1);
    expect((await rpc(host).audit(51)).hasMore).toBe(false);
  });

  it("takes once what an agent sends again that could not know whether it had arrived", async () => {
    await runInDurableObject(freshHost(), async (_, { storage }) => {
      const replica = new AuditReplica(openStore(storage));
      const mine = { trailId: "first", head: headAt(250) };
      replica.announced(mine);
      const late = replica.take(trail.slice(0, 100));
      // the agent has gone and is back before the hashes of the batch are made
      replica.left();
      expect(replica.announced(mine)).toEqual(emptyHead);
      const again = replica.take(trail.slice(0, 100));
      expect(await late).toBeNull();
      expect(await again).toEqual(headAt(100));
      expect(replica.state()).toBe("ok");
    });
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
    const { host, agent } = await replicating(1);
    const broken = await refused(host, agent, entries);
    expect(Date.parse(broken.since)).toBeLessThanOrEqual(Date.now());
    expect(await auditIn(host)).toBe("broken");
    const page = await rpc(host).audit(null);
    expect(page.entries.map(({ entry }) => entry.seq)).toEqual([1]);
    expect(page.head).toEqual(headAt(1));
    // what is right is still taken, but does not hide what was wrong
    expect(await replicated(agent, [second])).toEqual(headAt(2));
    // nor does what is wrong later
    await announceTrail(agent, "first", emptyHead);
    expect((await rpc(host).audit(null)).broken).toEqual(broken);
  });

  it("finds a row that was changed on its own disk", async () => {
    const { host } = await replicating(3);
    await runInDurableObject(host, (_, { storage }) => {
      storage.sql.exec("UPDATE audit SET entry = replace(entry, 'step 2', 'step 9') WHERE number = 2");
    });
    expect((await rpc(host).audit(null)).broken).toMatchObject({
      reason: expect.stringContaining("entry 2"),
    });
  });

  it("keeps the newest hundred thousand entries over all trails, and the heads", async () => {
    const { host, agent } = await replicating(100);
    // as if it had grown to just below the bound
    await runInDurableObject(host, (_, { storage }) => {
      storage.sql.exec("UPDATE audit SET number = number - 99930 WHERE number <= 50");
    });
    await announceTrail(agent, "second");
    expect(await replicated(agent, other)).toMatchObject({ seq: 3 });
    const [oldest] = await runInDurableObject(host, (_, { storage }) =>
      storage.sql.exec<{ number: number }>("SELECT MIN(number) AS number FROM audit").toArray(),
    );
    expect(oldest?.number).toBe(104 - 100_000);
    expect(await announceTrail(agent, "first", headAt(100))).toEqual(headAt(100));
  });

  it("says nothing of trading where the agent does not", async () => {
    expect(await auditIn(freshHost())).toBeUndefined();
  });
});

describe("a journal that begins anew", () => {
  it("is a trail of its own, and it is noted after which entry of which one it came", async () => {
    const { host, agent } = await replicating(110);
    agent.socket.close(1000, "");
    await agent.closed;
    const next = await connectAgent(host);
    expect(await announceTrail(next, "second")).toEqual(emptyHead);
    expect(await auditIn(host)).toBe("ok");
    const head = await replicated(next, other);
    const page = await rpc(host).audit(null);
    expect(page).toMatchObject({
      broken: null,
      head,
      trails: [
        { trailId: "second", head, previous: { trailId: "first", head: headAt(110) } },
        { trailId: "first", head: headAt(110), previous: null },
      ],
    });
    expect(Date.parse(page.trails[0]?.beganAt ?? "")).toBeLessThanOrEqual(Date.now());
    expect(page.entries.slice(0, 4).map(({ trailId, entry }) => [trailId, entry.seq])).toEqual([
      ["second", 3],
      ["second", 2],
      ["second", 1],
      ["first", 110],
    ]);
    expect(await auditIn(host)).toBe("ok");
  });

  it("may begin while the agent is connected", async () => {
    const { host, agent } = await replicating(2);
    expect(await announceTrail(agent, "second")).toEqual(emptyHead);
    await replicated(agent, other);
    expect(await auditIn(host)).toBe("ok");
  });

  it("leaves nothing behind of one that never had an entry", async () => {
    const { host, agent } = await replicating(2);
    for (const trailId of ["empty", "empty too", "second"]) await announceTrail(agent, trailId);
    expect((await rpc(host).audit(null)).trails).toMatchObject([
      { trailId: "second", previous: { trailId: "first", head: headAt(2) } },
      { trailId: "first" },
    ]);
  });

  it("does not hide that the one before was broken", async () => {
    const { host, agent } = await replicating(2);
    await refused(host, agent, trail.slice(3, 4));
    await announceTrail(agent, "second");
    await replicated(agent, other);
    expect(await auditIn(host)).toBe("broken");
  });

  it("goes on from a copy of before trails had names", async () => {
    const host = freshHost();
    const [first, second] = trail;
    await runInDurableObject(host, (_, { storage }) => {
      storage.sql.exec(
        "DROP TABLE audit; DROP TABLE trail; CREATE TABLE audit (seq INTEGER PRIMARY KEY, entry TEXT NOT NULL)",
      );
      storage.sql.exec(
        "INSERT INTO audit VALUES (1, ?), (2, ?)",
        JSON.stringify(first),
        JSON.stringify(second),
      );
      storage.sql.exec("INSERT INTO fact VALUES ('audit_head', ?)", JSON.stringify(headAt(2)));
      storage.sql.exec("UPDATE fact SET value = '4' WHERE key = 'schema'");
    });
    await evictDurableObject(host);
    const agent = await connectAgent(host);
    expect(await auditIn(host)).toBe("ok");
    await announceTrail(agent, "second");
    await replicated(agent, other);
    expect(await rpc(host).audit(null)).toMatchObject({
      entries: [{}, {}, {}, { entry: second }, { entry: first }],
      trails: [
        { trailId: "second", previous: { trailId: "", head: headAt(2) } },
        { trailId: "", beganAt: first?.at, head: headAt(2), previous: null },
      ],
      broken: null,
    });
  });

  it("is forgotten behind a thousand others", async () => {
    const { host, agent } = await replicating(2);
    await runInDurableObject(host, (_, { storage }) => {
      storage.sql.exec(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
         INSERT INTO trail SELECT 'trail ' || i, '2026-01-05T15:00:00.000Z', 1, hex(zeroblob(32)), NULL FROM n`,
      );
    });
    expect(await announceTrail(agent, "first", headAt(2))).toEqual(headAt(2));
    await announceTrail(agent, "newest");
    expect(await announceTrail(agent, "first", headAt(2))).toEqual(emptyHead);
  });
});

describe("a trail that is not what it was", () => {
  it.each<[string, string, AuditHead, RegExp]>([
    ["shorter than here", "first", headAt(1), /ends with entry 1, and 3 are here/],
    ["empty", "first", emptyHead, /ends with entry 0, and 3 are here/],
    [
      "as long, with another end",
      "first",
      { ...headAt(3), hash: "f".repeat(64) },
      /another than the one here/,
    ],
  ])("is broken as soon as it is told: %s", async (_, trailId, head, reason) => {
    const { host, agent } = await replicating(3);
    const watch = await openSocket(host, "watch?id=status&uri=ibkr://status");
    expect(await announceTrail(agent, trailId, head)).toEqual(headAt(3));
    expect(await watch.json()).toEqual({ type: "updated", uri: "ibkr://status" });
    expect((await rpc(host).audit(null)).broken?.reason).toMatch(reason);
    expect(await auditIn(host)).toBe("broken");
  });

  it("is whole where it has grown while the agent was away", async () => {
    const { host, agent } = await replicating(3);
    await announceTrail(agent, "first", headAt(5));
    await replicated(agent, trail.slice(3, 5));
    expect(await auditIn(host)).toBe("ok");
  });
});
