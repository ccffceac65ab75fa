import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Caller } from "../../shared/caller.ts";
import { isToolName } from "../../shared/tools/index.ts";
import { createDispatch } from "../dispatch.ts";
import { startAgent, trader } from "../handlers/handlers.fixture.ts";
import type { JournalFolder } from "../journal/journal.fixture.ts";
import { readBack, readWrittenBefore, restoreJournal } from "../journal/written-before.fixture.ts";
import type { Limits } from "../limits/limits.ts";
import { createLog } from "../process/log.ts";
import { startSimulator, type Simulator } from "../simulator/server.ts";

/** The calls whose intents an earlier release has journalled, once more after an update of the agent. */

const Json = z.record(z.string(), z.unknown());
const calls = z
  .array(
    z.strictObject({
      key: z.string(),
      tool: z.string(),
      grantId: z.string(),
      madeKey: z.string().nullable(),
      input: Json,
      /** In short: the code of the error, or ids and statuses. */
      answer: Json,
      withOther: z.strictObject({ change: Json, answer: Json }),
    }),
  )
  .parse(JSON.parse(readWrittenBefore("calls.json")));
const { writtenAt } = readBack();

/** Nothing is looked for a second time while a test runs. */
const reconcileTimes = { lookAgainMs: 600_000, settledMs: 600_000, noteMs: 5 };
const placeOrder = 3;

let place: JournalFolder;
let simulator: Simulator;
let agent: ReturnType<typeof startAgent>;
let clock: number;
const now = () => (clock += 1);

beforeEach(async () => {
  clock = writtenAt;
  place = restoreJournal();
  simulator = await startSimulator({ port: 0, seed: 7 });
});
afterEach(async () => {
  await agent.close();
  await simulator.close();
  await place.close();
});

async function start(limits: Partial<Limits>): Promise<void> {
  agent = startAgent({
    port: simulator.port,
    journalFile: place.open(),
    limits: { ordersPerMinute: 10_000, ...limits },
    now,
    reconcileTimes,
  });
  await agent.session.whenConnected(20_000);
}

type Call = (typeof calls)[number];

const Frame = z.looseObject({ output: z.looseObject({}).optional(), error: z.looseObject({}).optional() });

/** Asks as the edge does, and answers in short, by the names on the wire. */
async function ask({ tool, grantId, madeKey, input }: Call): Promise<unknown> {
  if (!isToolName(tool)) throw new Error(`${tool} is no tool any more.`);
  const log = createLog({ level: "error", secrets: [], write: (line) => process.stderr.write(line), now });
  const caller: Caller = { ...trader, grantId };
  const sentAt = now();
  const id = "1";
  const timing = { sentAt, deadlineAt: sentAt + 60_000 };
  const key = madeKey === null ? {} : { idempotencyKey: madeKey };
  const answers: unknown[] = [];
  await createDispatch({ handlers: agent.handlers, log, now }).handle(
    { type: "call", id, tool, input, caller, ...timing, ...key },
    { send: (frame) => answers.push(frame), signal: new AbortController().signal },
  );
  const { output, error } = Frame.parse(answers.at(-1));
  return output === undefined ? { error: error?.["code"] } : shortOf(output);
}

function shortOf(output: Readonly<Record<string, unknown>>): unknown {
  const { orders, orderId, status, parentOrderId } = output;
  if (Array.isArray(orders)) {
    const rows = z.array(z.looseObject({ orderId: z.int(), status: z.string() })).parse(orders);
    return { orders: rows.map((row) => ({ orderId: row.orderId, status: row.status })) };
  }
  if (parentOrderId === undefined) return { orderId, status };
  const { takeProfitOrderId, stopLossOrderId, takeProfitStatus, stopLossStatus } = output;
  return {
    orderIds: [parentOrderId, takeProfitOrderId, stopLossOrderId],
    statuses: [status, takeProfitStatus, stopLossStatus],
  };
}

const placed = () => simulator.received().filter(({ id }) => id === placeOrder).length;

/** The call that was journalled under a key. */
function callOf(key: string): Call {
  const found = calls.find((call) => call.key === key);
  if (found === undefined) throw new Error(key);
  return found;
}

test("each is answered with the outcome of the first, and the same key with another order is refused", async () => {
  await start({ orderValue: 50_000, dayValue: 1_000_000 });
  for (const call of calls) {
    const other = { ...call, input: { ...call.input, ...call.withOther.change } };
    expect([call.key, "other", await ask(other)]).toEqual([call.key, "other", call.withOther.answer]);
    expect([call.key, await ask(call)]).toEqual([call.key, call.answer]);
  }
  expect(placed()).toBe(0);
});

describe("once new orders are let in again,", () => {
  const waiting = "to-be-approved";

  test("an order that was approved before is placed, and one that was declined or waits is not", async () => {
    await start({ orderValue: 50_000, dayValue: 1_000_000, approval: "always" });
    agent.orders.killSwitch.unfreeze("host");
    const before = readBack().approvals;
    expect(await ask(callOf("declined"))).toEqual({ error: "trading_refused" });
    expect(await ask(callOf("approved-unused"))).toMatchObject({ status: "Submitted" });
    const [pending] = agent.orders.approvals.pending();
    expect(pending?.approvalId).toBe(before.find(({ state }) => state === "pending")?.approvalId);
    agent.orders.approvals.decide(pending?.approvalId ?? "", pending?.digest ?? "", "approve", "page");
    expect(await ask(callOf(waiting))).toMatchObject({ status: "Submitted" });
    expect(placed()).toBe(2);
  });

  test("what a process had not sent when it died is placed by the same key, under the same reference", async () => {
    await start({});
    agent.orders.killSwitch.unfreeze("host");
    for (const key of ["received", "reserved"]) {
      expect(await ask(callOf(key))).toMatchObject({ status: "Submitted" });
    }
    const refs = simulator.world.ledger.openOrders().map(({ request }) => request.orderRef);
    const expected = readBack().intents.filter(({ state }) => state === "received" || state === "reserved");
    expect(refs.toSorted()).toEqual(expected.map(({ intentId }) => intentId).toSorted());
  });
});
