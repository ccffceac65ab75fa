import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { type AttemptLimits, createAttemptLimits } from "./attempt-limits.ts";
import { createBrowser } from "../access.fixture.ts";
import { openAccessStore } from "./store.ts";

const withLimits = (work: (limits: AttemptLimits) => void): Promise<void> =>
  runInDurableObject(env.ACCESS.getByName("access"), (_, { storage }) =>
    work(createAttemptLimits(openAccessStore(storage), Date.now)),
  );

describe("strangers who fail without end, each from an address of their own", () => {
  const flood = (limits: AttemptLimits): void => {
    for (let count = 0; count < 40; count += 1) limits.failed("sign-in", crypto.randomUUID());
  };

  test("keep the owner waiting who comes from a new address, and not from one where they have signed in", async () => {
    const [known, fresh] = ["192.0.2.1", "192.0.2.2"];
    await createBrowser(known).signIn();
    await withLimits((limits) => {
      flood(limits);
      expect(limits.waitMs("sign-in", fresh)).toBeGreaterThan(30_000);
      expect(limits.waitMs("sign-in", known)).toBe(0);
    });
    await createBrowser(known).signIn();
  });

  test("do not help one who guesses from the owner's address", async () => {
    const known = "192.0.2.3";
    await createBrowser(known).signIn();
    await withLimits((limits) => {
      for (let count = 0; count < 12; count += 1) limits.failed("sign-in", known);
      expect(limits.waitMs("sign-in", known)).toBeGreaterThan(14 * 60_000);
    });
  });

  test("are not let through where nobody says who comes from where", async () => {
    await withLimits((limits) => {
      limits.trust("sign-in", "unknown");
      flood(limits);
      expect(limits.waitMs("sign-in", "unknown")).toBeGreaterThan(30_000);
    });
  });
});
