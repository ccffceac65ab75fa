import { BarSizeSetting, EventName } from "@stoqey/ib";
import { afterEach, expect, test, vi } from "vitest";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { RequestSpec, TwsSession } from "./api.ts";
import { firstRequestId } from "./request-table.ts";
import { refuse, startScriptedTws, welcome } from "../test-support/scripted-tws.fixture.ts";
import { dial, statusWhere, within } from "../test-support/session.fixture.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function simulated(): Promise<{ readonly sim: Simulator; readonly session: TwsSession }> {
  const sim = await startSimulator({ port: 0 });
  cleanups.push(() => sim.close());
  const { session } = dial(sim.port);
  cleanups.push(() => session.close());
  await session.whenConnected(2_000);
  return { sim, session };
}

/** A TWS that answers each message by what `answer` sends. */
async function scripted(
  answer: (fields: readonly string[], say: (id: string, code: number, text: string) => void) => void,
): Promise<TwsSession> {
  const tws = await startScriptedTws({
    onMessage: (fields, client) => {
      if (fields[0] === "71") welcome(client);
      else answer(fields, (id, code, text) => refuse(client, id, code, text));
    },
  });
  cleanups.push(() => tws.close());
  const { session } = dial(tws.port);
  cleanups.push(() => session.close());
  await session.whenConnected(2_000);
  return session;
}

const cancelHistory = "25";

/** A request for history that no answer ever resolves. */
const unanswered: RequestSpec<string> = {
  lane: "data",
  what: "historical data of AAPL",
  start: (ib, reqId) =>
    ib.reqHistoricalData(
      reqId,
      { conId: 265598, exchange: "SMART" },
      "",
      "1 D",
      BarSizeSetting.HOURS_ONE,
      "TRADES",
      true,
      2,
      false,
    ),
  cancel: (ib, reqId) => ib.cancelHistoricalData(reqId),
  on: {},
};

test("gives each request an id above all order ids, and never the same twice", async () => {
  const { sim, session } = await simulated();
  const idsOf = (): number[] =>
    sim
      .received()
      .filter(({ id }) => id === 9)
      .map(({ fields }) => Number(fields[2]));
  const ask = (): Promise<string> =>
    session.request<string>(
      {
        lane: "data",
        what: "details",
        start: (ib, reqId) => ib.reqContractDetails(reqId, { conId: 265598 }),
        on: { [EventName.contractDetailsEnd]: (control) => control.resolve(String(control.reqId)) },
      },
      within(2_000),
    );
  await Promise.all([ask(), ask()]);
  sim.faults.dropConnections();
  await statusWhere(session, ({ tws }) => tws.connection === 2);
  await ask();
  const ids = idsOf();
  expect(new Set(ids).size).toBe(3);
  expect(Math.min(...ids)).toBeGreaterThanOrEqual(firstRequestId);
});

test("delivers an answer to the request that asked, not to others at the same time", async () => {
  const { session } = await simulated();
  const ask = (conId: number): Promise<string> => {
    let symbols = "";
    return session.request<string>(
      {
        lane: "data",
        what: "details",
        start: (ib, reqId) => ib.reqContractDetails(reqId, { conId }),
        on: {
          [EventName.contractDetails]: (_control, _id, { contract }) => {
            symbols += contract.symbol ?? "?";
          },
          [EventName.contractDetailsEnd]: (control) => control.resolve(symbols),
        },
      },
      within(2_000),
    );
  };
  expect(await Promise.all([ask(265598), ask(272093), ask(8314)])).toEqual(["AAPL", "MSFT", "IBM"]);
});

test("fails a request that TWS does not answer in time, and cancels it at TWS", async () => {
  const cancelled: (string | undefined)[] = [];
  const session = await scripted((fields) => {
    if (fields[0] === cancelHistory) cancelled.push(fields[2]);
  });
  await expect(session.request(unanswered, within(50))).rejects.toMatchObject({
    code: "timeout",
    message: "TWS did not answer the request for historical data of AAPL within 0.05 s.",
  });
  await vi.waitFor(() => expect(cancelled).toHaveLength(1));
});

test("cancels at TWS what a caller no longer wants", async () => {
  const cancelled: (string | undefined)[] = [];
  const started = Promise.withResolvers<void>();
  const session = await scripted((fields) => {
    if (fields[0] === "20") started.resolve();
    if (fields[0] === cancelHistory) cancelled.push(fields[2]);
  });
  const caller = new AbortController();
  const asked = session.request(unanswered, within(60_000, caller.signal));
  await started.promise;
  caller.abort();
  await expect(asked).rejects.toMatchObject({ code: "cancelled" });
  await vi.waitFor(() => expect(cancelled).toHaveLength(1));
});

