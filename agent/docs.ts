import { writeFileSync } from "node:fs";
import { errorsPage, toolsPage } from "../shared/pages.ts";

/** The pages of docs/ that are generated from shared/, by file name. */
export const generatedPages: Readonly<Record<string, () => string>> = {
  "tools.md": toolsPage,
  "errors.md": errorsPage,
};

if (import.meta.main) {
  for (const [file, page] of Object.entries(generatedPages)) {
    writeFileSync(new URL(`../docs/${file}`, import.meta.url), page());
  }
}
