import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test, vi } from "vitest";
import { TwsHost } from "../../host/host.ts";
import { parseEnv } from "../../config/settings.ts";
import { openMachineStore } from "./machine-store.ts";
import { createMachines } from "./pairing.ts";
import { createAttemptLimits } from "../storage/attempt-limits.ts";
import { at, granted, mcp } from "../access.fixture.ts";
import { createMachine, pairWith } from "./machine.fixture.ts";
import { createScriptTokens } from "./script-tokens.ts";
import { openAccessStore } from "../storage/store.ts";

/** What happens while something else is under way: what was read a moment ago must not count for what is no more. */

const access = () => env.ACCESS.getByName("access");

function settings() {
  const parsed = parseEnv(env);
  if (!parsed.ok || parsed.settings.access === null) throw new Error("AUTH is not on");
  return parsed.settings.access;
}

/** The machines' part of the object, over its own tables. */
function agentsIn({ storage }: DurableObjectState) {
  const accessStore = openAccessStore(storage);
  const store = openMachineStore(storage);
  const machines = (over: typeof store) =>
    createMachines({
      settings: settings(),
      env,
      store: over,
      attemptLimits: createAttemptLimits(accessStore, Date.now),
      tell: () => undefined,
      keyEnded: async () => undefined,
    });
  return { store, accessStore, agents: machines };
}

test("a token that a Worker still remembers gets no ticket once its grant has ended", async () => {
  const { tokens, grantId } = await granted();
  expect((await mcp(tokens.access_token)).status).toBe(200);
  await access().revokeGrant(grantId);
  const answer = await at("/api/v1/tickets", {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${tokens.access_token}` },
    body: '{"endpoint":"news"}',
  });
  expect(answer.status).toBe(401);
  expect(await answer.text()).toContain("This access has ended.");
});

test("access whose host fails just as it is ended gives nothing more, and is ended there by the next sweep", async () => {
  const { tokens, grantId } = await granted();
  const dropped = vi.spyOn(TwsHost.prototype, "dropGrant").mockRejectedValueOnce(new Error("broken"));

  await runInDurableObject(access(), async (instance) => {
    await expect(instance.revokeGrant(grantId)).rejects.toThrow("broken");
    expect(await instance.isGranted(grantId)).toBe(false);
    await instance.alarm();
  });

  expect(dropped.mock.calls).toEqual([[grantId], [grantId]]);
  const isLeft = await runInDurableObject(access(), (_, { storage }) =>
    openAccessStore(storage).consent(grantId),
  );
  expect(isLeft).toBeNull();
  expect((await mcp(tokens.access_token)).status).toBe(401);
  dropped.mockRestore();
});

test("a key that is revoked just as it proves itself stays revoked", async () => {
  const machine = await createMachine();
  await pairWith(machine);
  const proof = await machine.proof("agent");
  const revokedAt = await runInDurableObject(access(), async (_, ctx) => {
    const { store, agents: machines } = agentsIn(ctx);
    let looks = 0;
    const proving = machines({
      ...store,
      key(keyId) {
        const key = store.key(keyId);
        looks += 1;
        // after the last look, and before the use is noted
        if (looks === 2) queueMicrotask(() => void machines(store).pairing.revoke(keyId));
        return key;
      },
    }).proveAgent(proof, Date.now());
    await proving;
    return store.key(machine.keyId)?.revokedAt ?? null;
  });
  expect(revokedAt).not.toBeNull();
});

test("a code that another machine takes between the look at it and the taking lets nobody in", async () => {
  const machine = await createMachine();
  const proof = await machine.proof("pair");
  await runInDurableObject(access(), async (_, ctx) => {
    const { store, agents: machines } = agentsIn(ctx);
    const { code } = await machines(store).pairing.offer({ newName: `host ${crypto.randomUUID()}` });
    const late = machines({
      ...store,
      pairingByCode(codeHash, now) {
        const pairing = store.pairingByCode(codeHash, now);
        store.removePairing(codeHash);
        return pairing;
      },
    });
    const request = { publicKey: machine.publicKey, machine: machine.name, suggestedName: null, code };
    await expect(late.pair(request, proof, "an address")).rejects.toThrow("was used");
    expect(store.key(machine.keyId)).toBeNull();
  });
});

test("a key that was paired for another host while it connected is not good for the one before", async () => {
  const machine = await createMachine();
  const before = await pairWith(machine);
  expect(await access().isGoodKey(machine.keyId, before.hostId)).toBe(true);
  const after = await pairWith(machine);
  expect(await access().isGoodKey(machine.keyId, before.hostId)).toBe(false);
  expect(await access().isGoodKey(machine.keyId, after.hostId)).toBe(true);
});

test.each([
  ["was revoked", { revokedAt: new Date().toISOString() }],
  ["became another host", { hostId: "h_another" }],
])("a machine that %s between its proof and its words makes no token", async (_, changes) => {
  const machine = await createMachine();
  await pairWith(machine);
  const token = await machine.token();
  await runInDurableObject(access(), async (_instance, ctx) => {
    const { store, accessStore } = agentsIn(ctx);
    const proven = store.key(machine.keyId);
    if (proven === null) throw new Error("not paired");
    store.saveKey({ ...proven, ...changes });
    const tokens = createScriptTokens({
      tell: () => undefined,
      settings: settings(),
      env,
      store,
      access: accessStore,
    });
    await expect(tokens.register(proven, token)).rejects.toThrow("not the host any more");
    expect(tokens.list(proven)).toEqual([]);
  });
});
