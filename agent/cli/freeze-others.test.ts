import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CommandPlace, createCommandPlace } from "./command.fixture.ts";

const nobody = 65_534;
const isRoot = process.getuid?.() === 0;

let place: CommandPlace;
let agents: string;
beforeEach(() => {
  place = createCommandPlace();
  agents = join(place.folder, "agents");
  mkdirSync(agents);
});
afterEach(() => place.remove());

/** An agent that another user lists; its process is there, since it is this one. */
function listAgent(journal: string): void {
  const folder = join(agents, `tws-edge-agents-${nobody}`);
  const file = join(folder, "1.json");
  mkdirSync(folder);
  const entry = { pid: process.pid, processStart: null, pidSpace: readlinkSync("/proc/self/ns/pid") };
  const more = { user: "nobody", startedAt: new Date().toISOString(), journal, keyFile: null, tws: "TWS" };
  writeFileSync(file, JSON.stringify({ ...entry, ...more }));
  for (const one of [folder, file]) chownSync(one, nobody, nobody);
}

test.runIf(isRoot)(
  "root opens no journal of another user with its own rights, and says what it did not reach",
  async () => {
    // only root comes through the folder: whoever opens the journal does it as root
    const folder = mkdtempSync(join(tmpdir(), "foreign-"));
    const journal = join(folder, "journal.db");
    writeFileSync(journal, "", { mode: 0o600 });
    chownSync(journal, nobody, nobody);
    listAgent(journal);
    try {
      const { code, err, out } = await place.run(["freeze"]);
      expect(statSync(journal).size).toBe(0);
      expect({ code, out }).toEqual({ code: 4, out: "" });
      expect(err).toContain("has not confirmed it: run tws-edge freeze as the user nobody");
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

test.runIf(isRoot)("root does not open a journal of another user that is named either", async () => {
  const journal = join(place.folder, "journal.db");
  writeFileSync(journal, "", { mode: 0o600 });
  chownSync(journal, nobody, nobody);
  for (const command of ["freeze", "unfreeze", "approvals"]) {
    const { code, err } = await place.run([command, "--journal", journal]);
    expect(err).toContain("so it was not opened");
    expect(code).toBe(1);
  }
  expect(statSync(journal).size).toBe(0);
});

test("a journal that others can write is not opened", async () => {
  const journal = join(place.folder, "journal.db");
  writeFileSync(journal, "");
  chmodSync(journal, 0o666);
  const { code, err } = await place.run(["freeze", "--journal", journal]);
  expect({ code, err }).toEqual({
    code: 1,
    err: expect.stringContaining(`Other users can write ${journal}`),
  });
});

test("a list of agents that cannot be read is no list without agents", () => {
  const folder = join(agents, "tws-edge-agents-1");
  mkdirSync(folder, { mode: 0o000 });
  chmodSync(place.folder, 0o755);
  // root reads every folder, so somebody else has to look
  const other = isRoot ? { uid: nobody, gid: nobody } : {};
  const main = join(import.meta.dirname, "../main.ts");
  const { status, stderr } = spawnSync(process.execPath, [main, "freeze"], {
    ...other,
    cwd: place.folder,
    env: { HOME: place.folder, TWS_EDGE_AGENTS: agents },
    encoding: "utf8",
  });
  chmodSync(folder, 0o700);
  expect(stderr).toContain(`Not stopped. Agents may be listed in ${folder}, which cannot be read`);
  expect(status).toBe(4);
});
