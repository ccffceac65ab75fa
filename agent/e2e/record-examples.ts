import { writeFileSync } from "node:fs";
import type { ToolExamples } from "../../shared/pages.ts";
import { connectModern, eventually } from "./clients.ts";
import { startSystem } from "./system.ts";
import { lookAround, toolCalls } from "./tool-calls.ts";

/** How much of an answer is shown. */
interface Measure {
  readonly rows: number;
  readonly fields: number;
  readonly characters: number;
}

/** From the most that is shown to the least; the first that fits is taken. */
const measures: readonly Measure[] = [
  { rows: 2, fields: Infinity, characters: 200 },
  { rows: 1, fields: Infinity, characters: 100 },
  { rows: 1, fields: 16, characters: 60 },
  { rows: 1, fields: 8, characters: 40 },
];
const mostCharacters = 1_500;

/** The answer, cut where needed to be read on a page; "…" stands for what is left out. */
function shorten(output: Record<string, unknown>): Record<string, unknown> {
  for (const measure of measures) {
    const shown = cutFields(output, measure);
    if (JSON.stringify(shown, null, 2).length <= mostCharacters) return shown;
  }
  throw new Error("An answer does not fit by any measure");
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
  const shown = fields
    .slice(0, measure.fields)
    .map(([name, value]): [string, unknown] => [name, cut(value, measure)]);
  return Object.fromEntries(fields.length > measure.fields ? [...shown, ["…", "…"]] : shown);
}

/** Makes the good call of each tool, in order, on a system of its own. Throws where one fails. */
async function recordExamples(mcpUrl: string): Promise<ToolExamples> {
  const { client, call } = await connectModern(mcpUrl);
  const known = await lookAround(call);
  const examples: ToolExamples = {};
  for (const [name, { good }] of Object.entries(toolCalls)) {
    const input = { ...good(known) };
    const output = await call(name, input);
    if ("error" in output) throw new Error(`${name}: ${JSON.stringify(output["error"])}`);
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

const system = await startSystem();
try {
  const examples = await recordExamples(system.mcpUrl);
  writeFileSync(
    new URL("../../docs/examples/tools.json", import.meta.url),
    `${JSON.stringify(examples, null, 2)}\n`,
  );
} finally {
  await system.close();
}
