import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { approvalLifetimeMs } from "../../shared/approval.ts";
import { TwsError } from "../../shared/errors.ts";
import { type CommandPlace, createCommandPlace } from "./command.fixture.ts";
import { createApprovals, type ApprovalRequest, useApproval } from "../journal/approvals.ts";
import { appendAudit } from "../journal/audit-trail.ts";
import { type JournalFile, openJournalFile } from "../journal/database.ts";
import { intentOf, legOf, orderOf } from "../journal/journal.fixture.ts";
import { createJournal } from "../journal/journal.ts";
import { createKillSwitch } from "../journal/kill-switch.ts";
import { confirmCommands } from "../journal/owner-commands.ts";

let place: CommandPlace;
const open: JournalFile[] = [];
const stops: (() => void)[] = [];
beforeEach(() => {
  place = createCommandPlace();
});
afterEach(() => {
  endAgents();
  place.remove();
});

function endAgents(): void {
  for (const stop of stops.splice(0)) stop();
  for (const file of open.splice(0)) file.close();
}

/** As an agent has it that answers commands: this process is the agent. */
function agentWith(path = journalPath()): JournalFile {
  const file = silentAgentWith(path);
  const answering = setInterval(() => confirmCommands(file, process.pid, Date.now()), 20);
  stops.push(() => clearInterval(answering));
  return file;
}

/** As an agent has it that is stopped or stuck. */
function silentAgentWith(path = journalPath()): JournalFile {
  const file = openJournalFile({ path, exclusive: true });
  open.push(file);
  return file;
}

/** A journal from before, with which no agent runs. */
const journalWithoutAgent = (path = journalPath()) => openJournalFile({ path, exclusive: true }).close();

const journalPath = () => join(place.folder, ".config", "tws-edge", "journal.db");
const simulatorPath = () => join(place.folder, ".tws-edge", "port-8000", "simulator-journal.db");
const tws = { TWS_PORT: "7497" };
const run = (...args: readonly string[]) => place.run(args, tws);

const digest = "d".repeat(64);
const request = (change: Partial<ApprovalRequest> = {}): ApprovalRequest => ({
  digest,
  account: "U1234567",
  mode: "live",
  orders: ["BUY 10 AAPL (STK, NASDAQ, USD) LMT 180.5 DAY"],
  value: "about 1,805.00 USD",
  quotes: [{ bid: 180, ask: 180.2, last: 180.1, at: "2026-11-20T15:59:58.000Z", dataType: "live" }],
  reason: "live orders need approval",
  client: "a client",
  grantId: "g_1",
  intentId: "ag1:a",
  tool: "ibkr_place_order",
  ...change,
});

