import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { Order } from "../../../shared/order.ts";
import { ownerOfLocalMode } from "../../../shared/caller.ts";
import {
  apple,
  callOf,
  connectAgent,
  freshHost,
  instrument,
  openSocket,
  read,
  rpc,
} from "../host.fixture.ts";

const account = { resource_id: "DU1", orders_uri: "ibkr://orders/DU1", account: "DU1", mode: "paper" };
const startPortfolio = callOf("ibkr_start_portfolio_resource", { account: "" });
const active = callOf("ibkr_list_active_resource_streams");
const picture = {
  account: "DU1",
  mode: "paper",
  time: "2026-01-05T15:00:00.000Z",
} as const;

async function withPortfolio() {
  const host = freshHost();
  const agent = await connectAgent(host);
  const outcome = rpc(host).call(startPortfolio);
  await agent.starts("portfolio/DU1", account);
  expect(await outcome).toMatchObject({
    output: { status: "started", resource_uri: "ibkr://portfolio/DU1", orders_uri: "ibkr://orders/DU1" },
  });
  expect([await agent.expect("subscribe"), await agent.expect("subscribe")]).toMatchObject([
    { topic: "portfolio/DU1" },
    { topic: "orders/DU1" },
  ]);
  return { host, agent };
}

describe("a started portfolio", () => {
  it("is read with the orders of its account, listed, and stopped with them", async () => {
    const { host, agent } = await withPortfolio();
    const values = [
      { key: "NetLiquidation", value: "1000", currency: "USD" },
      { key: "NetLiquidation-S", value: "1000", currency: "USD" },
    ];
    const data = { ...picture, values, positions: [], positionsTotal: 0 };
    agent.emit("portfolio/DU1", { kind: "portfolio", data });
    await agent.taken();
    agent.emit("orders/DU1", { kind: "orders", data: { ...picture, orders: [], ordersTotal: 0 } });
    await agent.taken();
    expect(await read(host, "ibkr://portfolio/du1")).toMatchObject({
      account: "DU1",
      mode: "paper",
      values: [{ key: "NetLiquidation" }],
      valuesTotal: 2,
      state: "live",
      asOf: picture.time,
    });
    expect(await read(host, "ibkr://orders/DU1")).toMatchObject({
      account: "DU1",
      orders: [],
      ordersTotal: 0,
    });
    const uris = (await rpc(host).listResources(ownerOfLocalMode)).map(({ uri }) => uri);
    expect(uris).toEqual(["ibkr://portfolio/DU1", "ibkr://orders/DU1"]);
    const stopped = await rpc(host).call(callOf("ibkr_stop_portfolio_resource", { account: "" }));
    expect(stopped).toEqual({ ok: true, output: { status: "stopped", account: "DU1" } });
    expect([await agent.expect("unsubscribe"), await agent.expect("unsubscribe")]).toMatchObject([
      { topic: "portfolio/DU1" },
      { topic: "orders/DU1" },
    ]);
    expect(await rpc(host).call(active)).toMatchObject({ output: { count: 0 } });
  });

  it("is told of to who watches its URIs, and comes back after an eviction", async () => {
    const { host, agent } = await withPortfolio();
    const uri = "ibkr://orders/DU1";
    const watch = await openSocket(host, `watch?uri=${encodeURIComponent(uri)}`);
    await evictDurableObject(host);
    agent.emit("orders/DU1", { kind: "orders", data: { ...picture, orders: [], ordersTotal: 0 } });
    expect(await watch.json()).toEqual({ type: "updated", uri });
    expect(await rpc(host).call(active)).toMatchObject({ output: { count: 2 } });
  });

  it("is never shown to a caller whose grant does not cover the account, nor started for one", async () => {
    const { host, agent } = await withPortfolio();
    const narrowed = { ...ownerOfLocalMode, accounts: ["DU2"] };
    expect(await read(host, "ibkr://portfolio/DU1", narrowed)).toMatchObject({ code: "not_started" });
    expect(await read(host, "ibkr://orders/DU1", narrowed)).toMatchObject({ code: "not_started" });
    expect(await rpc(host).listResources(narrowed)).toEqual([]);
    const outcome = rpc(host).call({ ...startPortfolio, callId: "other", caller: narrowed });
    await agent.starts("portfolio/DU1", account);
    expect(await outcome).toMatchObject({ ok: false, error: { code: "forbidden" } });
  });

  it("is cut where it is too long for a model to read", async () => {
    const { host, agent } = await withPortfolio();
    const order: Order = {
      orderId: 1,
      permId: null,
      clientId: 1,
      account: "DU1",
      mode: "paper",
      contract: apple,
      action: "BUY",
      quantity: 1,
      orderType: "LMT",
      limitPrice: 1,
      auxPrice: null,
      trailStopPrice: null,
      limitOffset: null,
      tif: "DAY",
      goodTillDate: null,
      outsideRth: false,
      orderRef: null,
      parentId: null,
      ocaGroup: null,
      status: "Submitted",
      filled: 0,
      remaining: 1,
      avgFillPrice: null,
      whyHeld: null,
      warnings: [],
    };
    const orders = Array.from({ length: 100 }, (_, index) => ({ ...order, orderId: index + 1 }));
    agent.emit("orders/DU1", { kind: "orders", data: { ...picture, orders, ordersTotal: 100 } });
    await agent.taken();
    const outcome = await rpc(host).readResource("ibkr://orders/DU1", ownerOfLocalMode);
    if (!outcome.ok) throw new Error(outcome.error.message);
    expect(outcome.text.length).toBeLessThan(20_000);
    expect(outcome.text.length).toBeGreaterThan(15_000);
    expect(JSON.parse(outcome.text)).toMatchObject({ truncated: true, ordersTotal: 100 });
    expect(outcome.text).toContain('"orderId":100,');
    expect(outcome.text).not.toContain('"orderId":1,');
  });
});

