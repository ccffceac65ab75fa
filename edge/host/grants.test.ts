import { describe, expect, it } from "vitest";
import type { TopicValue } from "../../shared/events.ts";
import { type Caller, ownerOfLocalMode } from "../../shared/caller.ts";
import {
  active,
  callOf,
  connectAgent,
  connectedStatus,
  freshHost,
  type HostStub,
  openSocket,
  openWatcher,
  read,
  rpc,
  type ScriptedAgent,
} from "./host.fixture.ts";

const callerOf = (grantId: string, accounts: Caller["accounts"]): Caller => ({
  ...ownerOfLocalMode,
  grantId,
  accounts,
});
const alice = callerOf("alice", ["DU1"]);
const bob = callerOf("bob", ["DU2"]);
const nobody = callerOf("nobody", []);
/** Her grant covered the account once. */
const narrowed = callerOf("alice", ["DU2"]);
const strangers = [
  ["another grant", bob],
  ["a grant without accounts", nobody],
  ["the same grant, which does not cover the account any more", narrowed],
] as const;

const uris = ["ibkr://portfolio/DU1", "ibkr://orders/DU1"];
const accountOf = (account: string) => ({
  resource_id: account,
  orders_uri: `ibkr://orders/${account}`,
  account,
  mode: "paper",
});
const header = { mode: "paper", time: "2026-01-05T15:00:00.000Z" } as const;
const portfolio = (net: string): TopicValue => ({
  kind: "portfolio",
  data: {
    ...header,
    account: "DU1",
    values: [{ key: "NetLiquidation", value: net, currency: "USD" }],
    positions: [],
    positionsTotal: 0,
  },
});
const orders: TopicValue = {
  kind: "orders",
  data: { ...header, account: "DU1", orders: [], ordersTotal: 0 },
};

/** The portfolio of DU1 and its orders, started by Alice, with values. */
async function withPortfolio() {
  const host = freshHost();
  const agent = await connectAgent(host);
  const outcome = rpc(host).call(callOf("ibkr_start_portfolio_resource", { account: "DU1" }, alice));
  await agent.starts("portfolio/DU1", accountOf("DU1"));
  await outcome;
  await change(agent, "1000");
  return { host, agent };
}

async function change(agent: ScriptedAgent, net: string): Promise<void> {
  agent.emit("portfolio/DU1", portfolio(net));
  await agent.taken();
  agent.emit("orders/DU1", orders);
  await agent.taken();
}

const watchAll = (host: HostStub, caller: Caller) => {
  const query = [...uris, "ibkr://status"].map((uri) => `uri=${encodeURIComponent(uri)}`).join("&");
  return openSocket(host, `watch?${query}`, caller);
};

describe.each(strangers)("what an account has is hidden from %s", (_, stranger) => {
  it("when it reads and lists", async () => {
    const { host } = await withPortfolio();
    for (const uri of uris) {
      expect(await read(host, uri, stranger)).toMatchObject({ code: "not_started" });
      expect(await read(host, uri, alice)).toMatchObject({ account: "DU1" });
    }
    expect(await rpc(host).listResources(stranger)).toEqual([]);
    expect(await active(host, stranger)).toEqual([]);
    expect(await active(host, alice)).toHaveLength(2);
    const status = await rpc(host).call(callOf("ibkr_get_status", {}, stranger));
    expect(JSON.stringify(status)).not.toContain("DU1");
  });

  it("when it watches for updates", async () => {
    const { host, agent } = await withPortfolio();
    const [theirs, hers] = [await watchAll(host, stranger), await watchAll(host, alice)];
    await change(agent, "1001");
    expect([await hers.json(), await hers.json()]).toMatchObject(uris.map((uri) => ({ uri })));
    agent.send({ type: "status", status: { ...connectedStatus, farms: [] } });
    // the first thing that it hears
    expect(await theirs.json()).toMatchObject({ uri: "ibkr://status" });
  });

  it("when it opens a stream or starts one, though the agent would give it", async () => {
    const { host, agent } = await withPortfolio();
    const watcher = await openWatcher(host, "portfolio", stranger);
    for (const account of ["DU1", ""]) {
      watcher.send({ action: "subscribe", account });
      // what Alice asked is not remembered for anybody else
      await agent.starts("portfolio/DU1", accountOf("DU1"));
      expect(await watcher.json()).toMatchObject({ type: "error", code: "forbidden" });
      const started = rpc(host).call(callOf("ibkr_start_portfolio_resource", { account }, stranger));
      await agent.starts("portfolio/DU1", accountOf("DU1"));
      expect(await started).toMatchObject({ ok: false, error: { code: "forbidden" } });
    }
    await change(agent, "1001");
    watcher.send({ action: "list" });
    expect(await watcher.json()).toMatchObject({ type: "subscriptions", count: 0 });
  });

  it("and goes on though it stops it", async () => {
    const { host } = await withPortfolio();
    const stop = callOf("ibkr_stop_portfolio_resource", { account: "DU1" }, stranger);
    expect(await rpc(host).call(stop)).toMatchObject({ output: { status: "not_started" } });
    expect(await active(host, alice)).toHaveLength(2);
  });
});

it("two grants that start the same quote have each their own of it", async () => {
  const host = freshHost();
  const agent = await connectAgent(host);
  const start = (caller: Caller) =>
    rpc(host).call(callOf("ibkr_start_market_data_resource", { symbol: "AAPL" }, caller));
  for (const caller of [alice, bob]) {
    const outcome = start(caller);
    await agent.opens();
    expect(await outcome).toMatchObject({ output: { status: "started" } });
    await agent.expect("subscribe");
  }
  const stop = callOf("ibkr_stop_market_data_resource", { resource_id: "AAPL" }, alice);
  await rpc(host).call(stop);
  expect([await active(host, alice), await active(host, bob)]).toMatchObject([[], [{ resource_id: "AAPL" }]]);
});

it("a grant that may read cannot have the agent asked for more, though the Worker let it pass", async () => {
  const host = freshHost();
  const agent = await connectAgent(host);
  const reader: Caller = { ...ownerOfLocalMode, grantId: "reader", scopes: ["tws:read"] };
  for (const tool of ["ibkr_place_order", "ibkr_cancel_all_orders", "ibkr_disconnect"] as const) {
    expect(await rpc(host).call(callOf(tool, {}, reader))).toMatchObject({
      ok: false,
      error: { code: "forbidden", message: expect.stringContaining("tws:trade") },
    });
  }
  const asked = rpc(host).call(callOf("ibkr_get_current_time", {}, reader));
  expect(await agent.expect("call")).toMatchObject({ tool: "ibkr_get_current_time" });
  agent.socket.close(1000, "");
  await asked;
});