describe("freeze and unfreeze", () => {
  test("a running agent sees both at once, and each says what it did", async () => {
    const killSwitch = createKillSwitch(agentWith(), Date.now);
    const frozen = await run("freeze", "back", "on", "Monday");
    expect(frozen).toMatchObject({ code: 0, err: "" });
    const state = killSwitch.state();
    expect(state).toMatchObject({ by: "host", reason: "back on Monday" });
    expect(frozen.out).toContain(
      `New orders are stopped, on this machine, since ${state?.since} (back on Monday).\nThe agent that runs (process ${process.pid}) has confirmed it`,
    );
    const again = await run("freeze");
    expect(again.out).toContain(`stopped already, on this machine, since ${state?.since} (back on Monday).`);
    const lifted = await run("unfreeze");
    expect(lifted).toMatchObject({ code: 0, err: "" });
    expect(lifted.out).toContain(
      `They were stopped on this machine, since ${state?.since} (back on Monday).`,
    );
    expect(killSwitch.state()).toBeNull();
    expect((await run("unfreeze")).out).toContain("nothing to lift");
  });

  test("without an agent nothing has confirmed it, with exit code 3, and the next agent finds it", async () => {
    journalWithoutAgent();
    const frozen = await run("freeze");
    expect(frozen).toMatchObject({
      code: 3,
      err: expect.stringContaining("nothing that runs has confirmed"),
    });
    expect(frozen.out).toContain("No agent runs with this journal");
    expect(frozen.out).not.toContain("New orders are stopped");
    const killSwitch = createKillSwitch(agentWith(), Date.now);
    expect(killSwitch.state()).toMatchObject({ by: "host", reason: "" });
    endAgents();
    expect(await run("unfreeze")).toMatchObject({
      code: 3,
      out: expect.not.stringContaining("taken again"),
      err: expect.stringContaining("nothing that runs has confirmed"),
    });
  });

  test("where there never was an agent nothing is stopped and nothing is made", async () => {
    const frozen = await run("freeze");
    expect(frozen).toMatchObject({ code: 3, err: expect.stringContaining("Nothing was stopped") });
    expect(existsSync(dirname(journalPath()))).toBe(false);
    expect(existsSync(join(place.folder, "agents"))).toBe(false);
  });

  test("an agent that says nothing has confirmed nothing, with exit code 4", async () => {
    const killSwitch = createKillSwitch(silentAgentWith(), Date.now);
    const frozen = await run("freeze");
    expect(frozen).toMatchObject({ code: 4, err: expect.stringContaining("has not confirmed the stop") });
    expect(frozen.out).toContain("NOT CONFIRMED");
    expect(frozen.out).not.toContain("New orders are stopped");
    // it is there for an agent that wakes
    expect(killSwitch.state()?.by).toBe("host");
  }, 20_000);

  test("an agent that sees something else contradicts, and its answer to another command does not count", async () => {
    const file = silentAgentWith();
    // lifts each stop before it answers, as another command may
    const lifting = setInterval(() => {
      createKillSwitch(file, Date.now).unfreeze("host");
      confirmCommands(file, process.pid, Date.now());
    }, 5);
    stops.push(() => clearInterval(lifting));
    const frozen = await run("freeze");
    expect(frozen).toMatchObject({ code: 4, err: expect.stringContaining("sees something else") });
  });

  test("what the page has stopped, the host takes over and says so", async () => {
    const killSwitch = createKillSwitch(agentWith(), Date.now);
    killSwitch.freeze("page", "\u001b[31mred");
    const frozen = await run("freeze");
    expect(frozen.out).toContain("They were stopped already, at the edge's page");
    expect(frozen.out).toContain("now only this machine lifts it");
    expect(frozen.out).not.toContain("\u001b");
    expect(killSwitch.state()?.by).toBe("host");
  });

  test("what the loss limit has stopped is lifted by its name", async () => {
    createKillSwitch(agentWith(), Date.now).freeze("loss", "5,000.00 USD");
    expect((await run("unfreeze")).out).toContain("by the loss limit of the day, since ");
  });

  test("a journal that cannot be written is said, with exit code 1", async () => {
    mkdirSync(journalPath(), { recursive: true });
    const frozen = await run("freeze");
    expect(frozen.code).toBe(1);
    expect(frozen.out).not.toContain("New orders");
    expect(frozen.err).toContain("The order journal cannot be used");
  });
});

describe("which journal is meant", () => {
  test("without a TWS it is the simulator's", async () => {
    journalWithoutAgent(simulatorPath());
    journalWithoutAgent(simulatorPath().replace("8000", "9000"));
    const frozen = await place.run(["freeze"]);
    expect(frozen.out).toContain(`Journal: ${simulatorPath()}`);
    expect(existsSync(journalPath())).toBe(false);
    const other = await place.run(["freeze"], { SERVER_PORT: "9000" });
    expect(other.out).toContain("port-9000");
  });

  test("an agent that runs is stopped even where the variables name no TWS", async () => {
    const killSwitch = createKillSwitch(agentWith(), Date.now);
    journalWithoutAgent(simulatorPath());
    const frozen = await place.run(["freeze"]);
    expect(frozen).toMatchObject({ code: 0, err: "" });
    expect(frozen.out).toContain(simulatorPath());
    expect(frozen.out).toContain(journalPath());
    expect(killSwitch.state()?.by).toBe("host");
    const lifted = await place.run(["unfreeze"], { SERVER_PORT: "9000" });
    expect(lifted.out).toContain(`Journal: ${journalPath()}`);
    expect(killSwitch.state()).toBeNull();
  });

  test("it is the one that is named, wherever that is", async () => {
    const path = join(place.folder, "elsewhere.db");
    journalWithoutAgent(path);
    expect((await run("freeze", "--journal", path)).out).toContain(`Journal: ${path}`);
    expect((await place.run(["unfreeze"], { ...tws, TWS_EDGE_JOURNAL: path })).out).toContain(
      "They were stopped",
    );
  });

  test("where there is none, whoever only looks is told, and makes none", async () => {
    for (const args of [
      ["approvals"],
      ["unfreeze"],
      ["freeze", "--journal", journalPath()],
      ["audit", "verify"],
      ["orders", "unknown"],
      ["approve", "abcd"],
    ]) {
      const looked = await run(...args);
      expect(looked).toMatchObject({ code: 1, out: "" });
      expect(looked.err).toContain(`There is no order journal at ${journalPath()}.`);
    }
    expect(existsSync(dirname(journalPath()))).toBe(false);
  });

  test("one in memory cannot be reached, which is said", async () => {
    const lifted = await place.run(["unfreeze"], { SERVER_PORT: "0" });
    expect(lifted.code).toBe(1);
    expect(lifted.err).toContain("in the agent's memory only");
    expect(await place.run(["freeze"], { SERVER_PORT: "0" })).toMatchObject({
      code: 3,
      err: expect.stringContaining("Nothing was stopped"),
    });
  });
});

