import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import { accountDownload, accountSummary, currentTime, positions } from "./account.ts";
import type { TwsSession } from "../session/api.ts";
import { startScriptedTws, welcome } from "../test-support/scripted-tws.fixture.ts";
import { dial, within } from "../test-support/session.fixture.ts";
import { createTurns } from "../session/serial-queue.ts";

let sim: Simulator;
let session: TwsSession;
beforeEach(async () => {
  sim = await startSimulator({ port: 0, accounts: ["DU1", "DU2"] });
  ({ session } = dial(sim.port));
  await session.whenConnected(2_000);
});
afterEach(async () => {
  await session.close();
  await sim.close();
});

const sent = (id: number): (readonly string[])[] =>
  sim
    .received()
    .filter((message) => message.id === id)
    .map(({ fields }) => fields);

test("gives many summaries at once although TWS allows two, and leaves none open", async () => {
  const tags = ["BuyingPower", "Cushion", "NetLiquidation", "SettledCash", "TotalCashValue"];
  const all = await Promise.all(tags.map((tag) => accountSummary(session, tag, within(5_000))));
  expect(all.map((rows) => rows.map(({ account, tag }) => `${account} ${tag}`).sort())).toEqual(
    tags.map((tag) => [`DU1 ${tag}`, `DU2 ${tag}`]),
  );
  await vi.waitFor(() => expect(sent(63)).toHaveLength(5));
});

test("downloads one account at a time, and each gets its own figures", async () => {
  const [first, second] = await Promise.all([
    accountDownload(session, "DU1", within(5_000)),
    accountDownload(session, "DU2", within(5_000)),
  ]);
  for (const [download, account] of [
    [first, "DU1"],
    [second, "DU2"],
  ] as const) {
    expect(download.values.find(({ key }) => key === "NetLiquidation")).toMatchObject({ account });
    expect(new Set(download.values.map((value) => value.account))).toEqual(new Set([account]));
  }
  await vi.waitFor(() => expect(sent(6).map((fields) => fields.slice(2))).toHaveLength(4));
  expect(sent(6).map((fields) => fields.slice(2))).toEqual([
    ["1", "DU1"],
    ["0", "DU1"],
    ["1", "DU2"],
    ["0", "DU2"],
  ]);
});

test("lists positions of every account, and stops the updates", async () => {
  sim.faults.listEnds({ lateMs: 50 });
  const first = positions(session, within(5_000));
  await vi.waitFor(() => expect(sent(61)).toHaveLength(1));
  const [rows, again] = await Promise.all([first, positions(session, within(5_000))]);
  expect(again).toEqual(rows);
  const held = sim.world.ledger.positions().filter(({ quantity }) => quantity !== 0);
  expect(rows.map(({ account, contract }) => `${account} ${contract.conId}`).sort()).toEqual(
    held.map(({ account, instrument }) => `${account} ${instrument.conId}`).sort(),
  );
  expect(held).not.toEqual([]);
  // the rows carry no id, so a second request waits for the end of the first
  await vi.waitFor(() => expect(sent(64)).toHaveLength(2));
  const order = sim.received().flatMap(({ id }) => (id === 61 || id === 64 ? [id] : []));
  expect(order).toEqual([61, 64, 61, 64]);
});

test("takes no figure of another account for its own", async () => {
  const tws = await startScriptedTws({
    onMessage: ([message], client) => {
      if (message === "71") welcome(client);
      if (message !== "6") return;
      client.send(6, 2, "NetLiquidation", "1", "USD", "DU9");
      client.send(54, 1, "DU9");
      client.send(6, 2, "NetLiquidation", "2", "USD", "DU1");
      client.send(54, 1, "DU1");
    },
  });
  const { session: other } = dial(tws.port);
  await other.whenConnected(2_000);
  const { values } = await accountDownload(other, "DU1", within(2_000));
  expect(values).toEqual([{ account: "DU1", key: "NetLiquidation", value: "2", currency: "USD" }]);
  await other.close();
  await tws.close();
});

test("tells the time of TWS", async () => {
  const seconds = await currentTime(session, within(2_000));
  expect(Math.abs(seconds - Date.now() / 1000)).toBeLessThan(5);
});

test("lets the next one go when one before it fails, and gives up a turn that does not come", async () => {
  const turns = createTurns();
  const blocker = Promise.withResolvers<string>();
  const first = turns("x", within(5_000), () => blocker.promise);
  const late = turns("x", within(20), () => Promise.resolve("never"));
  await expect(late).rejects.toMatchObject({ code: "timeout" });
  const third = turns("x", within(5_000), () => Promise.resolve("third"));
  blocker.reject(new Error("first failed"));
  await expect(first).rejects.toThrow("first failed");
  await expect(third).resolves.toBe("third");
});
