import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ToolExamples } from "../../../docs/generator/pages.ts";
import { connectModern, eventually } from "../clients/clients.ts";
import { exampleCalls, prepareExamples } from "./example-calls.ts";
import { startSystem } from "../rigs/system.ts";

/** How much of an answer is shown. */
interface Measure {
  readonly rows: number;
  /** Of what is within the answer; its own are all shown. */
  readonly fields: number;
  readonly characters: number;
}

/** From the most that is shown to the least; the first that fits is taken. */
const measures: readonly Measure[] = [
  { rows: 2, fields: Infinity, characters: 200 },
  { rows: 1, fields: Infinity, characters: 100 },
  { rows: 1, fields: 16, characters: 60 },
  { rows: 1, fields: 8, characters: 40 },
  { rows: 1, fields: 5, characters: 40 },
  { rows: 1, fields: 2, characters: 40 },
];
const mostCharacters = 2_200;

/** The answer, cut where needed to be read on a page; "…" stands for what is left out. */
function shorten(output: Record<string, unknown>): Record<string, unknown> {
  for (const measure of measures) {
    const shown = Object.fromEntries(
      Object.entries(output).map(([name, value]): [string, unknown] => [name, cut(value, measure)]),
    );
    if (JSON.stringify(shown, null, 2).length <= mostCharacters) return shown;
  }
  throw new Error(`An answer does not fit by any measure: ${Object.keys(output).join(", ")}`);
}

function cut(value: unknown, measure: Measure): unknown {
  if (typeof value === "string")
    return value.length > measure.characters ? `${value.slice(0, measure.characters)}…` : value;
  if (Array.isArray(value)) {
    const rows = value.slice(0, measure.rows).map((row: unknown) => cut(row, measure));
    return value.length > measure.rows ? [...rows, "…"] : rows;
  }
  return typeof value === "object" && value !== null ? cutFields(value, measure) : value;
}

function cutFields(record: object, measure: Measure): Record<string, unknown> {
  const fields: [string, unknown][] = Object.entries(record);
  // sentences about the answer make room for its figures
  const isProse = fields.every(([, value]) => typeof value === "string" && value.length > 40);
  const most = isProse ? measure.rows : measure.fields;
  const shown = fields.slice(0, most).map(([name, value]): [string, unknown] => [name, cut(value, measure)]);
  return Object.fromEntries(fields.length > most ? [...shown, ["…", "…"]] : shown);
}

/** Of these there may be none in an example. */
const mayBeEmpty = new Set(["warnings", "excluded"]);

/** What in an answer teaches nothing; null when it all does. */
function dullness(output: Record<string, unknown>): string | null {
  if (output["count"] === 0) return "it counts none";
  for (const [name, value] of Object.entries(output)) {
    if (Array.isArray(value) && value.length === 0 && !mayBeEmpty.has(name)) return `${name} is empty`;
    if (name === "articleText" && value === null) return "the article is not shown";
  }
  return null;
}

/** Calls each tool, in order, on a system of its own. Throws where a call fails or its answer shows nothing. */
async function recordExamples(mcpUrl: string): Promise<ToolExamples> {
  const { client, call } = await connectModern(mcpUrl);
  const prepared = await prepareExamples(call);
  const examples: ToolExamples = {};
  for (const [name, { input: inputFor, before, beside, after }] of exampleCalls) {
    await before?.(call, prepared);
    const input = { ...inputFor(prepared) };
    const [output] = await Promise.all([call(name, input), beside?.(call, prepared)]);
    await after?.(call);
    if ("error" in output) throw new Error(`${name}: ${JSON.stringify(output["error"])}`);
    const dull = dullness(output);
    if (dull !== null) throw new Error(`${name}: ${dull}`);
    examples[name] = { input, output: shorten(output) };
    if (name === "ibkr_disconnect") {
      // the others need TWS again
      await call("ibkr_connect");
      await eventually(
        () => call("ibkr_get_status"),
        (status) => status["is_connected"] === true,
      );
    }
  }
  await client.close();
  return examples;
}

/** Another file than the one in docs, for a look. */
const file = process.argv[2] ?? fileURLToPath(new URL("../../../docs/examples/tools.json", import.meta.url));

const system = await startSystem();
try {
  const examples = await recordExamples(system.mcpUrl);
  writeFileSync(file, `${JSON.stringify(examples, null, 2)}\n`);
} finally {
  await system.close();
}