describe("started news", () => {
  it("are read by their URIs and stopped by their tools", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const starting = [
      rpc(host).call(callOf("ibkr_start_news_resource", { allMessages: false })),
      rpc(host).call(callOf("ibkr_start_tick_news_resource", { symbol: "AAPL" })),
      rpc(host).call(callOf("ibkr_start_tick_news_resource", { symbol: "*" })),
      rpc(host).call(callOf("ibkr_start_broadtape_news_resource")),
    ];
    const calls = [];
    for (const _ of starting) calls.push(await agent.expect("call"));
    const answers = [
      { topic: "bulletins/new", resource_id: "news-bulletins" },
      { topic: "tick-news/265598", resource_id: "AAPL", contract: apple },
      { topic: "tick-news/*", resource_id: "*" },
      { topic: "broadtape", resource_id: "broadtape-news", providers: ["BRFG"] },
    ];
    for (const [index, { id }] of calls.entries()) {
      agent.send({ type: "result", id, output: { status: "started", resource_uri: "", ...answers[index] } });
    }
    const uris = [
      "ibkr://news-bulletins",
      "ibkr://tick-news/AAPL",
      "ibkr://tick-news/*",
      "ibkr://broadtape-news",
    ];
    expect((await Promise.all(starting)).map((one) => one.ok && one.output["resource_uri"])).toEqual(uris);
    agent.emit("tick-news/*", { kind: "news", data: { items: [] } });
    await agent.taken();
    expect(await read(host, "ibkr://tick-news/*")).toMatchObject({ items: [], count: 0, state: "live" });
    for (const [tool, input] of [
      ["ibkr_stop_news_resource", {}],
      ["ibkr_stop_tick_news_resource", { symbol: "aapl" }],
      ["ibkr_stop_tick_news_resource", { symbol: "*" }],
      ["ibkr_stop_broadtape_news_resource", {}],
    ] as const) {
      expect(await rpc(host).call(callOf(tool, input))).toMatchObject({ output: { status: "stopped" } });
      expect(await rpc(host).call(callOf(tool, input))).toMatchObject({ output: { status: "not_started" } });
    }
  });

  it("are joined under * when instruments have been started one by one, and only then", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const joined = "ibkr://tick-news/*";
    expect(await read(host, joined)).toMatchObject({ code: "not_started" });
    expect(await rpc(host).missingResource([joined], ownerOfLocalMode)).toMatchObject({ uri: joined });
    for (const [symbol, conId] of [
      ["AAPL", 265_598],
      ["MSFT", 272_093],
    ] as const) {
      const started = rpc(host).call(callOf("ibkr_start_tick_news_resource", { symbol }));
      await agent.starts(`tick-news/${conId}`, { resource_id: symbol, contract: instrument(symbol, conId) });
      await started;
      await agent.expect("subscribe");
    }
    const headline = (source: string, time: string) =>
      ({
        kind: "headline",
        time,
        providerCode: "BRFG",
        articleId: `BRFG$${source}`,
        headline: source,
        source,
      }) as const;
    const items = {
      late: headline("AAPL", "2026-01-05T15:00:01.000Z"),
      early: headline("MSFT", "2026-01-05T15:00:00.000Z"),
    };
    agent.emit("tick-news/265598", { kind: "news", data: { items: [items.late] } });
    agent.emit("tick-news/272093", { kind: "news", data: { items: [items.early] } });
    await agent.taken();
    expect(await read(host, joined)).toMatchObject({
      resource_id: "*",
      items: [items.early, items.late],
      count: 2,
      state: "live",
    });
    expect(await rpc(host).missingResource([joined, "ibkr://status"], ownerOfLocalMode)).toBeNull();
    const watching = await openSocket(host, `watch?id=1&uri=${encodeURIComponent(joined)}`);
    agent.emit("tick-news/265598", { kind: "news", data: { items: [items.late] } });
    expect(await watching.json()).toEqual({ type: "updated", uri: joined });
  });

  it("are of one kind at a time where there is one URI for them", async () => {
    const host = freshHost();
    const agent = await connectAgent(host);
    const start = async (topic: string) => {
      const allMessages = topic === "bulletins";
      const outcome = rpc(host).call(callOf("ibkr_start_news_resource", { allMessages }));
      await agent.starts(topic, { resource_id: "news-bulletins" });
      expect(await outcome).toMatchObject({ output: { status: "started" } });
    };
    await start("bulletins/new");
    expect(await agent.expect("subscribe")).toMatchObject({ topic: "bulletins/new" });
    await start("bulletins");
    expect(await agent.expect("unsubscribe")).toMatchObject({ topic: "bulletins/new" });
    expect(await agent.expect("subscribe")).toMatchObject({ topic: "bulletins" });
    expect(await rpc(host).call(active)).toMatchObject({
      output: { count: 1, streams: [{ topic: "bulletins" }] },
    });
  });
});

