import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { parseEnv } from "../../config/settings.ts";
import { createOAuth } from "./oauth.ts";
import { createOAuthStorage, type OAuthStorage } from "./oauth-storage.ts";
import {
  callback,
  createBrowser,
  form,
  obtainCode,
  publicUrl,
  registered,
  type Tokens,
} from "../access.fixture.ts";
import { openAccessStore } from "../storage/store.ts";

/** Records that take their time, as storage does elsewhere: other requests run between a read and its write. */
const slow = (records: OAuthStorage): OAuthStorage => ({
  ...records,
  async get(key, options) {
    const value = await records.get(key, options);
    await scheduler.wait(1);
    return value;
  },
});

function settings() {
  const parsed = parseEnv(env);
  if (!parsed.ok || parsed.settings.access === null) throw new Error("AUTH is not on");
  return parsed.settings.access;
}

/** Sends the same request many times at once, to an object whose records are slow. */
const race = (fields: Readonly<Record<string, string>>): Promise<Tokens[]> =>
  runInDurableObject(env.ACCESS.getByName("access"), async (_, ctx) => {
    const oauth = createOAuth({
      settings: settings(),
      store: openAccessStore(ctx.storage),
      storage: slow(createOAuthStorage(ctx.storage.sql, Date.now)),
      ctx,
      ended: async () => undefined,
      reused: () => undefined,
    });
    const send = () => oauth.fetch(new Request(`${publicUrl}/token`, form(fields)));
    const answers = await Promise.all(Array.from({ length: 8 }, send));
    const good = answers.filter(({ ok }) => ok);
    return await Promise.all(good.map((answer) => answer.json<Tokens>()));
  });

test("code replay and race: a code gives tokens once, though others bring it between reading and writing", async () => {
  const browser = createBrowser();
  await browser.signIn();
  const client_id = await registered();
  const { code, verifier } = await obtainCode(browser, client_id);
  const grant = { grant_type: "authorization_code", client_id, code, redirect_uri: callback };
  expect(await race({ ...grant, code_verifier: verifier })).toHaveLength(1);
});