describe("approvals", () => {
  test("are listed with all that the owner must know, in words and as JSON", async () => {
    const approvals = createApprovals(agentWith(), Date.now);
    expect(await run("approvals")).toMatchObject({ code: 0, out: "" });
    expect(await run("approvals", "--json")).toMatchObject({ code: 0, out: "[]\n" });
    const { approvalId } = approvals.ask(request());
    approvals.ask(
      request({ digest: "e".repeat(64), mode: "paper", account: "DU1", value: "", quotes: [null] }),
    );
    const { out } = await run("approvals");
    expect(out).toMatch(
      new RegExp(`^${approvalId}  4 min 5\\d s left\\n  LIVE account U1234567, value about 1,805.00 USD\\n`),
    );
    expect(out).toContain(
      "  BUY 10 AAPL (STK, NASDAQ, USD) LMT 180.5 DAY\n    bid 180, ask 180.2, last 180.1 (live, ",
    );
    expect(out).toContain("    price not known\n");
    expect(out).toContain("  Asked by a client (grant g_1); needs approval: live orders need approval\n");
    expect(out).toContain("  PAPER account DU1, value not known\n");
    expect(JSON.parse((await run("approvals", "--json")).out)).toEqual(approvals.pending());
  });

  test("a client's name cannot write over the terminal", async () => {
    createApprovals(agentWith(), Date.now).ask(
      request({ client: "nice\u001b[2K\r\u202eclient\n  PAPER account" }),
    );
    const { out } = await run("approvals");
    expect(out).toContain("Asked by nice�[2K��client�  PAPER account (grant");
  });

  test("one is approved by the beginning of its id, and the agent can use it once", async () => {
    const file = agentWith();
    const { approvalId } = createApprovals(file, Date.now).ask(request());
    const approved = await run("approve", approvalId.slice(0, 4).toUpperCase());
    expect(approved).toMatchObject({ code: 0, err: "" });
    expect(approved.out).toMatch(
      /^Approved, once:\n {2}LIVE account U1234567, value about 1,805.00 USD\n {2}BUY 10 AAPL/,
    );
    file.write("reserved", (db) => useApproval(db, approvalId, digest, Date.now()));
    const again = await run("approve", approvalId);
    expect(again).toMatchObject({ code: 1, out: "" });
    expect(again.err).toContain("given and used already");
  });

  test("a decision that no agent confirms is no success", async () => {
    const approvals = createApprovals(silentAgentWith(), Date.now);
    const [first, second] = [approvals.ask(request()), approvals.ask(request({ digest: "e".repeat(64) }))];
    const silent = await run("approve", first.approvalId);
    expect(silent).toMatchObject({ code: 4, err: expect.stringContaining("has not confirmed the approval") });
    expect(silent.out).toMatch(/^Approved, once in the journal, and not confirmed:/);
    endAgents();
    const alone = await run("decline", second.approvalId);
    expect(alone).toMatchObject({ code: 3, err: expect.stringContaining("nothing that runs has confirmed") });
    expect(alone.out).toMatch(/^Declined in the journal, and not confirmed:/);
  }, 20_000);

  test("one is declined, and cannot be approved after that", async () => {
    const approvals = createApprovals(agentWith(), Date.now);
    const { approvalId } = approvals.ask(request());
    const declined = await run("decline", approvalId);
    expect(declined).toMatchObject({ code: 0, err: "" });
    expect(declined.out).toContain("It is not placed.");
    expect(approvals.decision("g_1", digest)).toEqual({ decision: "declined", approvalId });
    expect((await run("approve", approvalId)).err).toContain("declined already");
    expect(approvals.decision("g_1", digest).decision).toBe("declined");
  });

  test("an expired one cannot be approved", async () => {
    const file = agentWith();
    const { approvalId } = createApprovals(file, () => Date.now() - approvalLifetimeMs).ask(request());
    const late = await run("approve", approvalId);
    expect(late).toMatchObject({ code: 1, out: "" });
    expect(late.err).toContain("This approval expired at ");
    expect(createApprovals(file, Date.now).decision("g_1", digest)).toEqual({ decision: "none" });
  });

  test("an unknown, a short and an ambiguous id approve nothing", async () => {
    const file = agentWith();
    const approvals = createApprovals(file, Date.now);
    const ids = [approvals.ask(request()), approvals.ask(request({ digest: "e".repeat(64) }))].map(
      ({ approvalId }) => approvalId,
    );
    file.write("same beginning", (db) => {
      for (const id of ids) {
        db.prepare(
          `UPDATE approval SET approval_id = 'abcd' || approval_id,
             body = json_set(body, '$.approvalId', 'abcd' || approval_id) WHERE approval_id = ?`,
        ).run(id);
      }
    });
    const ambiguous = await run("approve", "abcd");
    expect(ambiguous.code).toBe(1);
    expect(ambiguous.err).toContain('Several ids begin with "abcd"');
    for (const id of ids) expect(ambiguous.err).toContain(`  abcd${id}\n`);
    expect(await run("approve", "abc")).toMatchObject({
      code: 1,
      err: "Give at least 4 letters of the id.\n",
    });
    expect((await run("approve", "0123456789")).err).toContain('No approval\'s id begins with "0123456789"');
    expect(approvals.pending()).toHaveLength(2);
  });
});

