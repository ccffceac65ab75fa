import { afterEach, beforeEach, expect, test } from "vitest";
import { createJournal } from "./journal.ts";
import type { JournalFile } from "./database.ts";
import { createJournalFolder, type JournalFolder } from "./journal.fixture.ts";
import { createKillSwitch } from "./kill-switch.ts";

let place: JournalFolder;
let file: JournalFile;
let now: number;
beforeEach(() => {
  place = createJournalFolder();
  file = place.open();
  now = Date.UTC(2026, 10, 20);
});
afterEach(() => place.close());

const killSwitch = () => createKillSwitch(file, () => now);
const trail = () =>
  createJournal(file, () => now)
    .audit.after(0, 100)
    .map(({ step, outcome }) => `${step} ${outcome}`);
const since = "2026-11-20T00:00:00.000Z";

test.each([
  ["host", "page"],
  ["host", "loss"],
  ["host", "host"],
  ["loss", "host"],
  ["loss", "page"],
  ["page", "page"],
] as const)("stopped by %s it stays so named when %s stops it too", (first, second) => {
  killSwitch().freeze(first, "why");
  now += 1_000;
  expect(killSwitch().freeze(second, "again")).toEqual({ by: first, since, reason: "why" });
  expect(killSwitch().state()).toEqual({ by: first, since, reason: "why" });
  expect(trail()).toEqual([`frozen by ${first}`]);
});

test.each(["host", "loss"] as const)(
  "%s takes over what the page has stopped, so that the page cannot lift it",
  (by) => {
    killSwitch().freeze("page", "");
    killSwitch().freeze(by, "");
    expect(() => killSwitch().unfreeze("page")).toThrow(expect.objectContaining({ code: "trading_frozen" }));
    expect(killSwitch().state()?.by).toBe(by);
    expect(trail()).toEqual(["frozen by page", `frozen by ${by}`]);
  },
);

test("the page lifts what it has stopped, and the host lifts all", () => {
  killSwitch().freeze("page", "");
  killSwitch().unfreeze("page");
  expect(killSwitch().state()).toBeNull();
  for (const by of ["page", "host", "loss"] as const) {
    killSwitch().freeze(by, "");
    killSwitch().unfreeze("host");
    expect(killSwitch().state()).toBeNull();
  }
});

test("lifting what is not stopped is no step", () => {
  killSwitch().unfreeze("page");
  killSwitch().unfreeze("host");
  expect(trail()).toEqual([]);
});

test("it is still stopped after a restart", () => {
  killSwitch().freeze("loss", "the day's loss");
  file.close();
  file = place.open();
  expect(killSwitch().state()).toEqual({ by: "loss", since, reason: "the day's loss" });
});

test("what another process stops or lifts, the running one sees at its next look", async () => {
  const running = killSwitch();
  expect(running.state()).toBeNull();
  const script = (act: string) => `
    const file = journal.openJournalFile({ path, exclusive: false });
    killSwitch.createKillSwitch(file, Date.now).${act};
    console.log("did");`;
  await place.run(script('freeze("host", "from elsewhere")'));
  expect(running.state()).toMatchObject({ by: "host", reason: "from elsewhere" });
  await place.run(script('unfreeze("host")'));
  expect(running.state()).toBeNull();
});

test("a long reason is cut", () => {
  expect(killSwitch().freeze("host", `${"a".repeat(199)}😀`).reason).toBe(`${"a".repeat(199)}\ufffd`);
  expect(killSwitch().state()?.reason).toBe(`${"a".repeat(199)}\ufffd`);
});