it.each([
  ["ibkr://market-data/AAPL", "ibkr_start_market_data_resource"],
  ["ibkr://portfolio/DU1", "ibkr_start_portfolio_resource"],
  ["ibkr://orders/DU1", "ibkr_start_portfolio_resource"],
  ["ibkr://news-bulletins", "ibkr_start_news_resource"],
  ["ibkr://tick-news/*", "ibkr_start_tick_news_resource"],
  ["ibkr://broadtape-news", "ibkr_start_broadtape_news_resource"],
])("reading %s before it is started says to call %s", async (uri, tool) => {
  expect(await read(freshHost(), uri)).toMatchObject({
    code: "not_started",
    nextStep: expect.stringContaining(tool),
  });
});

it.each(["ibkr://portfolio", "ibkr://news-bulletins/x", "ibkr://orders/", "ibkr://gossip/x"])(
  "%s is no resource",
  async (uri) => {
    expect(await read(freshHost(), uri)).toMatchObject({ code: "unknown_resource" });
  },
);

it("keeps the quote streams that an older release had started", async () => {
  const host = freshHost();
  await rpc(host).listResources(ownerOfLocalMode);
  await runInDurableObject(host, (_, { storage: { sql } }) => {
    sql.exec("DROP TABLE started; DROP TABLE audit; DROP TABLE trail");
    sql.exec(
      `CREATE TABLE started (grant_id TEXT NOT NULL, resource_id TEXT NOT NULL COLLATE NOCASE, topic TEXT NOT NULL,
         contract TEXT NOT NULL, started_at TEXT NOT NULL, PRIMARY KEY (grant_id, resource_id))`,
    );
    sql.exec(
      "INSERT INTO started VALUES ('local', 'AAPL', 'quote/265598', ?, '2026-01-05T15:00:00.000Z')",
      JSON.stringify(apple),
    );
    sql.exec("UPDATE fact SET value = '1' WHERE key = 'schema'");
  });
  await evictDurableObject(host);
  expect((await rpc(host).listResources(ownerOfLocalMode)).map(({ uri }) => uri)).toEqual([
    "ibkr://market-data/AAPL",
  ]);
});
