import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  createHandlersFixture,
  type HandlersFixture,
  type Fields,
} from "../test-support/handlers.fixture.ts";

let fixture: HandlersFixture;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  fixture = createHandlersFixture();
});
afterEach(() => {
  fixture.handlers.close();
  vi.useRealTimers();
});

function fill(orderId: number): void {
  const instrument = fixture.world.universe.byConId(265598);
  if (instrument === undefined) throw new Error("no AAPL");
  fixture.world.ledger.place({
    clientId: 9,
    orderId,
    instrument,
    routing: "SMART",
    action: "BUY",
    quantity: 10,
    orderType: "MKT",
    limitPrice: null,
    auxPrice: null,
    tif: "DAY",
    outsideRth: false,
    account: "DU1234567",
    transmit: true,
    parentId: 0,
    ocaGroup: "",
    ocaType: 0,
    orderRef: "",
    whatIf: false,
    echo: {},
  });
  fixture.match(2000);
}

describe("accounts", () => {
  test("sends a third summary away and has room again after a cancel", () => {
    const client = fixture.clientAt(193);
    const summary = (reqId: number) => fixture.ask(client, 62, 1, reqId, "All", "NetLiquidation");
    expect(summary(1001).map((row) => row[0])).toEqual(["63", "64"]);
    summary(1002);
    expect(summary(1003)[0]?.slice(2, 4)).toEqual(["1003", "322"]);
    fixture.ask(client, 63, 1, 1001);
    expect(summary(1004).at(-1)?.[0]).toBe("64");
  });

  test("the ledger tag selects a currency", () => {
    const client = fixture.clientAt(193);
    const currencies = (tag: string, reqId: number) =>
      new Set(
        fixture.ask(client, 62, 1, reqId, "All", tag).flatMap((row) => (row[0] === "63" ? [row[6]] : [])),
      );
    expect(currencies("$LEDGER", 1001)).toEqual(new Set(["BASE"]));
    fixture.ask(client, 63, 1, 1001);
    expect(currencies("$LEDGER:USD", 1002)).toEqual(new Set(["USD"]));
  });

  test("follows with what has changed after a fill, and stops when asked", () => {
    const client = fixture.clientAt(193);
    fixture.ask(client, 6, 2, 1, "DU1234567");
    const from = client.rows.length;
    fill(1);
    fixture.handlers.slowTick();
    const rows = client.rows.slice(from);
    expect(rows.find((row) => row[0] === "7")?.slice(2, 4)).toEqual(["265598", "AAPL"]);
    expect(rows.some((row) => row[0] === "6" && row[2] === "NetLiquidation")).toBe(true);
    expect(rows.some((row) => row[0] === "6" && row[2] === "AccountCode")).toBe(false);
    expect(rows.at(-1)?.[0]).toBe("8");
    fixture.ask(client, 6, 2, 0, "DU1234567");
    const after = client.rows.length;
    fill(2);
    fixture.handlers.slowTick();
    expect(client.rows).toHaveLength(after);
  });

  test("sends positions, then each change of one, until cancelled", () => {
    const client = fixture.clientAt(193);
    const rows = fixture.ask(client, 61, 1);
    expect(rows.at(-1)).toEqual(["62", "1"]);
    const held = Number(rows.find((row) => row[4] === "AAPL")?.[14]);
    const from = client.rows.length;
    fill(1);
    expect(client.rows.slice(from).map((row) => [row[0], row[4], Number(row[14])])).toEqual([
      ["61", "AAPL", held + 10],
    ]);
    fixture.ask(client, 64, 1);
    const after = client.rows.length;
    fill(2);
    expect(client.rows).toHaveLength(after);
  });

  test.each<readonly [string, Fields, string]>([
    ["account updates", [6, 2, 1, "U999"], "-1"],
    ["account updates by request", [76, 2, 1001, "U999", "", 0], "1001"],
    ["positions by request", [74, 1, 1001, "U999", ""], "1001"],
    ["profit and loss", [92, 1001, "U999", ""], "1001"],
    ["a summary", [62, 1, 1001, "U999", "NetLiquidation"], "1001"],
  ])("refuses %s for an unknown account", (_what, fields, id) => {
    const rows = fixture.ask(fixture.clientAt(193), ...fields);
    expect(rows.map((row) => row.slice(2, 4))).toEqual([[id, "321"]]);
  });

  test("says when there is no profit and loss subscription to cancel", () => {
    const client = fixture.clientAt(193);
    fixture.ask(client, 92, 1001, "DU1234567", "");
    expect(fixture.ask(client, 93, 1001)).toEqual([]);
    expect(fixture.ask(client, 93, 1001)[0]?.[3]).toBe("10185");
  });

  test("forgets everything of a client that has left", () => {
    const client = fixture.clientAt(193);
    fixture.ask(client, 61, 1);
    fixture.ask(client, 92, 1001, "DU1234567", "");
    fixture.ask(client, 6, 2, 1, "");
    fixture.handlers.forget(client);
    const after = client.rows.length;
    fill(1);
    fixture.handlers.slowTick();
    expect(client.rows).toHaveLength(after);
  });
});
