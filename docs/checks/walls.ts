import type { Import } from "./import-graph.ts";

/**
 * The floors of a part of the house, from top to bottom. Each floor names files and folders, by their paths from the
 * part's folder; the longest name that fits a file decides. A file may import from its own floor and from those below.
 */
export interface Wall {
  readonly part: string;
  readonly sentence: string;
  readonly floors: readonly (readonly string[])[];
}

export const walls: readonly Wall[] = [
  {
    part: "agent",
    sentence: "In agent/, commands stand on the agent, the agent on tools, tools on orders, orders on TWS.",
    floors: [
      ["main.ts"],
      ["cli"],
      ["local"],
      ["agent.ts"],
      ["dispatch.ts"],
      ["handlers", "link"],
      ["orders", "config"],
      ["limits"],
      ["journal"],
      ["analysis", "streams"],
      ["call"],
      ["tws"],
      ["process", "simulator"],
    ],
  },
  {
    part: "agent/simulator",
    sentence:
      "In the simulator, requests stand on the world, the world on the ledger, the ledger on the market.",
    floors: [
      ["cli.ts"],
      ["server.ts"],
      ["handlers"],
      ["faults", "world.ts"],
      ["wire", "ledger"],
      ["market"],
      ["time"],
      ["model"],
    ],
  },
  {
    part: "agent/tws",
    sentence: "In agent/tws, everything stands on contracts, and contracts on the session.",
    floors: [["market-data"], ["scanner", "orders"], ["account", "news"], ["contracts"], ["session"]],
  },
  {
    part: "edge",
    sentence: "In edge/, doors stand on who may ask, that on the objects, and the objects on contracts.",
    floors: [
      ["worker.ts"],
      ["websockets.ts"],
      ["auth"],
      ["access", "mcp", "health.ts", "landing-page.ts", "not-configured.ts", "security-text.ts"],
      ["session"],
      ["host"],
      ["http"],
      ["config"],
      ["crypto", "rpc", "storage"],
    ],
  },
  {
    part: "edge/host",
    sentence:
      "In edge/host, the object stands on resources, these on streams, streams on the relay and the store.",
    floors: [
      ["host.ts"],
      ["resources"],
      ["streams"],
      ["relay", "audit-replica.ts", "status.ts"],
      ["storage"],
    ],
  },
  {
    part: "edge/access",
    sentence:
      "In edge/access, the object stands on pages, these on machines and OAuth, and all on the store.",
    floors: [["access.ts", "whole-request.ts"], ["pages"], ["machines", "oauth"], ["storage"]],
  },
  {
    part: "shared",
    sentence: "In shared/, prompts stand on tools, and tools on the words of both sides.",
    floors: [["prompts"], ["tools"], ["."]],
  },
];

/** True for files that the product never imports: tests, what only tests use, and journeys through the whole. */
export const isForTests = (file: string): boolean =>
  /\.(test|fixture)\.ts$/.test(file) || file.startsWith("agent/e2e/") || file.startsWith("docs/checks/");

/** A rule about one import, with the sentence that an import against it is answered with. */
interface Rule {
  readonly sentence: string;
  readonly isBroken: (item: Import) => boolean;
}

const isIn = (folder: string, file: string): boolean => file.startsWith(`${folder}/`);

const partRules: readonly Rule[] = [
  {
    sentence: "Tests, fixtures and journeys are imported by tests alone.",
    isBroken: ({ from, to }) => !isForTests(from) && isForTests(to),
  },
  {
    sentence: "shared/ stands alone: it imports nothing of agent/ or edge/.",
    isBroken: ({ from, to }) => isIn("shared", from) && !isIn("shared", to),
  },
  {
    sentence: "agent/ and edge/ meet only in shared/.",
    // the embedded edge is built from the Worker's entry, which it names as a file and never loads
    isBroken: ({ from, to }) =>
      !isForTests(from) &&
      from !== "agent/local/embedded-edge.ts" &&
      ((isIn("agent", from) && isIn("edge", to)) || (isIn("edge", from) && isIn("agent", to))),
  },
  {
    sentence:
      "The simulator imports nothing outside itself: it speaks the public TWS protocol to any client.",
    isBroken: ({ from, to }) =>
      !isForTests(from) && isIn("agent/simulator", from) && !isIn("agent/simulator", to),
  },
];

interface Room {
  readonly name: string;
  /** Counted from the top. */
  readonly floor: number;
}

/** The room of a wall's part in which a file is; null outside the part and in no room of it. */
export function roomOf(wall: Wall, file: string): Room | null {
  if (!isIn(wall.part, file)) return null;
  const inside = file.slice(wall.part.length + 1);
  const fits = wall.floors.flatMap((names, floor) =>
    names
      .filter((name) => name === inside || name === "." || inside.startsWith(`${name}/`))
      .map((name) => ({ floor, name })),
  );
  return fits.toSorted((a, b) => b.name.length - a.name.length)[0] ?? null;
}

/** The imports from room to room of a wall's part, by the rooms' names. */
export const roomImports = (wall: Wall, imports: readonly Import[]): readonly Import[] =>
  imports.flatMap(({ from, to }) => {
    const [upper, lower] = [roomOf(wall, from)?.name, roomOf(wall, to)?.name];
    const isArrow = upper !== undefined && lower !== undefined && upper !== lower;
    return isArrow ? [{ from: upper, to: lower }] : [];
  });

const wallRules: readonly Rule[] = walls.map((wall) => ({
  sentence: wall.sentence,
  isBroken: ({ from, to }) => {
    if (isForTests(from) || isForTests(to)) return false;
    const [upper, lower] = [roomOf(wall, from), roomOf(wall, to)];
    return upper !== null && lower !== null && lower.floor < upper.floor;
  },
}));

/** What is wrong with these imports: one line for each that goes through a wall. */
export const brokenWalls = (imports: readonly Import[]): readonly string[] =>
  imports.flatMap((item) =>
    [...partRules, ...wallRules]
      .filter(({ isBroken }) => isBroken(item))
      .map(({ sentence }) => `${item.from} imports ${item.to}. ${sentence}`),
  );