test("neither sends nor cancels what is aborted while it waits for its turn", async () => {
  const seen: string[] = [];
  const session = await scripted((fields) => seen.push(fields.join(" ")));
  const caller = new AbortController();
  const asked = Array.from({ length: 30 }, () => session.request(unanswered, within(60_000, caller.signal)));
  caller.abort();
  const ended = await Promise.allSettled(asked);
  expect(ended.every(({ status }) => status === "rejected")).toBe(true);
  await session.send("data", (ib) => ib.reqMarketRule(1));
  await vi.waitFor(() => expect(seen.some((line) => line.startsWith("91 "))).toBe(true));
  const asks = seen.filter((line) => line.startsWith("20 "));
  const cancels = seen.filter((line) => line.startsWith("25 "));
  expect(asks.length).toBeLessThan(10);
  expect(cancels).toHaveLength(asks.length);
});

test("fails every running request at once when the connection ends", async () => {
  const { sim, session } = await simulated();
  const asked = [1, 2, 3].map(() => session.request(unanswered, within(60_000)));
  sim.faults.dropConnections();
  const ended = await Promise.allSettled(asked);
  expect(ended).toMatchObject([1, 2, 3].map(() => ({ status: "rejected", reason: { code: "tws_offline" } })));
});

test("ends a request by TWS's refusal, and lets a remark pass", async () => {
  const session = await scripted((fields, say) => {
    const id = fields[1] ?? "";
    if (fields[0] !== "20") return;
    say(id, 2176, "Warning: fractional shares are rounded");
    say(id, 162, "Historical Market Data Service error message:HMDS query returned no data");
  });
  await expect(session.request(unanswered, within(60_000))).rejects.toMatchObject({
    code: "no_data",
    detail: { tws: { code: 162 } },
  });
});

test("lets a request decide for itself what a notice means to it", async () => {
  const session = await scripted((fields, say) => {
    if (fields[0] === "20") say(fields[1] ?? "", 321, "whatever");
  });
  const asked = session.request(
    {
      ...unanswered,
      notice: ({ code }, control) => {
        control.resolve(`took ${code}`);
        return true;
      },
    },
    within(60_000),
  );
  await expect(asked).resolves.toBe("took 321");
});

test("fails a request whose answer cannot be read, and no other", async () => {
  const { session } = await simulated();
  const unreadable: RequestSpec<number> = {
    lane: "account",
    what: "the time of TWS",
    start: (ib) => ib.reqCurrentTime(),
    on: {
      [EventName.currentTime]: () => {
        throw new RangeError("Invalid time value");
      },
    },
  };
  const readable: RequestSpec<number> = {
    ...unreadable,
    on: { [EventName.currentTime]: (control, seconds) => control.resolve(seconds) },
  };

  const [first, second] = await Promise.allSettled([
    session.request(unreadable, within(1_000)),
    session.request(readable, within(1_000)),
  ]);

  expect(first).toMatchObject({ status: "rejected", reason: { code: "tws_error" } });
  expect(second).toMatchObject({ status: "fulfilled", value: expect.any(Number) });
});

test("ends the oldest request without an id by an error without one, and none that has an id", async () => {
  const session = await scripted((fields, say) => {
    if (fields[0] === "91") say("-1", 321, "Error validating request.-'bN' : cause - Invalid market rule");
  });
  const rule = (id: number): RequestSpec<void> => ({
    lane: "data",
    what: `market rule ${id}`,
    start: (ib) => ib.reqMarketRule(id),
    on: { [EventName.marketRule]: (control) => control.resolve() },
  });
  const identified: RequestSpec<number> = {
    lane: "data",
    what: "a date",
    start: () => {},
    on: { [EventName.headTimestamp]: (control) => control.resolve(1) },
  };
  const withId = session.request(identified, within(2_000)).catch((error: unknown) => error);

  await expect(session.request(rule(1), within(1_500))).rejects.toMatchObject({
    code: "tws_error",
    message: expect.stringContaining("market rule 1"),
  });
  expect(await withId).toMatchObject({ code: "timeout" });
});

test("passes on the notices that belong to no request", async () => {
  const session = await scripted((fields, say) => {
    if (fields[0] === "91") say("55", 201, "Order rejected - reason:no");
  });
  const codes: string[] = [];
  session.onNotice(({ id, code }) => codes.push(`${id}: ${code}`));
  await session.send("data", (ib) => ib.reqMarketRule(1));
  await vi.waitFor(() => expect(codes).toEqual(["55: 201"]));
});

test("blames the outage when a request runs out of time during one", async () => {
  const { sim, session } = await simulated();
  sim.faults.announce(1100);
  await statusWhere(session, ({ tws }) => tws.state === "upstream_down");
  sim.faults.mute(true);
  await expect(session.request(unanswered, within(50))).rejects.toMatchObject({
    code: "tws_upstream_down",
  });
});
