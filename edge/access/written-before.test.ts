import { env } from "cloudflare:workers";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { restoreDatabase, schemaOf } from "../storage/written-before.fixture.ts";
import { at, createBrowser, hidden, mcp, refresh } from "./access.fixture.ts";
import written from "./written-before/access.json" with { type: "json" };

/** What an earlier release has stored of who may come in, read by this one: nobody must sign in or pair again. */

const { known } = written;
const access = () => env.ACCESS.getByName("access");

let fresh: readonly string[];
// from the first test to the last: an alarm of the runtime, which has its own clock, would find all of it expired
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: written.at + 10_000 });
  fresh = await schemaOf(access());
  // once: an alarm that goes off while the instance of now is given the tables of before would not find its own
  await restoreDatabase(access(), written);
});
afterAll(() => vi.useRealTimers());

function ownerOfBefore() {
  const browser = createBrowser();
  for (const [name = "", value = ""] of known.cookie) browser.cookies.set(name, value);
  return browser;
}

const bearer = (parts: readonly string[]) => ({ Authorization: `Bearer ${parts.join(".")}` });

it("brings the tables of before to what they are in an object that begins now, to the letter", async () => {
  expect(await schemaOf(access())).toEqual(fresh);
});

it("lets in each access token of before but that of a grant which was ended", async () => {
  const statuses = [known.reader, known.trader, known.ended].map(
    async ({ access_token: token }) => (await mcp(token)).status,
  );
  expect(await Promise.all(statuses)).toEqual([200, 200, 401]);
  expect((await mcp(`${known.reader.access_token}x`)).status).toBe(401);
});

it("renews a grant of before by its refresh token, with the client's registration and what the owner agreed to", async () => {
  const { clientId, refresh_token: token } = known.trader;
  const renewed: unknown = await (await refresh(clientId, token)).json();
  expect(renewed).toMatchObject({ scope: "tws:read tws:trade", token_type: "bearer" });
  expect((await refresh(known.reader.clientId, token)).status).toBe(400);
  expect((await refresh(known.reader.clientId, known.ended.refresh_token)).status).toBe(400);
});

it("takes the owner's sign-in of before, and shows the grants in pages with its form key", async () => {
  const browser = ownerOfBefore();
  const page = await (await browser.get("/grants")).text();
  for (const { grantId } of [known.reader, known.trader]) expect(page).toContain(grantId);
  expect(page).not.toContain(known.ended.access_token.split(":", 1)[0]);
  expect(written.rows.session.map(({ csrf }) => csrf)).toContain(hidden(page, "csrf"));
});

it("takes a script token of before, and the ticket, once", async () => {
  expect((await mcp(known.script.join("."))).status).toBe(200);
  const { ticket } = known.ticket;
  expect(await access().redeemTicket(ticket, "portfolio")).toEqual(known.caller);
  expect(await access().redeemTicket(ticket, "portfolio")).toBeNull();
});

it("knows the machine that was paired before by its key", async () => {
  const proof = known.agentProof.join(".");
  expect(await access().proveAgent(proof, Date.now())).toMatchObject({ hostId: known.hostId });
  expect(await access().isGoodKey(known.keyId, known.hostId)).toBe(true);
});

it("lets the owner accept a machine that has waited since before, and shows it the host", async () => {
  const browser = ownerOfBefore();
  const page = await (await browser.get("/pair")).text();
  const { asked, publicKey, pollProof } = known.waiting;
  const fields = { do: "accept", code: asked.code, name: "Laptop", csrf: hidden(page, "csrf") };
  expect((await browser.submit("/pair", fields)).status).toBe(303);
  const answer = await at("/api/v1/pair/poll", {
    method: "POST",
    headers: bearer(pollProof),
    body: JSON.stringify({ publicKey, pollSecret: asked.pollSecret }),
  });
  expect(await answer.json()).toMatchObject({ state: "paired", hostName: "Laptop" });
});
