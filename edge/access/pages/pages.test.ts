import { env } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import { hostOf } from "../../config/bindings.ts";
import { connectAgent, connectedStatus } from "../../host/host.fixture.ts";
import { isPublic } from "../oauth/public-fetch.ts";
import {
  at,
  authorizePath,
  callback,
  choice,
  createBrowser,
  exchange,
  form,
  granted,
  hidden,
  mcp,
  newProof,
  obtainCode,
  passphrase,
  publicUrl,
  register,
  registered,
} from "../access.fixture.ts";

const signedIn = async () => {
  const browser = createBrowser();
  await browser.signIn();
  return browser;
};

const consentPage = async (browser: ReturnType<typeof createBrowser>, changes = {}) => {
  const { challenge } = await newProof();
  return await browser.get(authorizePath(await registered(changes), challenge));
};

describe("signing in", () => {
  test("is asked for first, and leads back to where the owner was sent", async () => {
    const browser = createBrowser();
    const { challenge } = await newProof();
    const path = authorizePath(await registered(), challenge);
    const page = await (await browser.get(path)).text();
    expect(page).toContain("passphrase");
    const next = hidden(page, "next").replaceAll("&amp;", "&");
    const answer = await browser.submit("/sign-in", { passphrase, next });
    expect([answer.status, answer.headers.get("Location")]).toEqual([303, `${publicUrl}${path}`]);
    expect(await (await browser.get(path)).text()).toContain("Give access?");
  });

  test("gives a cookie that no script and no other site gets at, and that says nothing", async () => {
    const browser = createBrowser();
    const answer = await browser.submit("/sign-in", { passphrase, next: "/grants" });
    const [cookie = ""] = answer.headers.getSetCookie();
    expect(cookie).toMatch(
      /^__Host-tws-edge-owner=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=900$/,
    );
  });

  test.each([
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "javascript:alert(1)",
    "\\\\evil",
  ])("open redirect: never leads to %s", async (next) => {
    const answer = await createBrowser().submit("/sign-in", { passphrase, next });
    expect(answer.headers.get("Location")).toBe(`${publicUrl}/grants`);
  });

  test("from another site's form is refused", async () => {
    for (const Origin of ["https://evil.example", "null", ""]) {
      const answer = await createBrowser().submit("/sign-in", { passphrase, next: "/" }, { Origin });
      expect([Origin, answer.status]).toEqual([Origin, 403]);
    }
    expect((await at("/sign-in", form({ passphrase, next: "/" }))).status).toBe(403);
  });

  test("passphrase guessing: takes longer and longer for one that guesses, even in many requests at once, and the owner still gets in", async () => {
    const address = crypto.randomUUID();
    const guess = () => createBrowser(address).submit("/sign-in", { passphrase: "wrong", next: "/" });
    const answers = await Promise.all(Array.from({ length: 8 }, guess));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 403).length).toBeLessThanOrEqual(3);
    const last = await guess();
    expect(last.status).toBe(429);
    expect(Number(last.headers.get("Retry-After"))).toBeGreaterThan(0);
    // not even the right one, from there
    expect((await createBrowser(address).submit("/sign-in", { passphrase, next: "/" })).status).toBe(429);
    await createBrowser().signIn();
  });

  test("ends by signing out", async () => {
    const browser = await signedIn();
    const kept = [...browser.cookies];
    const csrf = hidden(await (await browser.get("/grants")).text(), "csrf");
    await browser.submit("/grants", { csrf, "sign-out": "yes" });
    for (const [name, value] of kept) browser.cookies.set(name, value);
    expect(await (await browser.get("/grants")).text()).toContain("passphrase");
  });
});

