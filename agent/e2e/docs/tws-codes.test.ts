import { describe, expect, test, type TestContext, vi } from "vitest";
import { z } from "zod";
import { type ErrorBody, errorKinds } from "../../../shared/errors.ts";
import type { AgentFrame } from "../../../shared/protocol.ts";
import { startAgent, startHandlersFixture, type HandlersFixture } from "../../handlers/handlers.fixture.ts";
import { usualText } from "../../simulator/wire/tws-texts.ts";
import type { SimulatorOptions } from "../../simulator/server.ts";
import { meaningOf } from "../../tws/session/errors.ts";
import { twsCodes } from "../../tws/session/tws-codes.ts";
import { type Ask, errorOf, outputOf, plainAsk } from "../rigs/dispatch-client.ts";
import { calls, dataRows, notConnected, orderRows, systemRows } from "./tws-codes.ts";
import type { OrderOutcome, Outcome } from "./tws-codes.ts";

/** A TWS and an agent that know nothing yet, for one test. */
async function begin(
  { onTestFinished }: Pick<TestContext, "onTestFinished">,
  simulator: SimulatorOptions = {},
): Promise<{ readonly at: HandlersFixture; readonly ask: Ask }> {
  const at = await startHandlersFixture({ simulator: { seed: 7, ...simulator } });
  onTestFinished(() => at.close());
  return { at, ask: plainAsk(at.handlers) };
}

/** What a caller can tell of how a call failed. */
const seen = ({ code, retryable, retryAfterMs, tws }: ErrorBody) => ({
  error: code,
  afterMs: retryAfterMs ?? null,
  isRetryable: retryable,
  tws: tws?.code,
});

/** What a caller should see of a code that ends a call. */
const failure = (tws: number | undefined, outcome: Exclude<Outcome, "answered">) =>
  "ends" in outcome
    ? { error: outcome.ends, afterMs: null, isRetryable: errorKinds[outcome.ends].retryable, tws }
    : { error: outcome.again, afterMs: outcome.afterMs, isRetryable: true, tws };

const Quotes = z.object({
  quotes: z.tuple([z.object({ error: z.object({ code: z.string() }).nullable() })]),
});

const ascending = (a: number, b: number): number => a - b;

describe("every code of TWS's table", () => {
  test("has a row here, and no row is of a code that is gone", () => {
    const here = [...dataRows, ...orderRows, ...systemRows].map(([code]) => code);
    expect([...new Set([...here, notConnected])].toSorted(ascending)).toEqual(
      [...twsCodes.keys()].toSorted(ascending),
    );
  });

  test("that is told apart by its words has a row for each of its meanings", () => {
    for (const [code, listed] of twsCodes) {
      if (!("read" in listed)) continue;
      const texts = dataRows.flatMap(([own, , , text = usualText(own)]) => (own === code ? [text] : []));
      const met = texts.map((text) => listed.read.findIndex(([words]) => words.test(text)));
      expect([...new Set(met)].toSorted(ascending)).toEqual([-1, ...listed.read.keys()]);
    }
  });

  test("has words of TWS in the simulator", () => {
    expect([...twsCodes.keys()].filter((code) => usualText(code) === "")).toEqual([]);
  });
});

