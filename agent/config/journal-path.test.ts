import { resolve } from "node:path";
import { expect, test } from "vitest";
import { inMemory } from "../journal/database.ts";
import { journalPathOf } from "./journal-path.ts";

const tws = { host: "127.0.0.1", port: 7497 };
const journalFile = "somewhere/journal.db";

test("the journal of a configured TWS is the configured file, whatever else runs here", () => {
  expect(journalPathOf({ tws, journalFile })).toBe(resolve(journalFile));
  expect(journalPathOf({ tws, journalFile, server: { port: 8000 } })).toBe(resolve(journalFile));
  expect(journalPathOf({ tws, journalFile, server: { port: 0 } })).toBe(resolve(journalFile));
});

test("the simulator's is beside the local state of its edge, and never the configured file", () => {
  const path = journalPathOf({ tws: null, journalFile, server: { port: 9000 } });
  expect(path).toBe(resolve(".tws-edge/port-9000/simulator-journal.db"));
});

test("where no local state is kept the simulator's is in memory", () => {
  expect(journalPathOf({ tws: null, journalFile, server: { port: 0 } })).toBe(inMemory);
  expect(journalPathOf({ tws: null, journalFile })).toBe(inMemory);
});