describe("the consent page", () => {
  test("names the client as unverified, and where access is sent", async () => {
    const page = await (await consentPage(await signedIn(), { client_name: "Claude" })).text();
    expect(page).toContain("Claude");
    expect(page).toContain("unverified");
    expect(page).toContain("client.example");
  });

  test("XSS in client names: runs nothing that a client puts into its name", async () => {
    const evil = '<script>alert(1)</script>"><img src=x onerror=alert(2)>';
    const page = await (await consentPage(await signedIn(), { client_name: evil })).text();
    expect(page).not.toMatch(/<script|<img/);
    expect(page).toContain("&lt;script&gt;");
  });

  test("clickjacking: cannot be framed, runs no script, and sends its form nowhere but here and to the client", async () => {
    const answer = await consentPage(await signedIn());
    const policy = answer.headers.get("Content-Security-Policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("form-action 'self' https://client.example");
    expect(policy).not.toContain("script-src");
    expect(answer.headers.get("X-Frame-Options")).toBe("DENY");
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    expect(await answer.text()).not.toMatch(/<script|\son[a-z]+=/i);
  });

  test("gives nothing when Enter is pressed on a choice, which presses the first button of the form", async () => {
    const page = await (await consentPage(await signedIn())).text();
    const [first = "", second = "", ...more] = page.match(/<button[^>]*>/g) ?? [];
    expect(first).toMatch(/type="submit" disabled hidden/);
    expect(page.indexOf(first)).toBeLessThan(page.indexOf("<fieldset"));
    expect([second, more.length]).toEqual(['<button name="decision" value="allow">', 1]);
  });

  test("marks live accounts, also beside paper ones", async () => {
    const accounts = ["DU1234567", "U1234567"];
    await connectAgent(hostOf(env), {
      status: { ...connectedStatus, tws: { ...connectedStatus.tws, accounts } },
    });
    const page = (await (await consentPage(await signedIn())).text()).replaceAll(/\s+/g, " ");
    expect(page).toContain("U1234567 <strong>LIVE</strong>");
    expect(page).toContain("DU1234567 paper");
    expect(page).toContain("Accounts marked LIVE hold real money.");
  });

  test.each([
    "https://client.example;sandbox/callback",
    "https://client.example,default-src/callback",
    "https://*.example/callback",
    "https://*/callback",
  ])(
    "policy injection: the redirect address %s adds nothing to the policy of the page",
    async (redirect_uri) => {
      const browser = await signedIn();
      const registration: { client_id?: string } = await (
        await register({ redirect_uris: [redirect_uri] })
      ).json();
      const { challenge } = await newProof();
      const answer = await browser.get(
        authorizePath(registration.client_id ?? "nobody", challenge, { redirect_uri }),
      );
      expect(answer.status).toBe(400);
      expect(answer.headers.get("Content-Security-Policy")).toMatch(/form-action 'self'$/);
      expect(answer.headers.has("Location")).toBe(false);
    },
  );

  test("shows letters that would hide or turn round others as what they are not", async () => {
    const browser = await signedIn();
    const evil = "Clau\u202Ede\u0007 \u2066x\u200B\u009B31m";
    const clientId = await registered({ client_name: evil });
    const { code, verifier } = await obtainCode(browser, clientId);
    const { challenge } = await newProof();
    for (const path of [authorizePath(clientId, challenge), "/grants"]) {
      const page = await (await browser.get(path)).text();
      expect(page).toContain("Clau\uFFFDde\uFFFD \uFFFDx\uFFFD\uFFFD31m");
      expect(page).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }
    const tokens: { access_token: string } = await (await exchange(clientId, code, verifier)).json();
    const known = await env.ACCESS.getByName("access").identify(
      tokens.access_token,
      `${publicUrl}/api/v1/mcp`,
    );
    expect(known).toMatchObject({ caller: { client: "Clau\uFFFDde\uFFFD \uFFFDx\uFFFD\uFFFD31m" } });
  });

  test("warns when access goes to a program on the reader's computer", async () => {
    const browser = await signedIn();
    const redirect_uri = "http://127.0.0.1:1234/callback";
    const clientId = await registered({ redirect_uris: [redirect_uri] });
    const { challenge } = await newProof();
    const page = await (await browser.get(authorizePath(clientId, challenge, { redirect_uri }))).text();
    expect(page).toContain("a program on the computer where you read this");
  });

  test.each([
    ["no token of the session", () => ""],
    ["a made-up one", () => "x".repeat(43)],
  ])("consent CSRF: takes no form with %s", async (_, csrf) => {
    const browser = await signedIn();
    const page = await (await consentPage(browser)).text();
    const fields = { ...choice, csrf: csrf(), handle: hidden(page, "handle") };
    expect((await browser.submit("/authorize", fields)).status).toBe(403);
  });

  test("takes no form of another session, and each form once", async () => {
    const [browser, other] = [await signedIn(), await signedIn()];
    const page = await (await consentPage(browser)).text();
    const fields = { ...choice, csrf: hidden(page, "csrf"), handle: hidden(page, "handle") };
    expect((await other.submit("/authorize", fields)).status).toBe(403);
    const otherCsrf = hidden(await (await other.get("/grants")).text(), "csrf");
    expect((await other.submit("/authorize", { ...fields, csrf: otherCsrf })).status).toBe(400);
    expect((await browser.submit("/authorize", fields)).status).toBe(302);
    expect((await browser.submit("/authorize", fields)).status).toBe(400);
  });

  test("consent CSRF: takes no form from another site", async () => {
    const browser = await signedIn();
    const page = await (await consentPage(browser)).text();
    const fields = { ...choice, csrf: hidden(page, "csrf"), handle: hidden(page, "handle") };
    const answer = await browser.submit("/authorize", fields, { Origin: "https://evil.example" });
    expect(answer.status).toBe(403);
  });

  test("says nothing to an address that no known client has", async () => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    const answer = await browser.get(authorizePath("nobody", challenge));
    expect([answer.status, answer.headers.get("Location")]).toEqual([400, null]);
  });

  test.each([
    "https://127.0.0.1/client.json",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/client.json",
    "https://10.0.0.1/client.json",
    "https://0x7f.1/client.json",
    "https://localhost/client.json",
    "https://printer.local/client.json",
    "http://client.example/client.json",
  ])("metadata-document SSRF: does not look for a client's description at %s", async (clientId) => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    expect((await browser.get(authorizePath(clientId, challenge))).status).toBe(400);
    expect(isPublic(clientId)).toBe(false);
  });
});

