import { exports } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import {
  at,
  authorizePath,
  createBrowser,
  newProof,
  passphrase,
  publicUrl,
  registered,
} from "./access.fixture.ts";

/** Headers of a deployment whose address begins with https. */

const paths = ["/", "/health", "/sign-in", "/grants", "/token", "/api/v1/mcp", "/nothing"];

test("every answer under the public address tells browsers never to come by http", async () => {
  for (const path of paths) {
    const { headers } = await at(path);
    expect([path, headers.get("Strict-Transport-Security")]).toEqual([path, "max-age=31536000"]);
  }
});

test("nothing is promised for another name", async () => {
  const { headers } = await exports.default.fetch("http://10.0.0.1/health");
  expect(headers.get("Strict-Transport-Security")).toBeNull();
});

describe("a window that opened the edge", () => {
  const policyOf = ({ headers }: Response) => headers.get("Cross-Origin-Opener-Policy");

  test("has no hold on its pages", async () => {
    for (const path of paths) expect([path, policyOf(await at(path))]).toEqual([path, "same-origin"]);
  });

  test("keeps hold on the way to consent alone, where a client waits for its window", async () => {
    const browser = createBrowser();
    const { challenge } = await newProof();
    const path = authorizePath(await registered(), challenge);
    expect(policyOf(await browser.get(path))).toBe("unsafe-none");
    const signedIn = await browser.submit("/sign-in", { passphrase, next: path });
    expect([signedIn.status, policyOf(signedIn)]).toEqual([303, "unsafe-none"]);
    expect(policyOf(await browser.get(path))).toBe("unsafe-none");
    const elsewhere = await createBrowser().submit("/sign-in", { passphrase, next: "/grants" });
    expect(policyOf(elsewhere)).toBe("same-origin");
  });
});

test("/.well-known/security.txt says where to report a hole, and until when that is good", async () => {
  const answer = await at("/.well-known/security.txt");
  expect(answer.headers.get("Content-Type")).toBe("text/plain; charset=utf-8");
  const fields = new Map(
    (await answer.text())
      .trim()
      .split("\n")
      .map((line) => {
        const [name = "", ...value] = line.split(": ");
        return [name, value.join(": ")] as const;
      }),
  );
  expect(fields.get("Contact")).toBe("mailto:security@tws.example");
  expect(fields.get("Canonical")).toBe(`${publicUrl}/.well-known/security.txt`);
  const expiresInMs = Date.parse(fields.get("Expires") ?? "") - Date.now();
  expect(expiresInMs).toBeGreaterThan(0);
  expect(expiresInMs).toBeLessThan(365 * 24 * 3_600_000);
});
