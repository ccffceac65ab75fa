import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { plainCaller } from "./clients/clients.ts";
import { freePort } from "./rigs/owner-browser.ts";
import { createPrograms, type Programs } from "./rigs/programs.ts";

/**
 * The owner's commands beside agents that run as programs of their own, given with another home, another folder and other
 * variables: they say success only when each agent has confirmed it.
 */

let folder: string;
let agents: string;
const opened: Programs[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tws-edge-confirmed-"));
  agents = join(folder, "agents");
});
afterEach(async () => {
  for (const programs of opened.splice(0)) await programs.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Programs of somebody with a home of their own, on the same machine. */
function homeOf(name: string): Programs {
  mkdirSync(join(folder, name), { recursive: true });
  const programs = createPrograms(join(folder, name), () => ({ TWS_EDGE_AGENTS: agents }));
  opened.push(programs);
  return programs;
}

async function startAgent(home: string) {
  const port = String(await freePort());
  const program = homeOf(home).run(["start"], { SERVER_PORT: port });
  await program.line(/Stop with Ctrl-C/);
  const call = plainCaller(`http://127.0.0.1:${port}/api/v1/mcp`);
  let quantity = 0;
  // each another order: the same again so soon would be refused as a duplicate
  const order = () => call("ibkr_place_order", { symbol: "AAPL", action: "BUY", quantity: (quantity += 1) });
  return { ...program, port, order, pid: program.child.pid ?? 0 };
}

/** A command of somebody who is elsewhere on this machine. */
async function elsewhere(...args: readonly string[]) {
  const program = homeOf("elsewhere").run(args);
  return { code: await program.exited, out: program.out(), said: program.said() };
}

/** Everything that somebody elsewhere has left there. */
const leftElsewhere = () => readdirSync(join(folder, "elsewhere"));

const frozen = { error: { code: "trading_frozen" } };

test("freeze with another home stops the agent that runs, makes no journal, and unfreeze lifts it", async () => {
  const agent = await startAgent("owner");
  expect(await agent.order()).toHaveProperty("orderId");
  const stopped = await elsewhere("freeze", "enough");
  expect(stopped).toMatchObject({ code: 0, out: expect.stringContaining("New orders are stopped") });
  expect(stopped.out).toContain(`The agent that runs (process ${agent.pid}) has confirmed it`);
  expect(await agent.order()).toMatchObject(frozen);
  expect(leftElsewhere()).toEqual([]);
  expect(await elsewhere("unfreeze")).toMatchObject({
    code: 0,
    out: expect.stringContaining("has confirmed it"),
  });
  expect(await agent.order()).toHaveProperty("orderId");
  expect(leftElsewhere()).toEqual([]);
});

test("freeze stops every agent of the machine, and unfreeze asks which is meant", async () => {
  const [one, other] = [await startAgent("one"), await startAgent("other")];
  const stopped = await elsewhere("freeze");
  expect(stopped.code).toBe(0);
  for (const { pid, order } of [one, other]) {
    expect(stopped.out).toContain(`(process ${pid}) has confirmed it`);
    expect(await order()).toMatchObject(frozen);
  }
  const [asked, named] = [await elsewhere("unfreeze"), journalOf("one", one.port)];
  expect(asked).toMatchObject({ code: 2, said: expect.stringContaining(named) });
  expect(asked.said).toContain(journalOf("other", other.port));
  expect((await elsewhere("unfreeze", "--journal", named)).code).toBe(0);
  expect(await one.order()).toHaveProperty("orderId");
  expect(await other.order()).toMatchObject(frozen);
});

test("an agent that is stopped confirms nothing, and takes no order when it goes on", async () => {
  const [stuck, other] = [await startAgent("stuck"), await startAgent("other")];
  stuck.child.kill("SIGSTOP");
  const stopped = await elsewhere("freeze");
  expect(stopped).toMatchObject({ code: 4, said: expect.stringContaining("has not confirmed the stop") });
  expect(stopped.out).toContain("NOT CONFIRMED");
  expect(stopped.out).toContain(`(process ${other.pid}) has confirmed it`);
  stuck.child.kill("SIGCONT");
  for (const { order } of [stuck, other]) expect(await order()).toMatchObject(frozen);
});

test("without an agent freeze says so; the stop is kept where there is a journal, and none is made elsewhere", async () => {
  const agent = await startAgent("owner");
  agent.child.kill("SIGKILL");
  await agent.exited;
  expect(await elsewhere("freeze")).toMatchObject({
    code: 3,
    out: expect.not.stringContaining("New orders are stopped"),
    said: expect.stringContaining("Nothing was stopped"),
  });
  expect(leftElsewhere()).toEqual([]);
  const own = homeOf("owner").run(["freeze"], { SERVER_PORT: agent.port });
  expect(await own.exited).toBe(3);
  expect(own.said()).toContain("The stop is written in the journal");
  expect(own.said()).toContain("nothing that runs has confirmed the stop");
});

test("an agent whose journal is in memory cannot be stopped from outside, and is named", async () => {
  const program = homeOf("owner").run(["start"], { SERVER_PORT: "0" });
  await program.line(/Stop with Ctrl-C/);
  const stopped = await elsewhere("freeze");
  expect(stopped).toMatchObject({ code: 4, out: expect.not.stringContaining("New orders are stopped") });
  expect(stopped.said).toContain(
    `Not stopped. The agent that is process ${program.child.pid} (the simulator`,
  );
  program.child.kill("SIGTERM");
  expect(await program.exited).toBe(0);
  // it takes its entry with it
  expect(await elsewhere("freeze")).toMatchObject({ code: 3 });
});

test("an entry that an agent has left, or that somebody made up, is no agent", async () => {
  const agent = await startAgent("owner");
  const [own = ""] = readdirSync(agents);
  const [name = ""] = readdirSync(join(agents, own));
  const entry = z
    .record(z.string(), z.unknown())
    .parse(JSON.parse(readFileSync(join(agents, own, name), "utf8")));
  const put = (file: string, change: object) =>
    writeFileSync(join(agents, own, file), JSON.stringify({ ...entry, journal: "/nowhere", ...change }));
  // the number has gone to another process since, or to none
  put("later.json", { processStart: "1" });
  put("ended.json", { pid: 4_194_303 });
  writeFileSync(join(agents, own, "half.json"), "{");
  expect(await elsewhere("freeze")).toMatchObject({ code: 0 });
  // an agent that cannot be seen from here may well run
  put("container.json", { pidSpace: "pid:[1]" });
  expect(await elsewhere("freeze")).toMatchObject({
    code: 4,
    said: expect.stringContaining("it runs in another container, or has ended there"),
  });
  expect(await agent.order()).toMatchObject(frozen);
  expect(existsSync("/nowhere")).toBe(false);
});

test("a decision from elsewhere reaches the agent that runs", async () => {
  const port = String(await freePort());
  const program = homeOf("owner").run(["start"], { SERVER_PORT: port, APPROVAL: "always" });
  await program.line(/Stop with Ctrl-C/);
  const call = plainCaller(`http://127.0.0.1:${port}/api/v1/mcp`);
  const order = { symbol: "AAPL", action: "BUY", quantity: 1, idempotencyKey: "a-key-of-this-test" };
  const waiting = z.object({ error: z.object({ approval: z.object({ approvalId: z.string() }) }) });
  const { approvalId } = waiting.parse(await call("ibkr_place_order", order)).error.approval;
  expect((await elsewhere("approvals")).out).toContain(approvalId);
  const approved = await elsewhere("approve", approvalId);
  expect(approved).toMatchObject({ code: 0, out: expect.stringMatching(/^Approved, once:/) });
  expect(approved.out).toContain(`The agent that runs (process ${program.child.pid}) has confirmed it.`);
  expect(await call("ibkr_place_order", order)).toHaveProperty("orderId");
});

const journalOf = (home: string, port: string): string =>
  join(folder, home, ".tws-edge", `port-${port}`, "simulator-journal.db");
