import { readFileSync, writeFileSync } from "node:fs";
import { errorsPage, ToolExamples, toolsPage } from "./pages.ts";

/** The examples that `npm run docs:examples` recorded. */
export const readExamples = (): ToolExamples =>
  ToolExamples.parse(JSON.parse(readFileSync(new URL("../examples/tools.json", import.meta.url), "utf8")));

/** The pages of docs/ that are generated from shared/, by file name. */
export const generatedPages: Readonly<Record<string, () => string>> = {
  "tools.md": () => toolsPage(readExamples()),
  "errors.md": errorsPage,
};

if (import.meta.main) {
  for (const [file, page] of Object.entries(generatedPages)) {
    writeFileSync(new URL(`../${file}`, import.meta.url), page());
  }
}
