import { describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { isPassphrase, isPassphraseHash } from "./passphrase.ts";
import { passphrase } from "../access/access.fixture.ts";

// as vitest.config.ts has it
const hash = "pbkdf2$100000$ZTHFPZwUdN6T4MWs2fU7Rw$sxx3Xn-fOGv44ucyiBmat78Ex10JoemsFh3ZQJL_sMA";
// of the same passphrase, as `tws-edge passphrase` prints it
const usual = "pbkdf2$600000$AqR6Nbe1odxLKFFAHgNK1Q$19pW7QMEbPshCoBeIM0atUZffd8orMd0GhglGLS9h8Q";

test("the usual hash is checked within Cloudflare's 100,000 iterations at once, which workerd alone does not hold us to", async () => {
  const asked: unknown[] = [];
  const derive = crypto.subtle.deriveBits.bind(crypto.subtle);
  const spy = vi.spyOn(crypto.subtle, "deriveBits").mockImplementation(async (algorithm, key, length) => {
    const iterations = z.object({ iterations: z.int() }).parse(algorithm);
    asked.push(iterations);
    if (iterations.iterations > 100_000) throw new DOMException("not supported", "NotSupportedError");
    return await derive(algorithm, key, length);
  });
  expect(await isPassphrase(passphrase, usual)).toBe(true);
  expect(asked).toEqual(Array.from({ length: 6 }, () => ({ iterations: 100_000 })));
  spy.mockRestore();
});

describe("a hash of a passphrase", () => {
  test("is taken for its own passphrase alone", async () => {
    expect(await isPassphrase(passphrase, hash)).toBe(true);
    for (const wrong of ["", passphrase.slice(0, -1), `${passphrase} `, passphrase.toUpperCase(), hash]) {
      expect(await isPassphrase(wrong, hash)).toBe(false);
    }
  });

  test.each([
    ["fewer iterations than one round", hash.replace("100000", "99999")],
    ["one iteration", hash.replace("100000", "1")],
    ["a part of a round", hash.replace("100000", "150000")],
    ["so many that signing in never ends", hash.replace("100000", "100000000")],
    ["a short salt", hash.replace("ZTHFPZwUdN6T4MWs2fU7Rw", "ZTHF")],
    ["a short hash", hash.slice(0, -1)],
    ["another function", hash.replace("pbkdf2", "md5")],
    ["nothing", ""],
  ])("is none with %s", async (_, text) => {
    expect(isPassphraseHash(text)).toBe(false);
    expect(await isPassphrase(passphrase, text)).toBe(false);
  });
});
