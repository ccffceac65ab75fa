import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { eventually } from "./clients/clients.ts";
import { type Deployment, hidden, startDeployment } from "./rigs/multi-host-deployment.ts";

/** Everything secret that there is, used rightly and wrongly; then it is looked for where it must not be. */

const account = "DU7654321";
const secrets = new Map<string, string>();
const bodies: string[] = [];
let deployment: Deployment;

const keep = async (response: Response): Promise<string> => {
  const text = await response.text();
  bodies.push(text, JSON.stringify([...response.headers]));
  return text;
};

beforeAll(async () => {
  deployment = await startDeployment();
  const { owner, url, mcpUrl, wsUrl } = deployment;
  const host = await deployment.host("Vault", [account]);
  const grant = await deployment.grant({ host, accounts: null, permission: "trade" });
  const wrongPassphrase = "a wrong passphrase, which may be nearly right";
  const scriptToken = (await deployment.run(host, ["token", "create", "--ttl", "1h", "--quiet"])).trim();
  const ticket = async (): Promise<string> => {
    const answer = await fetch(`${url}/api/v1/tickets`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${grant.accessToken}` },
      body: '{"endpoint":"portfolio"}',
    });
    return z.object({ ticket: z.string() }).parse(await answer.json()).ticket;
  };
  const [used, unused] = [await ticket(), await ticket()];
  for (const [name, secret] of Object.entries({
    passphrase: owner.passphrase,
    wrongPassphrase,
    privateKey: host.privateKey,
    pairingCode: host.code,
    consentForm: grant.handle,
    code: grant.code,
    accessToken: grant.accessToken,
    refreshToken: grant.refreshToken,
    scriptToken,
    usedTicket: used,
    unusedTicket: unused,
    csrf: hidden(await owner.get("/grants"), "csrf"),
  })) {
    secrets.set(name, secret);
  }
  // the others that the browser has are hashes, each of a form's handle
  const [, cookie = ""] = /__Host-tws-edge-owner=([\w-]+)/.exec(owner.cookie) ?? [];
  secrets.set("cookie", cookie);

  // rightly
  const call = (token: string, name: string, input: unknown = {}) =>
    fetch(mcpUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name, arguments: input },
      }),
    });
  for (const token of [grant.accessToken, scriptToken]) {
    await eventually(
      async () => (await call(token, "ibkr_get_positions")).status,
      (status) => status === 200,
    );
  }
  await call(grant.accessToken, "ibkr_start_portfolio_resource");
  await call(grant.accessToken, "ibkr_place_order", { symbol: "IBM", action: "BUY", quantity: 1 });
  const socket = new WebSocket(`${wsUrl}/api/v1/stream/portfolio?ticket=${used}`);
  await once(socket, "message");
  socket.send(JSON.stringify({ action: "subscribe", account }));
  await once(socket, "message");
  socket.terminate();

  // wrongly: each secret wherever a request has room for it
  for (const secret of [...secrets.values(), scriptToken.slice(0, -2), `${grant.accessToken}x`]) {
    const query = encodeURIComponent(secret);
    const form = new URLSearchParams({ grant_type: "refresh_token", client_id: grant.clientId });
    for (const field of ["refresh_token", "code", "token", "code_verifier", "client_secret"]) {
      form.set(field, secret);
    }
    for (const [path, init] of [
      [`/api/v1/mcp?access_token=${query}`, {}],
      [`/api/v1/stream/news?ticket=${query}`, {}],
      [`/authorize?client_id=${query}&redirect_uri=${query}&state=${query}`, {}],
      [`/${query}`, {}],
      ["/api/v1/agent", { headers: { Authorization: `Bearer ${secret}` } }],
      ["/health", { headers: { Cookie: `x=${query}`, "X-Anything": query } }],
      ["/token", { method: "POST", body: form }],
      ["/register", { method: "POST", body: JSON.stringify({ client_name: 7, redirect_uris: [secret] }) }],
      ["/api/v1/pair", { method: "POST", body: secret, headers: { Authorization: `Bearer ${secret}` } }],
      ["/api/v1/tokens", { method: "POST", body: secret, headers: { Authorization: `Bearer ${secret}` } }],
      ["/api/v1/tickets", { method: "POST", body: secret }],
    ] as const) {
      await keep(await fetch(`${url}${path}`, { redirect: "manual", ...init }));
    }
    await keep(await call(`${secret.replaceAll(/[^\w.:-]/g, "")}x`, "ibkr_get_status"));
  }
  await keep(
    await fetch(`${url}/sign-in`, {
      method: "POST",
      headers: { Origin: url, "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ passphrase: wrongPassphrase, next: "/grants" }).toString(),
    }),
  );
  await keep(await call(grant.accessToken, "ibkr_get_order_status", { orderId: 12_345 }));
  await keep(await call(grant.accessToken, "ibkr_get_positions", { account: "DU0000000" }));
}, 90_000);
afterAll(() => deployment.close());

/** As it is, as an address has it, and the part of a token that is not its grant's name. */
const formsOf = (secret: string): string[] => {
  const [, , last = secret] = secret.split(":");
  return [...new Set([secret, encodeURIComponent(secret), last])];
};

function found(text: string, expected: readonly string[] = []): string[] {
  return [...secrets]
    .filter(([name]) => !expected.includes(name))
    .filter(([, secret]) => formsOf(secret).some((form) => text.includes(form)))
    .map(([name]) => name);
}

/** Every file below a folder, byte by byte. */
function filesBelow(folder: string): { readonly path: string; readonly text: string }[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .map((path) => ({ path, text: readFileSync(path, "latin1") }));
}

test("there is something to look for, and it would be found", () => {
  expect(secrets.size).toBeGreaterThan(11);
  for (const [name, secret] of secrets) expect([name, secret.length]).toEqual([name, expect.any(Number)]);
  expect(Math.min(...[...secrets.values()].map(({ length }) => length))).toBeGreaterThan(8);
  expect(found([...secrets.values()].join("\n"))).toHaveLength(secrets.size);
});

test("no log of any program has a secret in it, at any level", () => {
  const said = deployment.said();
  expect(said).toContain('"event":"edge.says"');
  expect(said).toContain('"event":"call"');
  expect(found(said)).toEqual([]);
});

test("the edge's log names no account", () => {
  const ofEdge = deployment
    .said()
    .split("\n")
    .filter((line) => line.includes('"edge.'));
  expect(ofEdge.length).toBeGreaterThan(0);
  expect(ofEdge.join("\n")).not.toContain(account);
});

test("no answer of the edge to what is wrong repeats a secret", () => {
  expect(bodies.length).toBeGreaterThan(100);
  // the sign-in page leads back to the address that was asked for, and that is where the test has put them
  const others = bodies.filter((body) => !body.includes('name="next"'));
  expect(found(others.join("\n"))).toEqual([]);
});

test("what the edge keeps on disk has hashes in it and no secret, in the write-ahead log neither", () => {
  const files = filesBelow(join(deployment.folder, "edge"));
  expect(files.some(({ path }) => path.endsWith(".sqlite"))).toBe(true);
  expect(files.some(({ path }) => path.endsWith("-wal"))).toBe(true);
  // each form carries it, so that it is kept as it is; without the cookie it opens nothing
  const all = files.map(({ path, text }) => [path, found(text, ["csrf"])] as const);
  expect(all.filter(([, names]) => names.length > 0)).toEqual([]);
});

test("the private key is in its own file and nowhere else", () => {
  const files = filesBelow(deployment.folder).filter(({ text }) =>
    text.includes(secrets.get("privateKey") ?? "?"),
  );
  expect(files.map(({ path }) => path)).toEqual([join(deployment.folder, "Vault.json")]);
});

const looksSecret: readonly (readonly [string, RegExp])[] = [
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY/],
  ["a private JWK", /"d"\s*:\s*"[\w-]{43}"/],
  ["a JSON Web Token", /\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}/],
  ["a token of GitHub", /\b(gh[pousr]_\w{30,}|github_pat_\w{30,})/],
  ["a token of npm", /\bnpm_\w{30,}|_authToken=\S/],
  ["a key of AWS", /\bAKIA[0-9A-Z]{16}\b/],
  ["a token of Slack", /\bxox[abprs]-[\w-]{10,}/],
  ["a token of an API", /\bsk-[\w-]{20,}/],
  ["a token of Cloudflare", /\b(CLOUDFLARE_API_TOKEN|CF_API_TOKEN)\s*[=:]\s*["']?[\w-]{30,}/],
  ["a hash of a passphrase", /pbkdf2\$\d+\$[\w-]{20,}\$[\w-]{40,}/],
  ["an account of someone", /\bU(?!1234567\b)\d{7,8}\b/],
];

/** What stands there on purpose: hashes of the passphrase of the edge's tests, which stands beside them. */
const known = new Set([
  "vitest.config.ts: a hash of a passphrase",
  "edge/crypto/passphrase.test.ts: a hash of a passphrase",
  "edge/not-configured.test.ts: a hash of a passphrase",
]);

test("no file of the repository has anything in it that looks like a secret", () => {
  const root = join(import.meta.dirname, "../..");
  const files = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" })
    .split("\0")
    .filter((path) => path !== "" && path !== "agent/e2e/secrets.test.ts");
  expect(files.length).toBeGreaterThan(100);
  const suspects = files.flatMap((path) => {
    const text = readFileSync(join(root, path), "latin1");
    return looksSecret.filter(([, pattern]) => pattern.test(text)).map(([what]) => `${path}: ${what}`);
  });
  expect(suspects.filter((suspect) => !known.has(suspect))).toEqual([]);
  const names = files.filter((path) =>
    /(^|\/)(\.env|\.dev\.vars|key\.json)$|\.(pem|key|p12|sqlite)$/.test(path),
  );
  expect(names).toEqual([]);
});
