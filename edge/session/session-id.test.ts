import { describe, expect, it } from "vitest";
import { importSessionKey, mintSessionId, readSessionId } from "./session-id.ts";
import { toBase64Url } from "../crypto/base64url.ts";

const now = Date.UTC(2026, 0, 5);
const dayMs = 24 * 3600 * 1000;
const none = { form: false, url: false };
const key = await importSessionKey("secret");

describe("a session id", () => {
  it("is one visible ASCII word, new each time, and names its session", async () => {
    const [one, other] = [
      await mintSessionId(key, "grant", now, none),
      await mintSessionId(key, "grant", now, none),
    ];
    expect(one).toMatch(/^[\x21-\x7e]{60,90}$/);
    expect(one).not.toBe(other);
    const session = await readSessionId(key, one, "grant", now);
    expect(session).toEqual({ name: one.slice(0, 22), expiresAt: now + 30 * dayMs, elicits: none });
  });

  it("carries what its client can be asked, and nobody can change that", async () => {
    for (const elicits of [
      { form: true, url: false },
      { form: false, url: true },
      { form: true, url: true },
    ]) {
      const id = await mintSessionId(key, "grant", now, elicits);
      expect(await readSessionId(key, id, "grant", now)).toMatchObject({ elicits });
      const [name, issuedAt, , mac] = id.split(".");
      for (const part of ["", ".f", ".u", ".fu"].filter((one) => !id.includes(`${one}.${mac}`))) {
        expect(await readSessionId(key, `${name}.${issuedAt}${part}.${mac}`, "grant", now)).toBeNull();
      }
    }
  });

  it("of a release before elicitation is still good", async () => {
    const [name, issuedAt] = ["A".repeat(22), now.toString(36)];
    const text = new TextEncoder().encode(JSON.stringify([name, issuedAt, "grant"]));
    const mac = toBase64Url(new Uint8Array(await crypto.subtle.sign("HMAC", key, text)));
    const session = await readSessionId(key, `${name}.${issuedAt}.${mac}`, "grant", now);
    expect(session).toMatchObject({ name, elicits: none });
  });

  it("is worth nothing to another grant, under another key, or after thirty days", async () => {
    const id = await mintSessionId(key, "grant", now, none);
    expect(await readSessionId(key, id, "grant", now + 30 * dayMs - 1)).not.toBeNull();
    expect(await readSessionId(key, id, "grant", now + 30 * dayMs)).toBeNull();
    expect(await readSessionId(key, id, "other", now)).toBeNull();
    expect(await readSessionId(await importSessionKey("other"), id, "grant", now)).toBeNull();
  });

  it.each(["", "x", "a.b.c", `${"A".repeat(22)}.mk0.${"A".repeat(43)}`])(
    "made up is refused: %j",
    async (id) => {
      expect(await readSessionId(key, id, "grant", now)).toBeNull();
    },
  );
});
