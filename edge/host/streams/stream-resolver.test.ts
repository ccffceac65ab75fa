import { expect, it } from "vitest";
import { ownerOfLocalMode } from "../../../shared/caller.ts";
import { apple, connectAgent, freshHost, openWatcher } from "../host.fixture.ts";

it("a look-up is asked of the agent once where many ask for the same at once, and once for each grant", async () => {
  const host = freshHost();
  const agent = await connectAgent(host);
  const watchers = await Promise.all(Array.from({ length: 20 }, () => openWatcher(host)));
  const other = await openWatcher(host, "market-data", { ...ownerOfLocalMode, grantId: "other" });
  for (const watcher of [...watchers, other]) watcher.send({ action: "subscribe", symbol: "AAPL" });
  const calls = [await agent.expect("call"), await agent.expect("call")];
  expect(new Set(calls.map(({ caller }) => caller.grantId))).toEqual(new Set(["local", "other"]));
  const output = {
    status: "started",
    resource_uri: "",
    resource_id: "AAPL",
    topic: "quote/265598",
    contract: apple,
  };
  for (const { id } of calls) agent.send({ type: "result", id, output });
  for (const watcher of [...watchers, other]) {
    expect(await watcher.json()).toMatchObject({ type: "subscribed", symbol: "AAPL" });
  }
  expect(await agent.expect("subscribe")).toMatchObject({ topic: "quote/265598" });
});
