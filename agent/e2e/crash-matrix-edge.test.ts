import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { TwsError } from "../../shared/errors.ts";
import { ErrorBody } from "../../shared/errors.ts";
import { eventually, plainCaller } from "./clients/clients.ts";
import { createTable, type Fault, playCells, quickReconcile } from "./chaos/crash-matrix.ts";
import { operations, type Rig } from "./chaos/crash-operations.ts";
import { startSystem, type System } from "./rigs/system.ts";

/** The client, the edge and the relay go while an order is on its way through all of it. */

const table = createTable(
  "client, edge, relay",
  operations.map(({ name }) => name),
);
let system: System;
let rig: Rig;
/** Ends the calls of now, as a client does that leaves. */
let leaving = new AbortController();

beforeAll(async () => {
  system = await startSystem({
    times: {
      linkTimes: { firstWaitMs: 50, longestWaitMs: 100 },
      sessionTimes: { retryFirstMs: 20, retryCapMs: 50 },
      reconcileTimes: quickReconcile,
    },
  });
  rig = { ask, simulator: system.simulator, grantId: await grantOfCaller() };
});
afterAll(async () => {
  console.log(table.text());
  await system.close();
});

const Failed = z.object({ error: ErrorBody });

const ask: Rig["ask"] = async (tool, input) => {
  try {
    const { signal } = leaving;
    const output = await plainCaller(system.mcpUrl, signal)(tool, { ...input });
    const failed = Failed.safeParse(output).data;
    return failed === undefined ? { type: "result", id: "1", output } : { type: "error", id: "1", ...failed };
  } catch (cause) {
    // nobody answers, or the client has left
    return { type: "error", id: "1", error: new TwsError("agent_offline", String(cause)).toBody() };
  }
};

/** What the edge calls whoever is on this computer. */
async function grantOfCaller(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const Call = z.object({ type: z.literal("call"), caller: z.object({ grantId: z.string() }) });
  system.link.tap((text) => {
    const call = Call.safeParse(asJson(text)).data;
    if (call !== undefined) resolve(call.caller.grantId);
  });
  await plainCaller(system.mcpUrl)("ibkr_get_current_time");
  system.link.tap(null);
  return promise;
}

/** Pings are no frames. */
function asJson(text: string): unknown {
  return text.startsWith("{") ? JSON.parse(text) : null;
}

type Moment = "call on its way" | "order at TWS" | "answer on its way";

/** Does something at a moment of the next call, once. */
function at(moment: Moment, happens: () => unknown): Fault {
  return async (act) => {
    let happened: unknown = null;
    const happen = () => {
      off();
      happened ??= happens() ?? true;
    };
    const off = listen(moment, happen);
    await act();
    await happened;
    expect(happened).not.toBeNull();
    leaving = new AbortController();
    await eventually(
      () => ask("ibkr_get_current_time", {}),
      ({ type }) => type === "result",
    );
  };
}

function listen(moment: Moment, happen: () => void): () => void {
  const { link, simulator } = system;
  const onFrame = (types: readonly string[]) => {
    link.tap((text) => {
      if (types.some((type) => text.startsWith(`{"type":"${type}"`))) happen();
    });
    return () => link.tap(null);
  };
  switch (moment) {
    case "call on its way":
      return onFrame(["call"]);
    case "answer on its way":
      return onFrame(["result", "error"]);
    case "order at TWS":
      return simulator.world.ledger.listen(happen);
    default:
      return moment satisfies never;
  }
}

const restartEdge = async () => {
  await system.edge.stop();
  await system.edge.start();
};
const restartAgent = () => {
  system.agent.kill();
  system.agent.start();
};

const faults: ReadonlyMap<string, Fault> = new Map([
  ["client leaves, call on its way", at("call on its way", () => leaving.abort())],
  ["client leaves, order at TWS", at("order at TWS", () => leaving.abort())],
  ["relay cut, call on its way", at("call on its way", () => system.link.cut())],
  ["relay cut, order at TWS", at("order at TWS", () => system.link.cut())],
  ["relay cut, answer on its way", at("answer on its way", () => system.link.cut())],
  ["edge gone, order at TWS", at("order at TWS", restartEdge)],
  ["edge gone, answer on its way", at("answer on its way", restartEdge)],
  ["agent killed, order at TWS", at("order at TWS", restartAgent)],
  ["agent killed, answer on its way", at("answer on its way", restartAgent)],
]);

test.for(operations)("$name: once, or not at all", { timeout: 90_000 }, async (operation) => {
  const key = operation.name.replaceAll(" ", "-");
  expect(await playCells(rig, operation, faults, table, key)).toEqual([]);
});
