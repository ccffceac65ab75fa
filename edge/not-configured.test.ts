import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Env } from "./config/bindings.ts";
import worker from "./worker.ts";

const hash = "pbkdf2$100000$ZTHFPZwUdN6T4MWs2fU7Rw$sxx3Xn-fOGv44ucyiBmat78Ex10JoemsFh3ZQJL_sMA";
const signIn: Partial<Env> = { AUTH: "on", PUBLIC_URL: "https://tws.example", OWNER_PASSPHRASE_HASH: hash };

const at = (
  variables: Partial<Env>,
  path: string,
  headers: Record<string, string> = {},
  method: "GET" | "POST" = "GET",
) =>
  worker.fetch(
    new Request<unknown, IncomingRequestCfProperties>(`https://tws.example${path}`, { headers, method }),
    { ...env, ...variables },
    createExecutionContext(),
  );

const browser = { Accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" };

describe("an edge whose sign-in lacks its secrets", () => {
  it.each(["/", "/api/v1/mcp", "/authorize", "/pair", "/nothing"])(
    "shows a browser at %s a page that names what is missing",
    async (path) => {
      const response = await at({ AUTH: "on" }, path, browser);
      expect(response.status).toBe(503);
      expect(response.headers.get("Content-Type")).toBe("text/html; charset=utf-8");
      const page = await response.text();
      expect(page).toContain("PUBLIC_URL: ");
      expect(page).toContain("OWNER_PASSPHRASE_HASH: ");
      expect(page).toContain('<html lang="en">');
    },
  );

  it("lets that page run nothing, be framed by nobody and be kept nowhere", async () => {
    const { headers } = await at({ AUTH: "on" }, "/", browser);
    const policy = headers.get("Content-Security-Policy") ?? "";
    expect(policy).toMatch(/^default-src 'none'; style-src 'nonce-[\w-]+'; frame-ancestors 'none';/);
    expect(policy).not.toContain("script");
    expect(headers.get("X-Frame-Options")).toBe("DENY");
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(headers.get("Cache-Control")).toBe("no-store");
    expect(headers.get("Vary")).toContain("Accept");
  });

  it("runs nothing that stands in a variable", async () => {
    const page = await (await at({ ALLOWED_ORIGINS: "<script>alert(1)</script>" }, "/", browser)).text();
    expect(page).toContain("&lt;script&gt;");
    expect(page).not.toContain("<script>");
  });

  it.each([{}, { Accept: "application/json" }, { Accept: "*/*" }])(
    "answers everything else in JSON, as with %j",
    async (headers: Record<string, string>) => {
      const response = await at({ AUTH: "on" }, "/", headers);
      expect([response.status, response.headers.get("Content-Type")]).toEqual([503, "application/json"]);
      const { problems } = await response.json<{ problems: string[] }>();
      expect(problems.map((problem) => problem.split(":")[0])).toEqual([
        "PUBLIC_URL",
        "OWNER_PASSPHRASE_HASH",
      ]);
    },
  );

  it("answers the post of a form in JSON too", async () => {
    const response = await at({ AUTH: "on" }, "/sign-in", browser, "POST");
    expect([response.status, response.headers.get("Content-Type")]).toEqual([503, "application/json"]);
  });

  it("still answers /health, which tells no more", async () => {
    const response = await at({ AUTH: "on" }, "/health", browser);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: "misconfigured" });
  });
});

describe("AGENT_TOKEN on an edge with sign-in", () => {
  it("is refused as a mistake, so that no shared secret is a way in beside the keys", async () => {
    const response = await at({ ...signIn, AGENT_TOKEN: "a-token-of-the-test" }, "/");
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("AGENT_TOKEN: is for an edge without sign-in");
  });

  it("may be empty", async () => {
    expect((await at({ ...signIn, AGENT_TOKEN: "" }, "/")).status).toBe(200);
  });
});
