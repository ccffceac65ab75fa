import { afterEach, expect, test, vi } from "vitest";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator } from "../../simulator/server.ts";
import type { TwsSession } from "../session/api.ts";
import { resolveContract } from "../contracts/contracts.ts";
import { watchBroadTape, watchBulletins, watchTickNews } from "./news-streams.ts";
import type { Bulletin, Headline, NewsEvent } from "./news-streams.ts";
import { dial, statusWhere, within } from "../test-support/session.fixture.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const openAt = Date.parse("2026-11-20T15:30:00Z");

/** A world in which `speed` seconds pass in one of ours. */
async function simulated(speed = 20_000): Promise<{ readonly sim: Simulator; readonly session: TwsSession }> {
  const startedAt = Date.now();
  const sim = await startSimulator({ port: 0, now: () => openAt + (Date.now() - startedAt) * speed });
  cleanups.push(() => sim.close());
  const { session } = dial(sim.port);
  cleanups.push(() => session.close());
  await session.whenConnected(2_000);
  return { sim, session };
}

function record<Item>() {
  const events: NewsEvent<Item>[] = [];
  return {
    listener: (event: NewsEvent<Item>) => void events.push(event),
    items: () => events.flatMap((event) => (event.kind === "item" ? [event.item] : [])),
    states: () => events.flatMap((event) => (event.kind === "state" ? [event.state] : [])),
    errors: () => events.flatMap((event) => (event.kind === "state" ? [event.error?.code] : [])),
  };
}

const soon = (check: () => void) => vi.waitFor(check, { timeout: 8_000, interval: 10 });
const asked = (sim: Simulator, id: number) => sim.received().filter((message) => message.id === id);
const contractOf = (session: TwsSession, symbol: string) =>
  resolveContract(session, { symbol }, within(2_000));

test("headlines on an instrument come to all its watchers over one line, which the last one closes", async () => {
  const { sim, session } = await simulated();
  const contract = await contractOf(session, "AAPL");
  const [one, two, joined] = [record<Headline>(), record<Headline>(), record<Headline>()];
  const stops = [
    watchTickNews(session, contract, one.listener),
    watchTickNews(session, contract, two.listener),
    watchTickNews(session, "*", joined.listener),
  ];
  await soon(() => expect(one.items().length).toBeGreaterThan(1));
  expect(two.items()).toEqual(one.items());
  expect(joined.items()).toEqual(one.items());
  expect(one.items()[0]).toMatchObject({ source: "AAPL", time: expect.stringMatching(/^2026-1.*Z$/) });
  expect(asked(sim, 1)).toHaveLength(1);
  stops[0]?.();
  stops[2]?.();
  expect(asked(sim, 2)).toHaveLength(0);
  stops[1]?.();
  await soon(() => expect(asked(sim, 2)).toHaveLength(1));
});

test("headlines are asked for again after lost data and in a new session, and the gap is told", async () => {
  const { sim, session } = await simulated();
  const { listener, items, states } = record<Headline>();
  watchTickNews(session, await contractOf(session, "AAPL"), listener);
  await soon(() => expect(items().length).toBeGreaterThan(0));
  sim.faults.announce(1101);
  await soon(() => expect(states()).toEqual(["live", "gap", "live"]));
  sim.faults.dropConnections();
  await statusWhere(session, ({ tws }) => tws.connection === 2);
  await soon(() => expect(states()).toEqual(["live", "gap", "live", "stale", "gap", "live"]));
  const before = items().length;
  await soon(() => expect(items().length).toBeGreaterThan(before));
  const ids = asked(sim, 1).map(({ fields }) => fields[2]);
  expect(new Set(ids).size).toBe(3);
});

test("an outage of IBKR makes streams stale until it is over", async () => {
  const { sim, session } = await simulated();
  const { listener, states } = record<Headline>();
  watchTickNews(session, await contractOf(session, "AAPL"), listener);
  const bulletins = record<Bulletin>();
  watchBulletins(session, false, bulletins.listener);
  await soon(() => expect(states()).toEqual(["live"]));
  sim.faults.announce(1100);
  await soon(() => expect(states()).toEqual(["live", "stale"]));
  sim.faults.announce(1102);
  await soon(() => expect(states()).toEqual(["live", "stale", "gap", "live"]));
  expect(bulletins.states().slice(-3)).toEqual(["stale", "gap", "live"]);
});

test("without permission a stream ends with the reason, and can be asked for anew", async () => {
  const { sim, session } = await simulated();
  sim.faults.permissions({ news: false });
  const refused = record<Headline>();
  const contract = await contractOf(session, "AAPL");
  watchTickNews(session, contract, refused.listener);
  await soon(() => expect(refused.states().at(-1)).toBe("ended"));
  expect(refused.errors().at(-1)).toBe("no_market_data");
  sim.faults.permissions({});
  const again = record<Headline>();
  watchTickNews(session, contract, again.listener);
  await soon(() => expect(again.items().length).toBeGreaterThan(0));
});

test("a whole tape is one line for each provider", async () => {
  const { sim, session } = await simulated(5_000);
  const { listener, items } = record<Headline>();
  const joined = record<Headline>();
  watchTickNews(session, "*", joined.listener);
  const stop = watchBroadTape(session, ["BRFG", "DJNL", "BRFG"], listener);
  await soon(() => expect(new Set(items().map(({ source }) => source))).toEqual(new Set(["BRFG", "DJNL"])));
  expect(items().every(({ source, providerCode }) => source === providerCode)).toBe(true);
  expect(joined.items()).toEqual([]);
  expect(asked(sim, 1)).toHaveLength(2);
  stop();
  await soon(() => expect(asked(sim, 2)).toHaveLength(2));
});

test("bulletins come once each, those of today only to who wants them, in every session", async () => {
  const { sim, session } = await simulated(0);
  const [late, all, replayed] = [record<Bulletin>(), record<Bulletin>(), record<Bulletin>()];
  const stops = [watchBulletins(session, false, late.listener), watchBulletins(session, true, all.listener)];
  await soon(() => expect(all.items().length).toBeGreaterThan(1));
  stops.push(watchBulletins(session, true, replayed.listener));
  expect(replayed.items()).toEqual(all.items());
  sim.faults.dropConnections();
  await statusWhere(session, ({ tws }) => tws.connection === 2);
  await soon(() => expect(asked(sim, 12).map(({ fields }) => fields[2])).toEqual(["0", "1", "1"]));
  await soon(() => expect(all.states().slice(-3)).toEqual(["stale", "gap", "live"]));
  // TWS answers in turn, so the replay has come by then
  await contractOf(session, "AAPL");
  const ids = all.items().map(({ msgId }) => msgId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const stop of stops) stop();
  await soon(() => expect(asked(sim, 13)).toHaveLength(1));
});
