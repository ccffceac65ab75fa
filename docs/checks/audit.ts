import { execFile } from "node:child_process";
import { z } from "zod";

/** `npm audit` for a gate that also runs where the registry is a mirror without an audit endpoint. */

/** The least severity of a known fault that fails. */
const leastSeverity = "moderate";

const Report = z.object({
  metadata: z.object({ vulnerabilities: z.record(z.string(), z.number()) }),
});
const Refusal = z.object({ message: z.string(), statusCode: z.number().optional() });

interface AuditOutcome {
  readonly words: string;
  readonly exitCode: 0 | 1;
}

/** What npm's JSON says; `hasFaults` is npm's own judgement by the least severity. */
export function outcomeOf(json: string, hasFaults: boolean): AuditOutcome {
  const said: unknown = JSON.parse(json);
  const report = Report.safeParse(said);
  if (report.success) {
    const counts = Object.entries(report.data.metadata.vulnerabilities)
      .filter(([severity, count]) => severity !== "total" && count > 0)
      .map(([severity, count]) => `${count} ${severity}`);
    if (counts.length === 0) return { words: "No package has a known vulnerability.", exitCode: 0 };
    const words = `Known vulnerabilities: ${counts.join(", ")}. \`npm audit\` names the packages.`;
    return { words, exitCode: hasFaults ? 1 : 0 };
  }
  const { message, statusCode } = Refusal.parse(said);
  // how a registry says that it has no such endpoint
  if (statusCode !== undefined && [404, 405, 501].includes(statusCode)) {
    return { words: `Not checked: the registry has no audit endpoint (${message}).`, exitCode: 0 };
  }
  return { words: `npm audit failed: ${message}`, exitCode: 1 };
}

/** Asks the registry about every package of the lock file in this folder. */
export function audit(folder: string, args: readonly string[] = []): Promise<AuditOutcome> {
  const { promise, resolve, reject } = Promise.withResolvers<AuditOutcome>();
  const options = { cwd: folder, maxBuffer: 64 * 1024 * 1024 };
  execFile("npm", ["audit", "--json", `--audit-level=${leastSeverity}`, ...args], options, (error, out) => {
    try {
      resolve(outcomeOf(out, error !== null));
    } catch (cause) {
      reject(new Error("npm audit said nothing that can be understood.", { cause: error ?? cause }));
    }
  });
  return promise;
}

if (import.meta.main) {
  const { words, exitCode } = await audit(new URL("../../", import.meta.url).pathname, process.argv.slice(2));
  process.stdout.write(`${words}\n`);
  process.exitCode = exitCode;
}
