import { EventName } from "@stoqey/ib";
import { afterEach, expect, test, vi } from "vitest";
import { startSimulator } from "../../simulator/server.ts";
import type { Simulator, SimulatorOptions } from "../../simulator/server.ts";
import type { TwsSession } from "./api.ts";
import { startScriptedTws, welcome } from "../test-support/scripted-tws.fixture.ts";
import { dial, statusWhere, within } from "../test-support/session.fixture.ts";
import type { SessionTimes } from "./session.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function simulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const sim = await startSimulator({ port: 0, ...options });
  cleanups.push(() => sim.close());
  return sim;
}

function started(port: number, times: Partial<SessionTimes> = {}, clientId = 7): TwsSession {
  const { session } = dial(port, times, clientId);
  cleanups.push(() => session.close());
  return session;
}

const connectedAs =
  (connection: number) =>
  ({ tws }: ReturnType<TwsSession["status"]>): boolean =>
    tws.state === "connected" && tws.connection === connection;

test("connects, and knows the accounts, the mode and the farms", async () => {
  const sim = await simulator({ accounts: ["DU1", "DU2"] });
  const session = started(sim.port);
  const ids: number[] = [];
  session.onConnected((nextValidId) => ids.push(nextValidId));
  await session.whenConnected(2_000);
  expect(session.accounts()).toEqual(["DU1", "DU2"]);
  expect(session.status().tws).toMatchObject({ mode: "paper", connection: 1, serverVersion: 193 });
  expect(ids).toEqual([sim.world.ledger.nextValidId(7)]);
  const { farms } = await statusWhere(session, (status) => status.farms.length === 3);
  expect(farms.map(({ kind, state }) => `${kind}: ${state}`)).toEqual([
    "market data: ok",
    "historical data: ok",
    "security definitions: ok",
  ]);
});

test("asks for the best market data that the account has before anything else", async () => {
  const sim = await simulator();
  const session = started(sim.port);
  await session.whenConnected(2_000);
  await session.send("cancel", (ib) => ib.reqCurrentTime());
  await vi.waitFor(() => expect(sim.received().map(({ id }) => id)).toEqual([71, 59, 49]));
  expect(sim.received()[1]?.fields).toEqual(["59", "1", "4"]);
});

test("keeps its connection where TWS bears fewer messages a second than the agent sends", async () => {
  const sim = await simulator({ maxMessagesPerSecond: 26 });
  const session = started(sim.port);
  await session.whenConnected(2_000);
  await Promise.all(Array.from({ length: 100 }, () => session.send("data", (ib) => ib.reqCurrentTime())));
  expect(session.status().tws).toMatchObject({ state: "connected", connection: 1 });
});

test("reconnects by itself with a new connection number after TWS dropped it", async () => {
  const sim = await simulator();
  const session = started(sim.port);
  await session.whenConnected(2_000);
  const ended: string[] = [];
  session.onDisconnected(() => ended.push(session.status().tws.lastError));
  sim.faults.dropConnections();
  await statusWhere(session, connectedAs(2));
  expect(ended).toEqual(["TWS closed the connection."]);
});

test("reconnects when TWS closes the connection in good order", async () => {
  const tws = await startScriptedTws({
    onMessage: (fields, client) => {
      if (fields[0] === "71") welcome(client);
      if (fields[0] === "91") client.end();
    },
  });
  cleanups.push(() => tws.close());
  const session = started(tws.port);
  await session.whenConnected(2_000);
  await session.send("data", (ib) => ib.reqMarketRule(1));
  const { tws: now } = await statusWhere(session, connectedAs(2));
  expect(now.lastError).toBe("TWS closed the connection.");
});

test("keeps dialling while nothing listens, and says what to do", async () => {
  const sim = await simulator();
  await sim.faults.refuse(true);
  const session = started(sim.port);
  const { tws } = await statusWhere(session, (status) => status.tws.lastError !== "");
  expect(tws.lastError).toContain("Start TWS or IB Gateway");
  await expect(session.whenConnected(50)).rejects.toMatchObject({ code: "tws_offline" });
  await sim.faults.refuse(false);
  await session.whenConnected(2_000);
});

test("warns of a lost session and of a new reason, and not again of each attempt", async () => {
  const sim = await simulator();
  const { session, logged } = dial(sim.port);
  cleanups.push(() => session.close());
  const endings = () => logged.filter(({ event }) => event === "tws.disconnected").map(({ level }) => level);
  await session.whenConnected(2_000);
  await sim.faults.refuse(true);
  sim.faults.dropConnections();
  await vi.waitFor(() => expect(endings().slice(0, 4)).toEqual(["warn", "warn", "info", "info"]));
  await sim.faults.refuse(false);
  await session.whenConnected(2_000);
  const before = endings().length;
  await session.close();
  expect(endings().slice(before)).toEqual(["info"]);
});

