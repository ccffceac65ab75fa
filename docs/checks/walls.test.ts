import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { circles, importsOf, repositoryFiles, root, specifiersIn } from "./import-graph.ts";
import { brokenWalls, isForTests, roomImports, roomOf, walls } from "./walls.ts";

const sources = repositoryFiles().filter((file) => /^(agent|edge|shared|docs)\/.*\.(ts|tsx|js)$/.test(file));
const imports = importsOf(sources);
const productImports = imports.filter(({ from, to }) => !isForTests(from) && !isForTests(to));

test("no import goes up or through a wall", () => {
  expect(imports.length).toBeGreaterThan(1000);
  expect(brokenWalls(imports)).toEqual([]);
});

test("no files import each other in a circle, types included", () => {
  expect(circles(productImports)).toEqual([]);
});

test.each(walls)("no rooms of $part import each other in a circle", (wall) => {
  expect(circles(roomImports(wall, productImports))).toEqual([]);
});

describe("a wall", () => {
  test.each([
    ["agent/tws/session/session.ts", "agent/orders/orders.ts", "In agent/"],
    ["agent/tws/session/session.ts", "agent/tws/contracts/contracts.ts", "In agent/tws"],
    ["agent/simulator/market/market.ts", "agent/simulator/ledger/ledger.ts", "In the simulator"],
    ["agent/simulator/server.ts", "shared/order.ts", "The simulator imports nothing"],
    ["agent/agent.ts", "agent/handlers/handlers.fixture.ts", "imported by tests alone"],
    ["agent/agent.ts", "agent/e2e/rigs/system.ts", "imported by tests alone"],
    ["edge/crypto/digest.ts", "edge/host/host.ts", "In edge/"],
    ["edge/host/storage/store.ts", "edge/host/streams/topics.ts", "In edge/host"],
    ["edge/access/storage/store.ts", "edge/access/oauth/oauth.ts", "In edge/access"],
    ["edge/worker.ts", "agent/agent.ts", "meet only in shared"],
    ["shared/order.ts", "agent/agent.ts", "shared/ stands alone"],
    ["shared/order.ts", "shared/tools/define.ts", "In shared/"],
  ])("keeps %s from importing %s", (from, to, sentence) => {
    const found = brokenWalls([{ from, to }]);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`${from} imports ${to}. `);
    expect(found[0]).toContain(sentence);
  });

  test("lets imports go down, and tests import what they test with", () => {
    expect(
      brokenWalls([
        { from: "agent/agent.ts", to: "agent/tws/session/session.ts" },
        { from: "agent/orders/orders.test.ts", to: "agent/orders/orders.fixture.ts" },
        { from: "agent/e2e/journey.test.ts", to: "edge/worker.ts" },
      ]),
    ).toEqual([]);
  });
});

test("every floor names a file or folder that exists", () => {
  const missing = walls.flatMap(({ part, floors }) =>
    floors
      .flat()
      .filter((name) => !existsSync(join(root, part, name)))
      .map((name) => `${part}/${name}`),
  );
  expect(missing).toEqual([]);
});

test("every file of the product stands on a floor of its part", () => {
  const parts = walls.filter(({ part }) => ["agent", "edge", "shared"].includes(part));
  const homeless = sources.filter(
    (file) =>
      !isForTests(file) && !file.startsWith("docs/") && !parts.some((wall) => roomOf(wall, file) !== null),
  );
  expect(homeless).toEqual([]);
});

test("no folder has more than 28 source files side by side", () => {
  const counts = Map.groupBy(
    sources.filter((file) => !/\.(test|fixture)\.ts$/.test(file)),
    (file) => dirname(file),
  );
  const crowded = [...counts].filter(([, files]) => files.length > 28).map(([folder]) => folder);
  expect(crowded).toEqual([]);
});

test("reads every way to import, and nothing that only stands in a text", () => {
  const source = [
    'import type { A } from "./a.ts";',
    'import {\n  b,\n  c,\n} from "../b.ts";',
    'export { d } from "./d.ts";',
    'import "./e.ts";',
    'type F = import("./f.ts").F;',
    'const g = await import("./g.ts");',
    'const h = new URL("./h.ts", import.meta.url);',
    'const program = `\nimport { x } from "./x.ts";\n`;',
    'import hono from "hono";',
  ].join("\n");
  expect(specifiersIn(source)).toEqual([
    "./a.ts",
    "../b.ts",
    "./d.ts",
    "./e.ts",
    "./f.ts",
    "./g.ts",
    "./h.ts",
  ]);
});

test("finds a circle through three files", () => {
  const edge = (from: string, to: string) => ({ from, to });
  expect(circles([edge("a", "b"), edge("b", "c"), edge("c", "a"), edge("c", "d")])).toEqual([
    ["a", "b", "c"],
  ]);
});
