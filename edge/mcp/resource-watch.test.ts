import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ownerOfLocalMode } from "../../shared/caller.ts";
import { hostOf } from "../config/bindings.ts";
import { type Inbox, openSocket, rpc } from "../host/host.fixture.ts";
import { watchLimits } from "../host/resources/update-notifier.ts";
import { answerOf, modern } from "./client.fixture.ts";
import { openWatch, type Watch } from "./resource-watch.ts";

const uri = "ibkr://status";
const host = () => hostOf(env);
const watches = () => runInDurableObject(host(), (_, state) => state.getWebSockets("watch").length);

/** Until so many watches are open at the host's object; each look lets the object work. */
async function untilWatches(count: number): Promise<void> {
  while ((await watches()) !== count);
}

let taken: Inbox[] = [];
let watch: Watch | null = null;

/** Takes every place that the grant has. */
async function takeAll(): Promise<void> {
  taken = [];
  for (let count = 0; count < watchLimits.socketsOfGrant; count += 1) {
    taken.push(await openSocket(host(), `watch?uri=${uri}`));
  }
}

beforeEach(takeAll);
afterEach(async () => {
  vi.useRealTimers();
  watch?.close();
  watch = null;
  await evictDurableObject(host(), { webSockets: "close" });
});

describe("a watch that the host refuses", () => {
  it("is an error to who begins to listen, with what to do", async () => {
    const response = await modern("subscriptions/listen", {
      notifications: { resourceSubscriptions: [uri] },
    });
    expect(await answerOf(response)).toMatchObject({
      jsonrpc: "2.0",
      id: 1,
      error: {
        code: -32_603,
        message: expect.stringContaining("End some of the streams"),
        data: { code: "too_large", nextStep: expect.any(String) },
      },
    });
    expect(await watches()).toBe(watchLimits.socketsOfGrant);
  });

  it("is tried again seldom, each time saying that something may have changed, until there is room", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const onUpdated = vi.fn();
    watch = openWatch({ env, caller: ownerOfLocalMode, onUpdated, onEnded: () => undefined });
    watch.follow([uri]);
    expect(await watch.refusal).toMatchObject({ code: "too_large" });
    expect(onUpdated).toHaveBeenCalledTimes(1);
    // more to follow is no reason to ask at once
    for (let count = 0; count < 20; count += 1) watch.follow([uri, "ibkr://news-bulletins"]);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    await vi.waitFor(() => expect(onUpdated).toHaveBeenCalledWith("ibkr://news-bulletins"));
    expect(onUpdated).toHaveBeenCalledTimes(3);
    for (let second = 0; second < 600; second += 5) {
      await vi.advanceTimersByTimeAsync(5_000);
      // an attempt is made and refused meanwhile
      await watches();
    }
    const attempts = (onUpdated.mock.calls.length - 1) / 2;
    expect(attempts).toBeGreaterThanOrEqual(5);
    expect(attempts).toBeLessThan(25);
    taken[0]?.socket.close(1000, "");
    await untilWatches(watchLimits.socketsOfGrant - 1);
    await vi.advanceTimersByTimeAsync(60_000);
    await untilWatches(watchLimits.socketsOfGrant);
  });
});

describe("a watch", () => {
  it("goes on to follow more where the grant has no further place", async () => {
    taken[0]?.socket.close(1000, "");
    await untilWatches(watchLimits.socketsOfGrant - 1);
    const onUpdated = vi.fn();
    watch = openWatch({ env, caller: ownerOfLocalMode, onUpdated, onEnded: () => undefined });
    watch.follow([uri]);
    expect(await watch.refusal).toBeNull();
    watch.follow([uri, "ibkr://news-bulletins"]);
    await vi.waitFor(() => expect(onUpdated).toHaveBeenCalledWith("ibkr://news-bulletins"));
    await untilWatches(watchLimits.socketsOfGrant);
  });
});

describe("a grant that ends", () => {
  it("ends its watch at once, and it does not come back", async () => {
    await evictDurableObject(host(), { webSockets: "close" });
    const onEnded = vi.fn();
    const caller = { ...ownerOfLocalMode, grantId: "ending", expiresAt: "2999-01-01T00:00:00.000Z" };
    watch = openWatch({ env, caller, onUpdated: () => undefined, onEnded });
    watch.follow([uri]);
    expect(await watch.refusal).toBeNull();
    await untilWatches(1);
    // a lost connection is made again, and only after that the grant is asked about
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await rpc(host()).dropGrant("ending");
    await vi.waitFor(() => expect(onEnded).toHaveBeenCalledTimes(1));
    expect(vi.getTimerCount()).toBe(0);
  });

  it("ends a watch that follows nothing, which takes no place of one that does", async () => {
    const onEnded = vi.fn();
    const caller = { ...ownerOfLocalMode, expiresAt: "2999-01-01T00:00:00.000Z" };
    // every place of the grant is taken
    watch = openWatch({ env, caller, onUpdated: () => undefined, onEnded });
    watch.follow([]);
    expect(await watch.refusal).toBeNull();
    await untilWatches(watchLimits.socketsOfGrant + 1);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await rpc(host()).dropGrant(caller.grantId);
    await vi.waitFor(() => expect(onEnded).toHaveBeenCalledTimes(1));
    expect(vi.getTimerCount()).toBe(0);
  });
});
