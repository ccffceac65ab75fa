import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import { accountDownload } from "./account.ts";
import type { TwsSession } from "../session/api.ts";
import { watchPortfolio } from "./portfolio.ts";
import type { PortfolioEvent } from "./portfolio.ts";
import { createTestBook, spec } from "../test-support/order-book.fixture.ts";
import { dial, within } from "../test-support/session.fixture.ts";
import { silentLog } from "../../process/log.fixture.ts";

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

/** Subscriptions and their ends: "1 DU1", "0 DU1". */
const sent = (): string[] =>
  sim.received().flatMap(({ id, fields }) => (id === 6 ? fields.slice(2).join(" ") : []));

function follow(account: string) {
  const events: PortfolioEvent[] = [];
  const stop = watchPortfolio(session, account, (event) => void events.push(event));
  return {
    events,
    stop,
    pictures: () => events.flatMap((event) => (event.kind === "portfolio" ? event.data : [])),
    states: () => events.flatMap((event) => (event.kind === "state" ? event.state : [])),
  };
}

const shown = (followed: ReturnType<typeof follow>, count = 1) =>
  vi.waitFor(() => expect(followed.pictures().length).toBeGreaterThanOrEqual(count), 10_000);

test("shows the whole account at once, and again after a fill", async () => {
  const book = createTestBook(session, silentLog);
  const followed = follow("DU1");
  await shown(followed);
  const [first] = followed.pictures();
  expect(first).toMatchObject({ account: "DU1", mode: "paper", positionsTotal: first?.positions.length });
  expect(first?.values.map(({ key }) => key)).toContain("NetLiquidation");
  expect(first?.positions.length).toBeGreaterThan(0);
  const held = () =>
    followed
      .pictures()
      .at(-1)
      ?.positions.find(({ contract }) => contract.conId === 265598);
  const before = held()?.position ?? 0;
  await book.place({ ...spec, account: "DU1" }, new AbortController().signal);
  await vi.waitFor(() => expect(held()?.position).toBe(before + 10), 10_000);
  book.close();
  followed.stop();
});

test("makes way for the figures of another account, and goes on after that", async () => {
  const followed = follow("DU1");
  await shown(followed);
  const downloads = await Promise.all(
    ["DU2", "DU2", "DU1"].map((account) => accountDownload(session, account, within(5_000))),
  );
  expect(downloads.map(({ values }) => values[0]?.account)).toEqual(["DU2", "DU2", "DU1"]);
  await vi.waitFor(() => expect(sent().at(-1)).toBe("1 DU1"));
  expect(sent().slice(0, 4)).toEqual(["1 DU1", "0 DU1", "1 DU2", "0 DU2"]);
  expect(sent().filter((one) => one.startsWith("1")).length).toBe(
    sent().filter((one) => one.startsWith("0")).length + 1,
  );
  followed.stop();
});

test("makes way for figures that were asked for before it was shown", async () => {
  const followed = follow("DU1");
  const { values } = await accountDownload(session, "DU2", within(3_000));
  expect(values[0]?.account).toBe("DU2");
  await shown(followed);
  followed.stop();
});

test("shows several accounts in turn, each its own figures", async () => {
  const [first, second] = [follow("DU1"), follow("DU2")];
  await Promise.all([shown(first), shown(second)]);
  expect(first.pictures().every(({ account }) => account === "DU1")).toBe(true);
  expect(second.pictures().every(({ account }) => account === "DU2")).toBe(true);
  first.stop();
  second.stop();
});

test("shares one subscription among its watchers, shows the second what is known, and ends with the last", async () => {
  const first = follow("DU1");
  await shown(first);
  const second = follow("DU1");
  expect(second.pictures()).toEqual(first.pictures().slice(-1));
  first.stop();
  second.stop();
  await vi.waitFor(() => expect(sent()).toEqual(["1 DU1", "0 DU1"]));
});

test("is stale without a session, and whole again in the next one", async () => {
  const followed = follow("DU1");
  await shown(followed);
  sim.faults.dropConnections();
  await vi.waitFor(() => expect(followed.states()).toEqual(["stale", "gap", "live"]), 10_000);
  expect(sent().filter((one) => one === "1 DU1")).toHaveLength(2);
  followed.stop();
});

test("waits for a session that is not there yet", async () => {
  await sim.faults.refuse(true);
  sim.faults.dropConnections();
  await vi.waitFor(() => expect(session.status().tws.state).toBe("connecting"));
  const followed = follow("DU1");
  expect(followed.states()).toEqual(["stale"]);
  await sim.faults.refuse(false);
  await shown(followed);
  expect(followed.states().at(-1)).toBe("live");
  followed.stop();
});
