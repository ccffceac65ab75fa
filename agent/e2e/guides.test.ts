import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startGuideReader } from "./docs/guide-reader.ts";
import { readGuide } from "./docs/guide.ts";
import { startSystem } from "./rigs/system.ts";

const root = new URL("../../", import.meta.url);
const guides = readdirSync(new URL("docs/guides/", root)).map((file) => `docs/guides/${file}`);

/** What did not go as the guide says, each with its line. */
async function follow(markdown: string): Promise<string[]> {
  const steps = readGuide(markdown);
  const system = await startSystem();
  const reader = await startGuideReader(system);
  const stumbles: string[] = [];
  for (const step of steps) {
    await reader.follow(step).catch((error: unknown) => {
      stumbles.push(`line ${step.line}, ${step.kind}: ${String(error)}`);
    });
  }
  await reader.close();
  await system.close();
  return stumbles;
}

test.for(["README.md", ...guides])("%s can be followed word for word", { timeout: 120_000 }, async (file) => {
  expect(await follow(readFileSync(new URL(file, root), "utf8"))).toEqual([]);
});

test("a guide that misspells a tool, an argument, a field, an address or an error is found out", async () => {
  const stumbles = await follow(`
\`ibkr_get_quots\` with \`{}\`

\`ibkr_search_symbols\`

\`\`\`json
{ "patern": "Apple" }
\`\`\`

\`ibkr_search_symbols\` with \`{"pattern":"Apple"}\`

\`\`\`json
{ "results": [{ "conid": 265598 }] }
\`\`\`

\`ibkr_get_pnl_single\` with \`{"conId":"<contractId>"}\`

Read \`ibkr://news-bulletin\` or \`hasMor\`.

\`ws://127.0.0.1:8000/api/v1/stream/market-data\` takes \`{"action":"subscrib","symbol":"AAPL"}\`

## Errors

| what you see              | after                                             | what to do |
| ------------------------- | ------------------------------------------------- | ---------- |
| \`no_data\`: 12           | \`ibkr_get_head_timestamp\` \`{"symbol":"AAPL"}\` | nothing    |
| \`unknown_contract\`: AAA | \`ibkr_get_quotes\` \`{"symbols":7}\`             | nothing    |
`);
  const lines = stumbles.map((stumble) => /^line (\d+), (\w+)/.exec(stumble)?.slice(1).join(" "));
  expect(lines).toEqual([
    "2 tool",
    "2 call",
    "6 call",
    "12 excerpt",
    "16 call",
    "18 read",
    "18 word",
    "20 talk",
    "26 call",
    "27 call",
  ]);
});

test.for([
  ["arguments of no tool", 'Give it `{"symbol":"AAPL"}`.', "line 1: it does not say which tool takes"],
  ["a block that is not JSON", "`ibkr_get_pnl`\n\n```json\n{\n```\n", "line 3: not JSON"],
  ["a block that does not end", "```json\n{}\n", "line 1: the block does not end"],
  ["a block of an unknown kind", "```yaml\na: 1\n```\n", "line 1: the notation has no block of this kind"],
  [
    "a curl that is not complete",
    "```sh\ncurl http://127.0.0.1:8000\n```\n",
    "line 2: a curl of another form",
  ],
] as const)("a guide with %s does not keep to the notation", ([, markdown, message]) => {
  expect(() => readGuide(markdown)).toThrow(message);
});