test("warns when TWS loses IBKR or the data of before, and of no other system message", async () => {
  const sim = await simulator();
  const { session, logged } = dial(sim.port);
  cleanups.push(() => session.close());
  await session.whenConnected(2_000);
  sim.faults.announce(1100);
  sim.faults.announce(1101);
  sim.faults.announce(1102);
  const notices = () =>
    logged.flatMap(({ level, event, fields }) =>
      event === "tws.notice" ? [`${level} ${String(fields["code"])}`] : [],
    );
  await vi.waitFor(() => expect(notices()).toContain("info 1102"));
  expect(notices().filter((notice) => notice.startsWith("warn"))).toEqual(["warn 1100", "warn 1101"]);
});

test("gives up a server that accepts and says nothing, and dials again", async () => {
  const tws = await startScriptedTws({ answersHello: false });
  cleanups.push(() => tws.close());
  const session = started(tws.port, { helloMs: 50 });
  await vi.waitFor(() => expect(tws.connections()).toBeGreaterThanOrEqual(3));
  expect(session.status().tws).toMatchObject({ state: "connecting", connection: 0 });
  expect(session.status().tws.lastError).toContain("did not answer the API handshake");
});

test("gives up a TWS that greets but never names an account", async () => {
  const tws = await startScriptedTws({});
  cleanups.push(() => tws.close());
  const session = started(tws.port, { readyMs: 50 });
  await vi.waitFor(() => expect(tws.connections()).toBeGreaterThanOrEqual(2));
  expect(session.status().tws.lastError).toContain("named no account");
});

test("notices a TWS that keeps the socket open and answers nothing", async () => {
  const sim = await simulator();
  const session = started(sim.port, { heartbeatMs: 50 });
  await session.whenConnected(2_000);
  sim.faults.mute(true);
  await statusWhere(session, ({ tws }) => tws.state === "connecting");
  expect(session.status().tws.lastError).toContain("stopped answering");
  sim.faults.mute(false);
  await statusWhere(session, connectedAs(2));
});

test("stays connected while the heartbeat alone is answered, whatever it took to connect", async () => {
  const sim = await simulator();
  const session = started(sim.port, { heartbeatMs: 20, readyMs: 100 });
  await session.whenConnected(2_000);
  await vi.waitFor(() =>
    expect(sim.received().filter(({ id }) => id === 49).length).toBeGreaterThanOrEqual(8),
  );
  expect(session.connection).toBe(1);
});

test("says that its client id is in use, keeps it, and takes it when it is free", async () => {
  const sim = await simulator();
  const first = started(sim.port, {}, 9);
  await first.whenConnected(2_000);
  const second = started(sim.port, { clientIdInUseMs: 60 }, 9);
  const { tws } = await statusWhere(second, (status) => status.tws.lastError !== "");
  expect(tws.lastError).toContain("client id 9 is in use");
  expect(tws.clientId).toBe(9);
  await first.close();
  await second.whenConnected(2_000);
  expect(first.status().tws.connection).toBe(1);
});

test("waits for TWS to forget a client id before dialling again", async () => {
  const dialled: number[] = [];
  const tws = await startScriptedTws({
    onMessage: (fields, client) => {
      if (fields[0] !== "71") return;
      dialled.push(performance.now());
      client.send(4, 2, -1, 326, "Unable to connect as the client id is already in use.", "");
      client.end();
    },
  });
  cleanups.push(() => tws.close());
  started(tws.port, { clientIdInUseMs: 200, retryFirstMs: 1, retryCapMs: 1 });
  await vi.waitFor(() => expect(dialled).toHaveLength(2), { timeout: 5_000 });
  expect(Number(dialled[1]) - Number(dialled[0])).toBeGreaterThanOrEqual(195);
});

test("keeps its socket through an outage between TWS and IBKR", async () => {
  const sim = await simulator();
  const session = started(sim.port);
  await session.whenConnected(2_000);
  const lost: string[] = [];
  session.onDataLost(() => lost.push("lost"));
  sim.faults.announce(1100);
  await statusWhere(session, ({ tws }) => tws.state === "upstream_down");
  await expect(session.whenConnected(20)).rejects.toMatchObject({ code: "tws_upstream_down" });
  sim.faults.announce(1102);
  await statusWhere(session, connectedAs(1));
  expect(lost).toEqual([]);
  sim.faults.announce(2110);
  await statusWhere(session, ({ tws }) => tws.state === "upstream_down");
  sim.faults.announce(1101);
  await statusWhere(session, connectedAs(1));
  expect(lost).toEqual(["lost"]);
});

test("remembers that TWS was cut off from IBKR before it accepted the session", async () => {
  const tws = await startScriptedTws({
    onMessage: (fields, client) => {
      if (fields[0] !== "71") return;
      client.send(4, 2, -1, 1100, "Connectivity between IBKR and Trader Workstation has been lost.", "");
      welcome(client);
    },
  });
  cleanups.push(() => tws.close());
  const session = started(tws.port);
  await statusWhere(
    session,
    ({ tws: { state, connection } }) => state === "upstream_down" && connection === 1,
  );
  await expect(session.whenConnected(20)).rejects.toMatchObject({ code: "tws_upstream_down" });
});