describe.concurrent("a call for data to which TWS says", () => {
  const saidRows = dataRows.map(
    ([code, kind, outcome, text = usualText(code)]) => [code, text, kind, outcome] as const,
  );
  test.for(saidRows)("%i %s (%s) comes to %j", async ([code, text, kind, outcome], context) => {
    const { at, ask } = await begin(context);
    at.simulator.faults.reply(kind, { does: outcome === "answered" ? "remark" : "refuse", code, text });
    const [tool, input] = calls[kind];
    const answer = await ask(tool, input);
    const end = answer.type === "error" ? seen(answer.error) : "answered";
    expect(end).toEqual(outcome === "answered" ? "answered" : failure(code, outcome));
    // the table says the same in its own words
    const meanings = outcome === "answered" ? ["advisory", "confirmation"] : ["fatal", "retry"];
    expect(meanings).toContain(meaningOf({ code, text }));
  });

  const quoteRows = dataRows.filter(([, kind]) => kind === "marketData");
  test.for(quoteRows)("%i (%s) has in the row of a quote %j", async ([code, kind, outcome], context) => {
    const { at, ask } = await begin(context);
    at.simulator.faults.reply(kind, { does: outcome === "answered" ? "remark" : "refuse", code });
    const { quotes } = Quotes.parse(outputOf(await ask("ibkr_get_quotes", { symbols: ["AAPL"] })));
    const [{ error }] = quotes;
    expect(error?.code ?? "answered").toBe(outcome === "answered" ? outcome : failure(code, outcome).error);
  });

  test("10089, 10090, 10091 or 10167, and then nothing, fails with that as the reason", async (context) => {
    const { at, ask } = await begin(context);
    const told: unknown[] = [];
    for (const code of [10_089, 10_090, 10_091, 10_167]) {
      at.simulator.faults.reply("marketDepth", { does: "refuse", code, times: 1 });
      told.push(ask("ibkr_get_market_depth", { symbol: "AAPL" }).then((answer) => errorOf(answer).tws?.code));
      await vi.waitFor(() =>
        expect(at.simulator.received().filter(({ id }) => id === 10)).toHaveLength(told.length),
      );
    }
    expect(await Promise.all(told)).toEqual([10_089, 10_090, 10_091, 10_167]);
  });

  test("10282 has the kinds of events asked for again with the next call", async (context) => {
    const { at, ask } = await begin(context);
    outputOf(await ask("ibkr_get_wsh_event_data", { conId: 265_598 }));
    at.simulator.faults.reply("events", { does: "refuse", code: 10_282, times: 1 });
    expect(errorOf(await ask("ibkr_get_wsh_event_data", { conId: 265_598 })).tws?.code).toBe(10_282);
    outputOf(await ask("ibkr_get_wsh_event_data", { conId: 265_598 }));
    expect(await at.received(100)).toHaveLength(2);
  });

  test("503 is what the client library says for a TWS that is too old", async (context) => {
    const { ask } = await begin(context, { serverVersion: 151 });
    expect(errorOf(await ask("ibkr_get_wsh_meta_data", {}))).toMatchObject({
      code: "tws_error",
      tws: { code: 503 },
      nextStep: "Update TWS or IB Gateway.",
    });
  });
});

const Placed = z.object({ orderId: z.int() });
const order = { symbol: "AAPL", action: "BUY", quantity: 1, orderType: "LMT", limitPrice: 1 };

/** What is told of an order that a call is answered with. */
const shown = ({ status, warnings }: Readonly<Record<string, unknown>>) => ({ status, warnings });

function expected(code: number, outcome: OrderOutcome, answer: AgentFrame): object {
  if (typeof outcome === "object") return failure(code, outcome);
  if (outcome === "Cancelled") return { status: outcome, warnings: [] };
  if (outcome === "Submitted")
    return { status: outcome, warnings: ["TWS has not confirmed the cancellation yet."] };
  const { orderId } = Placed.parse(outputOf(answer));
  return { status: "Submitted", warnings: [usualText(code, orderId)] };
}

describe.concurrent("an order about which TWS says", () => {
  test.for(orderRows)("%i (%s) comes to %j", async ([code, situation, outcome], context) => {
    const { at, ask } = await begin(context);
    const { faults } = at.simulator;
    const placed =
      situation === "place" ? null : Placed.parse(outputOf(await ask("ibkr_place_order", order)));
    faults.reply(situation === "cancel" ? "cancelOrder" : "placeOrder", {
      does: outcome === "warned" ? "remark" : "refuse",
      code,
    });
    const answer =
      placed === null
        ? await ask("ibkr_place_order", order)
        : await ask(situation === "cancel" ? "ibkr_cancel_order" : "ibkr_modify_order", {
            ...placed,
            ...(situation === "modify" && { limitPrice: 2 }),
          });
    expect(answer.type === "error" ? seen(answer.error) : shown(outputOf(answer))).toEqual(
      expected(code, outcome, answer),
    );
  });

  test("103 has TWS's next order id asked for, so that the next order has one that is free", async (context) => {
    const { at, ask } = await begin(context);
    at.simulator.faults.reply("placeOrder", { does: "refuse", code: 103, times: 1 });
    expect(errorOf(await ask("ibkr_place_order", order)).code).toBe("order_rejected");
    expect(await at.received(8)).toHaveLength(1);
    expect(outputOf(await ask("ibkr_place_order", order))).toMatchObject({ status: "Submitted" });
  });
});

