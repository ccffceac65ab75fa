import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { message, type RawClient, startedClient } from "../test-support/raw-client.fixture.ts";
import { playScenario } from "./scenarios.ts";
import { type Simulator, startSimulator } from "../server.ts";

let simulator: Simulator;
let client: RawClient;
beforeEach(async () => {
  simulator = await startSimulator({ seed: 7 });
  client = await startedClient(simulator.port, 193, 1);
});
afterEach(() => simulator.close());

const idsFrom = (from: number) => client.messages.slice(from).map(([id]) => id);

test("late ends hold back what follows of the same list, and nothing else", async () => {
  await playScenario(simulator.faults, "list-ends late 80");
  const from = client.messages.length;
  const askedAt = performance.now();
  client.send(61, 1);
  await client.waitFor(message(61), from);
  client.send(61, 1);
  client.send(49, 1);
  await client.waitFor(message(49), from);
  const rows = idsFrom(from).filter((id) => id === "61").length;
  expect(idsFrom(from)).not.toContain("62");
  await client.waitFor(message(62), from);
  expect(performance.now() - askedAt).toBeGreaterThan(75);
  await vi.waitFor(() => expect(idsFrom(from).filter((id) => id === "62")).toHaveLength(2));
  const all = idsFrom(from).filter((id) => id === "61" || id === "62");
  const list = [...Array.from({ length: rows }, () => "61"), "62"];
  expect(all).toEqual([...list, ...list]);
});

test("lost ends never come, and come again when the fault is over", async () => {
  await playScenario(simulator.faults, "list-ends lost");
  const from = client.messages.length;
  client.send(16, 1);
  client.send(99, 0);
  client.send(7, 3, 5, 0, "", "", "", "", "", "");
  client.send(49, 1);
  await client.waitFor(message(49), from);
  for (const end of ["53", "55", "102"]) expect(idsFrom(from)).not.toContain(end);
  await playScenario(simulator.faults, "list-ends in-time");
  client.send(16, 1);
  await client.waitFor(message(53), from);
});