test("reconnects when TWS moves its port, and names the new one", async () => {
  const sim = await simulator();
  const session = started(sim.port);
  await session.whenConnected(2_000);
  sim.faults.announce(
    1300,
    "TWS socket port has been reset and this connection is being dropped. Please reconnect on the new port - 7499",
  );
  const { tws } = await statusWhere(session, connectedAs(2));
  expect(tws.lastError).toContain("port 7499");
});

test("reports the state of a farm as TWS last gave it", async () => {
  const sim = await simulator();
  const session = started(sim.port);
  await session.whenConnected(2_000);
  sim.faults.announce(2103);
  const { farms } = await statusWhere(session, (status) =>
    status.farms.some(({ state }) => state === "broken"),
  );
  expect(farms.filter(({ name }) => name === "usfarm")).toMatchObject([{ state: "broken" }]);
});

test("stops when told, dials again when told, and fails calls meanwhile", async () => {
  const sim = await simulator();
  const session = started(sim.port, { retryFirstMs: 60_000, retryCapMs: 60_000 });
  await session.whenConnected(2_000);
  session.stop();
  expect(session.status().tws.state).toBe("stopped");
  await expect(session.whenConnected(60_000)).rejects.toMatchObject({ code: "tws_offline" });
  await expect(session.send("data", (ib) => ib.reqCurrentTime())).rejects.toMatchObject({
    code: "tws_offline",
  });
  await vi.waitFor(() => expect(sim.clients()).toEqual([]));
  session.resume();
  await session.whenConnected(2_000);
  expect(session.connection).toBe(2);
});

test("dials at once when stopped and resumed in one breath", async () => {
  const sim = await simulator();
  const session = started(sim.port, { retryFirstMs: 60_000, retryCapMs: 60_000, clientIdInUseMs: 20 });
  await session.whenConnected(2_000);
  session.stop();
  session.resume();
  const { tws } = await statusWhere(
    session,
    (status) => status.tws.connection === 2 || status.tws.lastError.includes("is in use"),
  );
  expect(tws.state).not.toBe("stopped");
});

test("survives listeners that throw, and a message that the library cannot read", async () => {
  const sent: ((...fields: readonly (string | number)[]) => void)[] = [];
  const tws = await startScriptedTws({
    onMessage: (fields, client) => {
      if (fields[0] !== "71") return;
      welcome(client);
      sent.push((...words) => client.send(...words));
    },
  });
  cleanups.push(() => tws.close());
  const { session, logged } = dial(tws.port);
  cleanups.push(() => session.close());
  session.on(EventName.currentTime, () => {
    throw new Error("a listener of ours");
  });
  session.onConnected(() => {
    throw new Error("another");
  });
  const begun: number[] = [];
  session.onConnected((nextValidId) => begun.push(nextValidId));
  const times: number[] = [];
  session.on(EventName.currentTime, (seconds) => times.push(seconds));
  await session.whenConnected(2_000);
  sent[0]?.(49, 1, 1_795_444_200);
  await vi.waitFor(() => expect(times).toEqual([1_795_444_200]));
  expect(begun).toEqual([1]);
  expect(logged.filter(({ event }) => event === "tws.listener_failed")).toHaveLength(2);
  sent[0]?.(4, 2, 1, 201, "Order rejected", "{not json");
  await statusWhere(session, connectedAs(2));
  expect(session.status().tws.lastError).toContain("could not be read");
});

test("never sends on a new connection what was meant for the old one", async () => {
  const sim = await simulator();
  const session = started(sim.port);
  await session.whenConnected(2_000);
  const outcomes = Array.from({ length: 60 }, (_, index) =>
    session
      .send("data", (ib) => ib.reqMarketRule(10_000 + index))
      .then(
        () => "sent",
        (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : "?"),
      ),
  );
  sim.faults.dropConnections();
  await statusWhere(session, connectedAs(2));
  const dropped = (await Promise.all(outcomes)).filter((outcome) => outcome === "tws_offline").length;
  expect(dropped).toBeGreaterThan(40);
  await session.send("data", (ib) => ib.reqMarketRule(99_999));
  await vi.waitFor(() => expect(sim.received().some(({ fields }) => fields.includes("99999"))).toBe(true));
  const startOfSecond = sim.received().findLastIndex(({ id }) => id === 71);
  const after = sim.received().slice(startOfSecond);
  expect(after.filter(({ id }) => id === 91).map(({ fields }) => fields.at(-1))).toEqual(["99999"]);
});

test("fails requests at once while there is no session, without keeping them", async () => {
  const sim = await simulator();
  await sim.faults.refuse(true);
  const session = started(sim.port);
  await expect(
    session.request(
      { lane: "data", what: "nothing", start: (ib) => void ib.reqCurrentTime(), on: {} },
      within(60_000),
    ),
  ).rejects.toMatchObject({ code: "tws_offline" });
  await sim.faults.refuse(false);
  await session.whenConnected(2_000);
  expect(sim.received().map(({ id }) => id)).not.toContain(49);
});
