import { describe, expect, it } from "vitest";
import { freshHost, openWatcher } from "../host.fixture.ts";

describe("what a watcher says", () => {
  it.each([
    [{ action: "buy" }, "action must be one of subscribe, unsubscribe, list, ping, ack."],
    [
      { action: "subscribe", symbol: { a: 1 } },
      "symbol must be text. (AAPL, BRK.B, ES, EUR.USD or an ISIN.)",
    ],
    [{ action: "subscribe", conId: -1 }, "conId must be more than 0. (IBKR contract id; enough alone.)"],
    [
      { action: "subscribe", symbol: "SPY", right: "X", expiration: "2026-02-30" },
      "expiration: there is no such date. (yyyymmdd or yyyymm.) right must be one of C, P. (C call, P put.)",
    ],
    [{ action: "subscribe", symbol: "SPY", nonsense: 1 }, "The input has no nonsense."],
    [{ action: "unsubscribe", symbol: "SPY", depth: 5 }, "The input has no depth."],
    [{ action: "list", symbol: "SPY" }, "The input has no symbol."],
    [{ action: "ack", seq: 1, symbol: "SPY" }, "ack needs the seq of the last message that was taken."],
    [{ action: "subscribe", symbol: "S\u0000Y" }, "symbol has a control character."],
  ])("names what is wrong with %j and what may be", async (message, error) => {
    const watcher = await openWatcher(freshHost());
    watcher.send(message);
    expect(await watcher.json()).toMatchObject({ type: "error", code: "invalid_input", error });
  });
});