describe("audit", () => {
  function fill(): JournalFile {
    const file = agentWith();
    const journal = createJournal(file, Date.now);
    for (const id of ["ag1:a", "ag1:b"]) {
      journal.receive(intentOf(id, { client: "a\u001bclient" }));
      journal.reserve(id, [legOf(7)], 100, () => {});
      journal.sending(id);
    }
    return file;
  }

  test("shows the newest entries, those of an intent, and those since a time", async () => {
    fill();
    const all = await run("audit", "show");
    expect(all).toMatchObject({ code: 0, err: "" });
    expect(all.out.split("\n")).toHaveLength(7);
    expect(all.out).toMatch(
      /^1 {2}\S+Z {2}received {2}DU1234567 {2}ibkr_place_order {2}ag1:a {2}by a�client \(g_1\)\n2 {2}\S+ {2}reserved .* {2}7\n/,
    );
    expect((await run("audit", "show", "--last", "2")).out).toMatch(/^5 .*\n6 .*\n$/);
    expect((await run("audit", "show", "--intent", "ag1:b")).out).toMatch(/^4 .*\n5 .*\n6 .*\n$/);
    expect((await run("audit", "show", "--since", "1h")).out.split("\n")).toHaveLength(7);
    const none = await run("audit", "show", "--since", "2100-01-01T00:00:00Z");
    expect(none).toMatchObject({ code: 0, out: "" });
    expect(none.err).toContain("No entry fits");
    const json = await run("audit", "show", "--json", "--last", "1");
    expect(JSON.parse(json.out)).toMatchObject({ seq: 6, step: "sending" });
  });

  test("exports every entry as a line of JSON", async () => {
    const file = fill();
    // more than are read at once
    file.write("many", (db) => {
      for (let index = 0; index < 1_500; index++) appendAudit(db, { step: "received" }, Date.now());
    });
    const { code, out } = await run("audit", "export");
    expect(code).toBe(0);
    const lines: unknown[] = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toEqual(createJournal(file, Date.now).audit.after(0, 10_000));
  });

  test("exports names of clients without a letter that a terminal would obey", async () => {
    const file = agentWith();
    const client = "a\u202Eb\u009B31m\u2028\u{E0041}";
    file.write("named", (db) => appendAudit(db, { step: "received", client }, Date.now()));
    for (const args of [["export"], ["show"], ["show", "--json"]]) {
      const { out } = await run("audit", ...args);
      expect(out).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }
    expect(JSON.parse((await run("audit", "export")).out)).toMatchObject({ client });
  });

  test("verifies the chain and prints its end, which is good for later", async () => {
    const file = fill();
    const { code, out } = await run("audit", "verify");
    expect(code).toBe(0);
    const { hash } = createJournal(file, Date.now).audit.head();
    expect(out).toContain(`The audit trail is whole: 6 entries.\nHead: 6:${hash}\n`);
    const later = await run("audit", "verify", "--head", `6:${hash}`);
    expect(later).toMatchObject({ code: 0 });
    file.write("cut", (db) => db.exec("DELETE FROM audit WHERE seq > 4"));
    expect((await run("audit", "verify")).code).toBe(0);
    const cut = await run("audit", "verify", "--head", `6:${hash}`);
    expect(cut).toMatchObject({ code: 1, out: "" });
    expect(cut.err).toContain("it ends before entry 5, and there were 6");
  });

  test("names the first entry that is bad", async () => {
    fill().write("tamper", (db) => db.exec("UPDATE audit SET account = 'U1' WHERE seq IN (3, 5)"));
    const altered = await run("audit", "verify");
    expect(altered).toMatchObject({ code: 1, out: "" });
    expect(altered.err).toContain("broken: entry 3 was altered");
    expect(altered.err).toContain("Good up to 2:");
  });

  test("a missing entry is said to be missing", async () => {
    fill().write("tamper", (db) => db.exec("DELETE FROM audit WHERE seq = 1"));
    expect((await run("audit", "verify")).err).toContain(
      "entry 1 is missing.\nNo entry before that is good.",
    );
  });
});

