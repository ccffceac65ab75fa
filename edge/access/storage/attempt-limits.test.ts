import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { type Attempts, createAttempts } from "./attempt-limits.ts";
import { createBrowser } from "../access.fixture.ts";
import { openAccessStore } from "./store.ts";

const withAttempts = (work: (attempts: Attempts) => void): Promise<void> =>
  runInDurableObject(env.ACCESS.getByName("access"), (_, { storage }) =>
    work(createAttempts(openAccessStore(storage), Date.now)),
  );

describe("strangers who fail without end, each from an address of their own", () => {
  const flood = (attempts: Attempts): void => {
    for (let count = 0; count < 40; count += 1) attempts.failed("sign-in", crypto.randomUUID());
  };

  test("keep the owner waiting who comes from a new address, and not from one where they have signed in", async () => {
    const [known, fresh] = ["192.0.2.1", "192.0.2.2"];
    await createBrowser(known).signIn();
    await withAttempts((attempts) => {
      flood(attempts);
      expect(attempts.waitMs("sign-in", fresh)).toBeGreaterThan(30_000);
      expect(attempts.waitMs("sign-in", known)).toBe(0);
    });
    await createBrowser(known).signIn();
  });

  test("do not help one who guesses from the owner's address", async () => {
    const known = "192.0.2.3";
    await createBrowser(known).signIn();
    await withAttempts((attempts) => {
      for (let count = 0; count < 12; count += 1) attempts.failed("sign-in", known);
      expect(attempts.waitMs("sign-in", known)).toBeGreaterThan(14 * 60_000);
    });
  });

  test("are not let through where nobody says who comes from where", async () => {
    await withAttempts((attempts) => {
      attempts.trust("sign-in", "unknown");
      flood(attempts);
      expect(attempts.waitMs("sign-in", "unknown")).toBeGreaterThan(30_000);
    });
  });
});
