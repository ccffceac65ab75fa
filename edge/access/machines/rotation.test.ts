import { expect, test } from "vitest";
import { inboxOf, socketOf } from "../../host/host.fixture.ts";
import { mcp } from "../access.fixture.ts";
import {
  createMachine,
  errorOf,
  type Machine,
  onPairPage,
  ownerBrowser,
  pairWith,
} from "./machine.fixture.ts";

/** A machine takes a new key, for which its old one vouches. */

async function rotate(old: Machine, fresh: Machine, proof: string | null = null): Promise<Response> {
  return await old.ask("/api/v1/pair/rotate", "POST", await old.proof("rotate"), {
    publicKey: fresh.publicKey,
    proof: proof ?? (await fresh.proof("rotate")),
  });
}

test("the new key is the host's at once, and the old one is revoked with its link and its tokens", async () => {
  const [old, fresh] = [await createMachine("study"), await createMachine("another name")];
  const { browser, hostId, hostName } = await pairWith(old);
  const token = await old.token();
  await old.register(token);
  expect((await mcp(token)).status).toBe(200);
  const link = inboxOf(socketOf(await old.dial()));
  const answer = await rotate(old, fresh);
  expect([answer.status, await answer.json()]).toEqual([200, { hostId, hostName }]);
  expect(await link.closed).toEqual({ code: 1012, reason: "This machine has a new key." });
  expect((await old.dial()).status).toBe(401);
  expect((await fresh.dial()).status).toBe(101);
  await expect.poll(async () => (await mcp(token)).status, { timeout: 3_000 }).toBe(401);
  const page = await (await browser.get("/grants")).text();
  expect(page).toContain(
    `The machine study was let in as the host ${hostName}, with the key ${fresh.fingerprint}.`,
  );
});

test("nobody rotates with a key that is revoked, not paired, or not theirs", async () => {
  const [old, fresh, stranger] = [await createMachine(), await createMachine(), await createMachine()];
  await pairWith(old);
  expect((await rotate(stranger, fresh)).status).toBe(401);
  // a new key must be held by who brings it, and a proof for pairing is none for this
  expect((await rotate(old, fresh, await stranger.proof("rotate"))).status).toBe(401);
  expect((await rotate(old, fresh, await fresh.proof("pair"))).status).toBe(401);
  const paired = await old.ask("/api/v1/pair/rotate", "POST", await old.proof("tokens"), {
    publicKey: fresh.publicKey,
    proof: await fresh.proof("rotate"),
  });
  expect(paired.status).toBe(401);
  expect((await old.dial()).status).toBe(101);
  await onPairPage(await ownerBrowser(), { do: "revoke", key: old.keyId });
  expect((await rotate(old, fresh)).status).toBe(401);
  expect((await fresh.dial()).status).toBe(401);
});

test("a key that was used before is not taken again", async () => {
  const [old, other] = [await createMachine(), await createMachine()];
  await pairWith(old);
  await pairWith(other);
  const answer = await rotate(old, other);
  expect([answer.status, await errorOf(answer)]).toEqual([400, expect.stringContaining("known already")]);
  expect((await rotate(old, old)).status).toBe(400);
});