describe.concurrent("a session to which TWS says", () => {
  const anew = systemRows.flatMap(([code, , outcome]) =>
    typeof outcome === "object" && "anew" in outcome ? [[code, outcome.anew] as const] : [],
  );
  test.for(anew)("%i ends with %s as the reason and begins again", async ([code, reason], context) => {
    const { at, ask } = await begin(context);
    at.simulator.faults.announce(code);
    await vi.waitFor(() => expect(at.session.status().tws.lastError).toMatch(reason));
    if (code === 326) return;
    await at.session.whenConnected(10_000);
    expect(at.session.connection).toBe(2);
    outputOf(await ask("ibkr_get_current_time", {}));
  });

  const farms = systemRows.flatMap(([code, , outcome]) =>
    typeof outcome === "object" && "farm" in outcome ? [[code, outcome.farm] as const] : [],
  );
  test.for(farms)("%i goes on and reports %s", async ([code, farm], context) => {
    const { at, ask } = await begin(context);
    at.simulator.faults.announce(code);
    // TWS speaks in turn, so what it has said before this answer has been heard
    outputOf(await ask("ibkr_get_current_time", {}));
    const told = at.session.status().farms.map(({ name, kind, state }) => `${name} ${kind} ${state}`);
    expect(told).toContain(farm);
    expect(at.session.connection).toBe(1);
  });

  const states = systemRows.flatMap(([code, situation, outcome]) =>
    typeof outcome === "string" ? [[code, situation, outcome] as const] : [],
  );
  test.for(states)("%i while IBKR is %s is %s", async ([code, situation, state], context) => {
    const { at, ask } = await begin(context);
    if (situation === "down") at.simulator.faults.announce(1100);
    at.simulator.faults.announce(code);
    outputOf(await ask("ibkr_get_current_time", {}));
    expect(at.session.status().tws.state).toBe(state);
    const answer = await ask("ibkr_place_order", order);
    expect(answer.type === "error" ? seen(answer.error) : "connected").toEqual(
      state === "connected" ? "connected" : failure(undefined, { ends: "tws_upstream_down" }),
    );
  });

  test("326 keeps out a second agent of the same client id, and the first goes on", async (context) => {
    const { at } = await begin(context);
    const late = startAgent({ port: at.simulator.port, clientId: 1 });
    try {
      await vi.waitFor(() => expect(late.session.status().tws.lastError).toContain("client id 1 is in use"));
      expect(at.session.status().tws).toMatchObject({ state: "connected", connection: 1 });
    } finally {
      await late.close();
    }
  });

  test("nothing any more lets a call fail at once", async (context) => {
    const { at, ask } = await begin(context);
    await at.simulator.faults.refuse(true);
    at.simulator.faults.dropConnections();
    await vi.waitFor(() => expect(at.session.status().tws.lastError).toContain("Nothing answers"));
    const startedAt = performance.now();
    const error = errorOf(await ask("ibkr_get_current_time", {}));
    expect(error).toMatchObject({ code: "tws_offline", retryable: true });
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });

  test("100 goes on", async (context) => {
    const { at, ask } = await begin(context, { maxMessagesPerSecond: 1 });
    outputOf(await ask("ibkr_get_current_time", {}));
    outputOf(await ask("ibkr_get_current_time", {}));
    expect(at.session.connection).toBe(1);
  });
});
