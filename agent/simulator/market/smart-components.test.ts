import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  aapl,
  createHandlersFixture,
  type HandlersFixture,
  eurusd,
} from "../test-support/handlers.fixture.ts";
import { readStrictly } from "../test-support/message-layouts.fixture.ts";

let fixture: HandlersFixture;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  fixture = createHandlersFixture();
});
afterEach(() => {
  fixture.handlers.close();
  vi.useRealTimers();
});

const option = ["", "AAPL", "OPT", "20261218", 250, "C", "", "SMART", "", "USD", "", ""];

test.each([
  ["a stock", aapl, "NASDAQ,T", "IEX,V"],
  ["an option", option, "CBOE,C", "PSE,N"],
] as const)(
  "the first ticks of %s name the group whose venues can be asked for",
  (_what, contract, ...some) => {
    const client = fixture.clientAt(193);
    const rows = fixture.ask(client, 1, 11, 1001, ...contract, 0, "", 0, 0, "");
    const group = rows
      .map((row) => (row[0] === "81" ? row[3] : undefined))
      .find((code) => code !== undefined);
    for (const code of [group ?? "", (group ?? "").slice(0, 2)]) {
      const [answer = []] = fixture.ask(client, 83, 1002, code);
      const { components = "" } = readStrictly(answer, 193);
      for (const venue of some) expect(components).toContain(venue);
      const bits = components.split(",").filter((_field, index) => index % 3 === 0);
      expect(bits).toEqual(bits.map((_bit, index) => String(index)));
    }
  },
);

test("what SMART does not route has no group, and an unknown group is refused", () => {
  const client = fixture.clientAt(193);
  const rows = fixture.ask(client, 1, 11, 1001, ...eurusd, 0, "", 0, 0, "");
  expect(rows.find((row) => row[0] === "81")?.[3]).toBe("");
  for (const code of ["", "zz", "9c0002"]) {
    expect(fixture.ask(client, 83, 1002, code)).toEqual([["4", "2", "1002", "321", expect.any(String), ""]]);
  }
});