describe("a client that describes itself at its own address", () => {
  const open = async (clientId: string) => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    return await browser.get(
      authorizePath(clientId, challenge, { redirect_uri: "https://app.example/callback" }),
    );
  };

  test("is shown with its domain", async () => {
    const page = await (await open("https://app.example/client.json")).text();
    expect(page).toContain("Described application");
    expect(page).toContain("<dd>app.example</dd>");
    expect(page).not.toContain("unverified");
  });

  test("metadata-document SSRF: is not followed to another one", async () => {
    expect((await open("https://app.example/moved.json")).status).toBe(400);
  });
});

test("descriptions of clients are looked for at public names", () => {
  expect(["https://claude.ai/client.json", "https://8.8.8.8/x"].every(isPublic)).toBe(true);
});

test("/grants lists what was agreed to, and ends it", async () => {
  const { browser, tokens, grantId } = await granted();
  const page = await (await browser.get("/grants")).text();
  expect(page).toContain("Test client");
  expect(page).toContain(grantId);
  expect((await mcp(tokens.access_token)).status).toBe(200);
  const csrf = hidden(page, "csrf");
  expect((await browser.submit("/grants", { revoke: grantId, csrf: "" })).status).toBe(403);
  expect((await browser.submit("/grants", { revoke: grantId, csrf })).status).toBe(303);
  await expect.poll(async () => (await mcp(tokens.access_token)).status, { timeout: 3_000 }).toBe(401);
  expect(await (await browser.get("/grants")).text()).not.toContain(grantId);
});

test("registration floods: an address registers so many clients an hour, and another is not held up", async () => {
  const address = crypto.randomUUID();
  for (let count = 0; count < 20; count += 1) expect((await register({}, address)).status).toBe(201);
  const refused = await register({}, address);
  expect([refused.status, refused.headers.get("Retry-After")]).toEqual([429, "3600"]);
  expect((await register()).status).toBe(201);
});

test.each([
  ["javascript:alert(1)", false],
  ["http://client.example/callback", false],
  [callback, true],
  ["http://localhost:1/callback", true],
])("a client that registers the redirect address %s: %s", async (address, isTaken) => {
  expect((await register({ redirect_uris: [address] })).ok).toBe(isTaken);
});
