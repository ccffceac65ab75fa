import { describe, expect, test } from "vitest";

import { isPublic } from "./public-fetch.ts";
import {
  at,
  authorizePath,
  callback,
  choice,
  createBrowser,
  form,
  hidden,
  newProof,
  obtainCode,
  publicUrl,
  registered,
} from "../access.fixture.ts";
import { createMachine, pairWith } from "../machines/machine.fixture.ts";

/** Attacks on the owner's pages and what leads to them; token-attacks.test.ts says where which attack is. */

const signedIn = async () => {
  const browser = createBrowser();
  await browser.signIn();
  return browser;
};

describe("redirect-URI variants:", () => {
  test.each([
    ["a port", "https://client.example:8443/callback"],
    ["a fragment", `${callback}#x`],
    ["an escaped letter", "https://client.example/%63allback"],
    ["escaped dots", "https://client.example/%2e%2e/callback"],
    ["a backslash", "https://client.example\\@evil.example/callback"],
    ["a dot at the end of the name", "https://client.example./callback"],
    ["a tab within", "https://client.exam\tple/callback"],
    ["letters that look alike", "https://cl\u0456ent.example/callback"],
    ["a name before it", "https://evil@client.example/callback"],
    ["data", "data:text/html,hello"],
    ["another program's scheme", "evil-app://callback"],
  ])("%s makes it another address, which is never gone to", async (_, redirect_uri) => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    const answer = await browser.get(authorizePath(await registered(), challenge, { redirect_uri }));
    expect([answer.status, answer.headers.get("Location")]).toEqual([400, null]);
  });

  test("a second one in the same address does not replace the first", async () => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    const path = `${authorizePath(await registered(), challenge)}&redirect_uri=https://evil.example/`;
    const answer = await browser.get(path);
    expect(answer.headers.get("Location") ?? "").not.toContain("evil.example");
    expect(await answer.text()).not.toContain("evil.example");
  });
});

test("issuer confusion: every answer to a client names this issuer, by the public address alone", async () => {
  const browser = await signedIn();
  const { challenge } = await newProof();
  const clientId = await registered();
  for (const changes of [
    { response_type: "token" },
    { scope: "everything" },
    { resource: "https://other.example/mcp" },
    { code_challenge_method: "plain" },
  ]) {
    const location = (await browser.get(authorizePath(clientId, challenge, changes))).headers.get("Location");
    if (location === null) continue;
    const { origin, pathname, searchParams } = new URL(location);
    expect([`${origin}${pathname}`, searchParams.get("iss")]).toEqual([callback, publicUrl]);
    expect(searchParams.get("code")).toBeNull();
  }
  const { target } = await obtainCode(browser, clientId, { decision: "deny" });
  expect(target.searchParams.get("iss")).toBe(publicUrl);
});

describe("consent CSRF:", () => {
  test("nothing is agreed to by an address alone", async () => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    const path = authorizePath(await registered(), challenge);
    const page = await (await browser.get(path)).text();
    const fields = { ...choice, csrf: hidden(page, "csrf"), handle: hidden(page, "handle") };
    const answer = await browser.get(`${path}&${new URLSearchParams(fields).toString()}`);
    expect([answer.status, answer.headers.get("Location")]).toEqual([200, null]);
  });

  test("a form of another type, which any site can send, is none", async () => {
    const browser = await signedIn();
    const { challenge } = await newProof();
    const page = await (await browser.get(authorizePath(await registered(), challenge))).text();
    const fields = { ...choice, csrf: hidden(page, "csrf"), handle: hidden(page, "handle") };
    for (const type of ["text/plain", "multipart/form-data; boundary=x", "application/json"]) {
      const answer = await browser.submit("/authorize", fields, { "Content-Type": type });
      expect([type, answer.status]).toEqual([type, 403]);
    }
  });

  test("a cookie that somebody planted is no session", async () => {
    const browser = createBrowser();
    browser.cookies.set("__Host-tws-edge-owner", "A".repeat(43));
    expect(await (await browser.get("/grants")).text()).toContain("passphrase");
    await browser.signIn();
    expect(browser.cookies.get("__Host-tws-edge-owner")).not.toBe("A".repeat(43));
  });

  test("no page of the owner can be read or called by another origin", async () => {
    const browser = await signedIn();
    for (const path of ["/grants", "/pair", "/authorize", "/sign-in"]) {
      const answer = await browser.submit(path, {}, { Origin: "https://evil.example" });
      expect([path, answer.status]).toEqual([path, 403]);
      const own = await browser.get(path);
      expect(own.headers.has("Access-Control-Allow-Origin")).toBe(false);
      expect(own.headers.has("Access-Control-Allow-Credentials")).toBe(false);
    }
  });
});

describe("XSS in client names:", () => {
  const evil = `"><script>alert(1)</script><svg onload=alert(2)>'\u202E`;

  test("nothing of a client, a host or a machine runs on any page", async () => {
    const browser = await signedIn();
    const clientId = await registered({
      client_name: evil,
      client_uri: "https://x.example/",
      logo_uri: "https://x.example/",
    });
    await obtainCode(browser, clientId);
    const machine = await createMachine(evil.slice(0, -1));
    await pairWith(machine, { name: `<b>${crypto.randomUUID()}` });
    const { challenge } = await newProof();
    for (const path of ["/grants", "/pair", authorizePath(clientId, challenge, { state: evil })]) {
      const page = await (await browser.get(path)).text();
      expect([path, page.match(/<(script|svg|b|img)\b/i)]).toEqual([path, null]);
      expect(page).not.toContain("x.example");
    }
    const asked = await (
      await createBrowser().get(authorizePath(clientId, challenge, { state: evil }))
    ).text();
    expect(asked).not.toMatch(/<(script|svg)\b/i);
  });
});

test.each([
  "https://2130706433/client.json",
  "https://0177.0.0.1/client.json",
  "https://127.1/client.json",
  "https://[::ffff:127.0.0.1]/client.json",
  "https://[fe80::1]/client.json",
  "https://100.64.0.1/client.json",
  "https://172.16.0.1/client.json",
  "https://192.168.1.1/client.json",
  "https://metadata.google.internal/client.json",
  "https://localhost./client.json",
  "https://user:password@app.example/client.json",
  "https://intranet/client.json",
])("metadata-document SSRF: nothing is fetched from %s", async (clientId) => {
  expect(isPublic(clientId)).toBe(false);
  const browser = await signedIn();
  const { challenge } = await newProof();
  expect((await browser.get(authorizePath(clientId, challenge))).status).toBe(400);
  // a stranger gets nothing fetched at all
  const answer = await at(
    "/token",
    form({ grant_type: "authorization_code", client_id: clientId, code: "x" }),
  );
  expect(answer.status).toBe(400);
});
