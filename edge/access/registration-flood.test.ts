import { env, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { accessOf } from "../config/bindings.ts";
import {
  authorizePath,
  createBrowser,
  exchange,
  granted,
  mcp,
  newProof,
  obtainCode,
  refresh,
  registered,
} from "./access.fixture.ts";

/** Anyone may register clients, so somebody will register as many as they can. */

/** The edge keeps this many clients. */
const most = 500;

const inStorage = <T>(work: (sql: SqlStorage) => T): Promise<T> =>
  runInDurableObject(accessOf(env), (_, { storage }) => work(storage.sql));

const countClients = () =>
  inStorage(
    (sql) =>
      sql.exec<{ count: number }>("SELECT COUNT(*) AS count FROM record WHERE key LIKE 'client:%'").one()
        .count,
  );

/** As if many addresses had registered clients one after the other, a minute ago. */
async function fillUp(): Promise<void> {
  const missing = most - (await countClients());
  const at = Math.floor(Date.now() / 1000) - 60;
  await inStorage((sql) => {
    for (let index = 0; index < missing; index += 1) {
      const clientId = `flood-${crypto.randomUUID()}`;
      sql.exec(
        "INSERT INTO record (key, value) VALUES (?, ?)",
        `client:${clientId}`,
        JSON.stringify({ clientId, redirectUris: ["https://flood.example/"], registrationDate: at }),
      );
    }
  });
}

async function isKnown(clientId: string): Promise<boolean> {
  const browser = createBrowser();
  await browser.signIn();
  const { challenge } = await newProof();
  return (await browser.get(authorizePath(clientId, challenge))).status === 200;
}

test("a flood of registrations pushes out the oldest that nobody uses, and nobody else", async () => {
  const { clientId: used, tokens } = await granted();
  const oldest = await registered();
  const age = (seconds: number, clientId: string) =>
    inStorage((sql) =>
      sql.exec(
        "UPDATE record SET value = json_set(value, '$.registrationDate', ?) WHERE key = ?",
        Math.floor(Date.now() / 1000) - seconds,
        `client:${clientId}`,
      ),
    );
  // the one in use is the oldest of all
  await age(7_200, used);
  await age(3_600, oldest);
  await fillUp();
  expect(await isKnown(oldest)).toBe(true);

  const late = await registered();
  expect(await countClients()).toBe(most);
  expect(await isKnown(oldest)).toBe(false);
  expect((await mcp(tokens.access_token)).status).toBe(200);
  expect((await refresh(used, tokens.refresh_token)).status).toBe(200);

  // the owner gets in with the new one, also when as many again came before they had signed in
  for (let count = 0; count < 20; count += 1) await registered();
  const browser = createBrowser();
  await browser.signIn();
  const { code, verifier } = await obtainCode(browser, late);
  expect((await exchange(late, code, verifier)).status).toBe(200);
  expect(await countClients()).toBe(most);
});
