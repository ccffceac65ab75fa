import { expect, test } from "vitest";
import { decodeRequest } from "./requests-decode.ts";

test("no message of the protocol is met with silence but those that need no answer", () => {
  const isSilent = (id: number): boolean => {
    try {
      return decodeRequest([String(id), ...Array.from({ length: 400 }, () => "")], 193).type === "ignored";
    } catch {
      return false;
    }
  };
  const ids = Array.from({ length: 300 }, (_, id) => id);
  // the log level; the ends of what was answered at once: companies, options, a display group, histograms, first data
  expect(ids.filter(isSilent)).toEqual([14, 53, 56, 57, 70, 89, 90]);
});
