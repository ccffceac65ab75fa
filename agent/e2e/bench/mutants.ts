import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Mutant, mutants } from "../chaos/mutants.ts";

const help = `Takes the rules of the order path away, one at a time and in a copy, and plays the randomised run until it notices.
Ends with 1 when one is not noticed.

  --stretches <n>  at most so many for each (12)
  --faults <n>     in a stretch (170)
  --seed <n>       of the first stretch (1)
  --only <text>    rules that contain it
`;

const { values } = parseArgs({
  options: {
    stretches: { type: "string", default: "12" },
    faults: { type: "string", default: "170" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** What the run says of a mutant: the first thing that is wrong, and by which stretch; null when nothing is. */
async function noticed({ file, from, to }: Mutant): Promise<string | null> {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-mutant-"));
  try {
    for (const name of ["agent", "shared", "package.json", "tsconfig.json"])
      cpSync(join(root, name), join(folder, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    const path = join(folder, file);
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(from, () => to),
    );
    const { seed, faults, stretches } = values;
    const run = spawn(
      process.execPath,
      ["agent/e2e/bench/faults.ts", "--seed", seed, "--faults", faults, "--stretches", stretches],
      { cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
    );
    let text = "";
    const wrong = Promise.withResolvers<string | null>();
    const read = (data: Buffer) => {
      text += data.toString();
      const [line] = /WRONG: .*/.exec(text) ?? [];
      const played = text.split("\n").filter((one) => one.startsWith("seed ")).length;
      if (line !== undefined) wrong.resolve(`stretch ${played}: ${line.slice(7, 160)}`);
    };
    run.stdout.on("data", read);
    run.stderr.on("data", read);
    run.on("close", (code) => {
      wrong.resolve(code === 0 ? null : `it ended with ${code}: ${text.trim().split("\n").at(-1)}`);
    });
    const what = await wrong.promise;
    run.kill("SIGKILL");
    return what;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (values.help) process.stdout.write(help);
else
  for (const mutant of mutants.filter(({ rule }) => rule.includes(values.only))) {
    const what = await noticed(mutant);
    process.stdout.write(
      `${what === null ? "NOT NOTICED" : "noticed"}  ${mutant.rule}${what === null ? "" : `: ${what}`}\n`,
    );
    if (what === null) process.exitCode = 1;
  }
