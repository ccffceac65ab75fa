import { describe, expect, it } from "vitest";
import { importSessionKey, mintSessionId, readSessionId } from "./session-id.ts";

const now = Date.UTC(2026, 0, 5);
const dayMs = 24 * 3600 * 1000;
const key = await importSessionKey("secret");

describe("a session id", () => {
  it("is one visible ASCII word, new each time, and names its session", async () => {
    const [one, other] = [await mintSessionId(key, "grant", now), await mintSessionId(key, "grant", now)];
    expect(one).toMatch(/^[\x21-\x7e]{60,90}$/);
    expect(one).not.toBe(other);
    const session = await readSessionId(key, one, "grant", now);
    expect(session).toEqual({ name: one.slice(0, 22), expiresAt: now + 30 * dayMs });
  });

  it("is worth nothing to another grant, under another key, or after thirty days", async () => {
    const id = await mintSessionId(key, "grant", now);
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
