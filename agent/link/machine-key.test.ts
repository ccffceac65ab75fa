import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { calculateJwkThumbprint, importJWK, jwtVerify } from "jose";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fingerprintOf } from "../../shared/machine-key.ts";
import { TwsError } from "../../shared/errors.ts";
import { loadKey, loadOrCreateKey, proofOf, readKey } from "./machine-key.ts";

let folder = "";
let file = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tws-edge-key-"));
  file = join(folder, "nested", "key.json");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TwsError)) throw new Error(`Not refused: ${String(error)}`);
  return `${error.message} ${error.toBody().nextStep}`;
}

test("makes a key that only its owner can read, and finds the same again", async () => {
  const key = await loadOrCreateKey(file);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "nested")).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(folder, "nested"))).toEqual(["key.json"]);
  expect((await loadOrCreateKey(file)).keyId).toBe(key.keyId);
  expect(key.keyId).toBe(await calculateJwkThumbprint(key.publicKey));
  expect(JSON.stringify(key)).not.toContain(JSON.parse(readFileSync(file, "utf8")).d);
});

test("two processes that start at once end up with one key", async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateKey(file)));
  expect(new Set(keys.map(({ keyId }) => keyId)).size).toBe(1);
  expect(readdirSync(join(folder, "nested"))).toEqual(["key.json"]);
});

test.each([0o644, 0o640, 0o604, 0o660])(
  "refuses a key file of mode %o and says what to run",
  async (mode) => {
    await loadOrCreateKey(file);
    chmodSync(file, mode);
    const words = await refusal(loadOrCreateKey(file));
    expect(words).toContain(`mode ${mode.toString(8)}`);
    expect(words).toContain(`chmod 600 '${file}'`);
  },
);

test.each(["", "{", "null", '{"kty":"OKP"}', '{"kty":"RSA","crv":"Ed25519","x":"a","d":"b"}'])(
  "says that a file holding %j is damaged, and leaves it alone",
  async (text) => {
    file = join(folder, "key.json");
    writeFileSync(file, text, { mode: 0o600 });
    expect(await refusal(loadOrCreateKey(file))).toContain("damaged");
    expect(readFileSync(file, "utf8")).toBe(text);
  },
);

test("says that halves which do not belong together are damaged", async () => {
  await loadOrCreateKey(file);
  const other = join(folder, "other.json");
  await loadOrCreateKey(other);
  const mixed = { ...JSON.parse(readFileSync(file, "utf8")), x: JSON.parse(readFileSync(other, "utf8")).x };
  writeFileSync(file, JSON.stringify(mixed));
  expect(await refusal(loadKey(file))).toContain("damaged");
});

test("says what to do where there is no key", async () => {
  expect(await readKey(file)).toBeNull();
  expect(await refusal(loadKey(file))).toContain("tws-edge pair");
});

test("a proof is for one edge and one purpose, for a minute, and never the same twice", async () => {
  const key = await loadOrCreateKey(file);
  const nowMs = Date.parse("2026-01-05T14:30:00.500Z");
  const proofs = await Promise.all(
    [1, 2].map(() => proofOf(key, "wss://tws.example.com/api/v1/agent", "agent", nowMs)),
  );
  const publicKey = await importJWK(key.publicKey, "EdDSA");
  const seen = await Promise.all(
    proofs.map((proof) => jwtVerify(proof, publicKey, { currentDate: new Date(nowMs) })),
  );
  for (const { payload, protectedHeader } of seen) {
    expect(protectedHeader).toEqual({ alg: "EdDSA", typ: "JWT", kid: key.keyId });
    expect(payload).toMatchObject({
      aud: "https://tws.example.com/api/v1/agent",
      iat: 1767623400,
      exp: 1767623460,
    });
  }
  expect(new Set(seen.map(({ payload }) => payload.jti)).size).toBe(2);
});

test("a fingerprint is four words that can be said, and another key has others", async () => {
  const [one, other] = await Promise.all([loadOrCreateKey(file), loadOrCreateKey(join(folder, "b.json"))]);
  expect(one.fingerprint).toMatch(/^([a-z]{5}-){3}[a-z]{5}$/);
  expect(one.fingerprint).not.toBe(other.fingerprint);
  // 127.0.0.1 and 63.84.220.193, as the proquint proposal spells them
  expect(fingerprintOf("fwAAAT9U3MEAAAAA")).toBe("lusab-babad-gutih-tugad");
});