describe("orders unknown", () => {
  test("lists what may be at TWS, what is being done and what the owner can do", async () => {
    const journal = createJournal(agentWith(), Date.now);
    expect((await run("orders", "unknown")).err).toContain("Of every order it is known");
    for (const id of ["ag1:lost", "ag1:sent", "ag1:fine"]) {
      journal.receive(intentOf(id));
      journal.reserve(id, [legOf(7)], 100, () => {});
      journal.sending(id);
    }
    journal.acknowledge("ag1:fine", [orderOf(7)], false);
    journal.markUnknown("ag1:lost", new TwsError("outcome_unknown", "TWS has not answered."));
    const { code, out } = await run("orders", "unknown");
    expect(code).toBe(0);
    expect(out).toMatch(/^ag1:lost {2}place by ibkr_place_order {2}PAPER account DU1234567 {2}sent \S+Z\n/);
    expect(out).toContain("  order: order 7 of client 1, reference ag1:7\n  TWS has not answered.\n");
    expect(out).toContain("\nag1:sent  ");
    expect(out).not.toContain("ag1:fine");
    expect(out).toContain("The agent that runs looks for them");
    expect(out).toContain("Do not place them again");
    expect(JSON.parse((await run("orders", "unknown", "--json")).out)).toMatchObject([
      { intentId: "ag1:lost", state: "unknown" },
      { intentId: "ag1:sent", state: "sending" },
    ]);
    endAgents();
    expect((await run("orders", "unknown")).out).toContain("When it starts, it looks for them");
  });
});

test.each([
  [["freeze", "--help"], "until you lift it"],
  [["unfreeze", "-h"], "whoever has stopped"],
  [["approvals", "--help"], "--json"],
  [["approve", "--help"], "once"],
  [["decline", "--help"], "not placed"],
  [["audit", "--help"], "--head"],
  [["orders", "--help"], "unknown"],
])("%j prints help", async (args, words) => {
  const helped = await run(...args);
  expect(helped).toMatchObject({ code: 0, err: "" });
  expect(helped.out).toContain(words);
  expect(helped.out).toContain("--journal PATH");
});

test.each([
  [["unfreeze", "now"]],
  [["approve"]],
  [["approve", "abcd", "efgh"]],
  [["audit"]],
  [["audit", "dance"]],
  [["audit", "verify", "--last", "3"]],
  [["audit", "verify", "--head", "3"]],
  [["audit", "show", "--last", "0"]],
  [["audit", "show", "--since", "soon"]],
  [["orders"]],
  [["orders", "all"]],
  [["approvals", "--yes"]],
])("%j is a mistake with exit code 2", async (args) => {
  agentWith();
  const mistaken = await run(...args);
  expect(mistaken).toMatchObject({ code: 2, out: "" });
  expect(mistaken.err).toContain("--help explains it.");
});

test("a variable that is wrong is one sentence", async () => {
  const wrong = await place.run(["freeze"], { TWS_PORT: "nonsense" });
  expect(wrong).toMatchObject({ code: 1, out: "" });
  expect(wrong.err).toMatch(/^TWS_PORT is "nonsense"\. Allowed: .*\n$/);
});

test.each(["freeze", "unfreeze", "approve", "decline"])("%s --help tells its exit codes", async (command) => {
  expect((await run(command, "--help")).out).toContain("3 no agent runs that could\nconfirm it; 4 an agent");
});

test("a journal of a later release is left as it is", async () => {
  mkdirSync(dirname(journalPath()), { recursive: true });
  const db = new DatabaseSync(journalPath());
  db.exec("PRAGMA user_version = 99");
  db.close();
  expect((await run("freeze")).err).toContain("later release");
});

test("a file that is no journal is left as it is", async () => {
  const path = join(place.folder, "notes.txt");
  writeFileSync(path, "notes\n".repeat(200));
  const shown = await run("audit", "show", "--journal", path);
  expect(shown.code).toBe(1);
  expect(shown.err).toContain("not a database");
});
