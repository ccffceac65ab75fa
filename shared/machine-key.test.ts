import { expect, test } from "vitest";
import { codeAlphabet, fingerprintOf, HostName, PublicKey, readCode, showCode } from "./machine-key.ts";

test.each([
  ["ABCD-EFGH", "ABCDEFGH"],
  [" abcd efgh ", "ABCDEFGH"],
  ["2345-6789", "23456789"],
  ["ABCD-EFG", null],
  ["ABCD-EFGHJ", null],
  ["ABCD-EFG0", null],
  ["ABCD-EFGÄ", null],
  ["", null],
])("what was typed as %j is the code %j", (typed, code) => {
  expect(readCode(typed)).toBe(code);
});

test("a code is shown in halves and has no letters that look alike", () => {
  expect(showCode("ABCDEFGH")).toBe("ABCD-EFGH");
  expect(codeAlphabet).not.toMatch(/[01OILUV]/);
});

// 127.0.0.1, 63.84.220.193, 63.118.7.35 and 140.98.193.141, as the proquint proposal spells them
test.each([
  ["fwAAAT9U3ME", "lusab-babad-gutih-tugad"],
  ["P3YHI4xiwY0", "gutuk-bisog-mudof-sakat"],
])("the key id %j is the words %j", (keyId, words) => {
  expect(fingerprintOf(keyId)).toBe(words);
});

test.each(["home\u202eemoh", "\u0007", " ", "x".repeat(61)])("%j is no name of a host", (name) => {
  expect(HostName.safeParse(name).success).toBe(false);
});

test("a public key drops the private half that somebody sends with it", () => {
  const key = { kty: "OKP", crv: "Ed25519", x: "a".repeat(43) };
  expect(PublicKey.parse({ ...key, d: "secret" })).toEqual(key);
});
