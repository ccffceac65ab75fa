import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { describe, expect, test, vi, afterEach } from "vitest";
import { PairAnswer } from "../../../shared/machine-key.ts";
import { connectedStatus } from "../../host/host.fixture.ts";
import { encodeFrame, parseEdgeFrame } from "../../../shared/protocol.ts";
import { at, createBrowser, hidden, publicUrl } from "../access.fixture.ts";
import {
  onPairPage,
  createMachine,
  errorOf,
  type Machine,
  ownerBrowser,
  pairWith,
} from "./machine.fixture.ts";

afterEach(() => {
  vi.useRealTimers();
});

const hello = (machine: string) =>
  encodeFrame({
    type: "hello",
    agentVersion: "0.0.0",
    instanceId: crypto.randomUUID(),
    machine,
    status: connectedStatus,
  });

/** An agent at work. */
async function serve(machine: Machine) {
  const agent = await machine.connect();
  agent.socket.send(hello(machine.name));
  const welcome = parseEdgeFrame(await agent.next());
  if (welcome.type !== "welcome") throw new Error(`Not welcomed but ${welcome.type}.`);
  return { ...agent, hostId: welcome.hostId };
}

const waiting = async (machine: Machine) => {
  const answer = PairAnswer.parse(await (await machine.pair()).json());
  if (answer.state !== "waiting") throw new Error(answer.state);
  return answer;
};

describe("pairing", () => {
  test("a machine shows a code, the owner enters it, compares the key and names the host", async () => {
    const machine = await createMachine("study <b>pc</b>");
    const { code, pollSecret, pairUrl } = await waiting(machine);
    expect(code).toMatch(/^[2-9A-HJKMNP-TW-Z]{4}-[2-9A-HJKMNP-TW-Z]{4}$/);
    expect(pairUrl).toBe(`${publicUrl}/pair`);
    expect(await machine.poll(pollSecret)).toMatchObject({ state: "open" });
    expect((await machine.dial()).status).toBe(401);
    const browser = await ownerBrowser();
    const page = await (
      await onPairPage(browser, { do: "find", code: code.toLowerCase().replace("-", " ") })
    ).text();
    expect(page).toContain(machine.fingerprint);
    expect(page).toContain("study &lt;b&gt;pc&lt;/b&gt;");
    const accepted = await browser.submit("/pair", {
      csrf: hidden(page, "csrf"),
      code: hidden(page, "code"),
      do: "accept",
      name: "Study",
    });
    expect(accepted.status).toBe(303);
    const paired = await machine.poll(pollSecret);
    expect(paired).toMatchObject({ state: "paired", hostName: "Study" });
    const { hostId } = await serve(machine);
    expect(paired).toMatchObject({ hostId });
    const overview = await (await browser.get("/pair")).text();
    expect(overview).toContain("Study");
    expect(overview).toContain("connected.");
  });

  test("the owner makes a code, and a machine brings it, once", async () => {
    const browser = await ownerBrowser();
    const offer = await (await onPairPage(browser, { do: "offer", name: "Attic" })).text();
    const code = /--code ([\w-]+)/.exec(offer)?.[1] ?? "";
    const machine = await createMachine();
    expect(await (await machine.pair(code)).json()).toMatchObject({ state: "paired", hostName: "Attic" });
    expect((await machine.dial()).status).toBe(101);
    const other = await createMachine();
    expect((await other.pair(code)).status).toBe(401);
    expect((await other.dial()).status).toBe(401);
  });

  test("a code that a machine shows lets no machine in that brings it", async () => {
    const { code } = await waiting(await createMachine());
    expect((await (await createMachine()).pair(code)).status).toBe(401);
  });

  test("a code is good for ten minutes", async () => {
    const machine = await createMachine();
    const { code, pollSecret } = await waiting(machine);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 601_000 });
    const browser = await ownerBrowser();
    expect((await onPairPage(browser, { do: "accept", code, name: "Late" })).status).toBe(401);
    expect(await machine.poll(pollSecret)).toEqual({ state: "expired" });
    expect((await machine.dial()).status).toBe(401);
  });

  test("a code that the owner made is good for ten minutes as well", async () => {
    const offer = await (await onPairPage(await ownerBrowser(), { do: "offer", name: "Later" })).text();
    const code = /--code ([\w-]+)/.exec(offer)?.[1] ?? "";
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 601_000 });
    expect((await (await createMachine()).pair(code)).status).toBe(401);
  });

  test("a machine that pairs again keeps its host, whatever it is called", async () => {
    const machine = await createMachine();
    const { hostId } = await pairWith(machine);
    const agent = await serve(machine);
    expect((await pairWith(machine, { host: hostId })).hostId).toBe(hostId);
    agent.socket.send("ping");
    expect(await agent.next()).toBe("pong");
    const moved = await pairWith(machine);
    expect(moved.hostId).not.toBe(hostId);
    expect(await agent.closed).toMatchObject({ code: 4003 });
    expect((await serve(machine)).hostId).toBe(moved.hostId);
  });

  test("guessing codes ends after five tries, for a right one as well", async () => {
    const machine = await createMachine();
    for (const _ of [1, 2, 3, 4, 5]) expect((await machine.pair("2222-2222")).status).toBe(401);
    const offer = await (await onPairPage(await ownerBrowser(), { do: "offer", name: "Guessed" })).text();
    const code = /--code ([\w-]+)/.exec(offer)?.[1] ?? "";
    expect((await machine.pair(code)).status).toBe(429);
    expect((await (await createMachine()).pair(code)).status).toBe(200);
  });

  test("a machine that asks again and again is refused", async () => {
    const machine = await createMachine();
    for (let count = 0; count < 20; count += 1) await waiting(machine);
    expect((await machine.pair()).status).toBe(429);
  });

  test("proofs that prove nothing use up nobody else's tries", async () => {
    const garbage = async (address: string | null) => {
      const { publicKey } = await createMachine();
      const answer = await at("/api/v1/pair", {
        method: "POST",
        headers: { Authorization: "Bearer a.b.c", ...(address !== null && { "CF-Connecting-IP": address }) },
        body: JSON.stringify({ publicKey, machine: "x", suggestedName: null, code: null }),
      });
      return answer.status;
    };
    // more than all may do together, from everywhere, and more than one may from an address that nobody tells
    for (let count = 0; count < 201; count += 1) expect(await garbage(crypto.randomUUID())).toBe(401);
    for (let count = 0; count < 21; count += 1) expect(await garbage(null)).toBe(401);
    const address = crypto.randomUUID();
    for (let count = 0; count < 20; count += 1) expect(await garbage(address)).toBe(401);
    expect(await garbage(address)).toBe(429);
    expect((await (await createMachine()).pair()).status).toBe(200);
  });

  test("a machine that the owner declines is told so", async () => {
    const machine = await createMachine();
    const { code, pollSecret } = await waiting(machine);
    await onPairPage(await ownerBrowser(), { do: "decline", code });
    expect(await machine.poll(pollSecret)).toEqual({ state: "declined" });
    expect((await machine.dial()).status).toBe(401);
  });

  test("nobody pairs a key that is not theirs, or reads another's pairing", async () => {
    const [mine, other] = await Promise.all([createMachine(), createMachine()]);
    const stolen = { publicKey: other.publicKey };
    expect((await mine.pair(null, stolen)).status).toBe(401);
    const { pollSecret } = await waiting(other);
    expect(await mine.poll(pollSecret)).toEqual({ state: "expired" });
  });

  test("a page cannot ask, and the pair page is the owner's alone", async () => {
    const response = await at("/api/v1/pair", {
      method: "POST",
      headers: { Origin: publicUrl, Authorization: "Bearer x" },
      body: "{}",
    });
    expect(response.status).toBe(403);
    expect(await (await createBrowser().get("/pair")).text()).toContain("passphrase");
    const strange = await createBrowser().submit("/pair", { do: "offer", name: "x" });
    expect(await strange.text()).not.toContain("--code");
    expect(
      (await (await ownerBrowser()).submit("/pair", { do: "offer", name: "x", csrf: "no" })).status,
    ).toBe(403);
  });

  test.each([
    ["no body", ""],
    ["no JSON", "{"],
    ["no key", "{}"],
    ["another kind of key", JSON.stringify({ publicKey: { kty: "RSA", crv: "Ed25519", x: "a" } })],
    ["too much", JSON.stringify({ machine: "x".repeat(20_000) })],
  ])("refuses %s", async (_, body) => {
    const machine = await createMachine();
    const response = await at("/api/v1/pair", {
      method: "POST",
      headers: {
        Authorization: `Bearer ${await machine.proof("pair")}`,
        "CF-Connecting-IP": crypto.randomUUID(),
      },
      body,
    });
    expect([400, 413]).toContain(response.status);
  });
});

describe("agent impersonation: proof of a key", () => {
  test("is taken once (replay)", async () => {
    const machine = await createMachine();
    await pairWith(machine);
    const proof = await machine.proof("agent");
    expect((await machine.dial(proof)).status).toBe(101);
    const again = await machine.dial(proof);
    expect(again.status).toBe(401);
    expect(await errorOf(again)).toContain("used before");
  });

  test("is taken once even when it comes twice at the same time", async () => {
    const machine = await createMachine();
    await pairWith(machine);
    const proof = await machine.proof("agent");
    const answers = await Promise.all([machine.dial(proof), machine.dial(proof), machine.dial(proof)]);
    expect(answers.filter(({ status }) => status === 101)).toHaveLength(1);
  });

  test.each([
    ["another address", { aud: "https://other.example/api/v1/agent" }, `EDGE_URL=${publicUrl}`],
    ["another purpose", { aud: `${publicUrl}/api/v1/tokens` }, "another address"],
    ["a clock that is behind", { iat: -61, exp: -1 }, "61 s behind the edge's"],
    ["a clock that is ahead", { iat: 65, exp: 120 }, "ahead of the edge's"],
    ["a life of more than a minute", { iat: 0, exp: 3600 }, "not valid"],
    ["no id", { iat: 0, exp: 60, jti: "" }, "not valid"],
  ])("is refused for %s, in words", async (_, changes, words) => {
    const machine = await createMachine();
    await pairWith(machine);
    const now = Math.floor(Date.now() / 1000);
    const claims =
      "iat" in changes ? { ...changes, iat: now + changes.iat, exp: now + changes.exp } : changes;
    const answer = await machine.dial(await machine.proof("agent", claims));
    expect(answer.status).toBe(401);
    expect(await errorOf(answer)).toContain(words);
  });

  test("is refused of a machine that is not paired, with what to run", async () => {
    const answer = await (await createMachine()).dial();
    expect(answer.status).toBe(401);
    expect(await errorOf(answer)).toContain(`tws-edge pair ${publicUrl}`);
  });

  test("is refused when it names another machine's key", async () => {
    const [mine, other] = await Promise.all([createMachine(), createMachine()]);
    await pairWith(mine);
    await pairWith(other);
    const proof = await mine.proof("agent", {}, { kid: other.keyId });
    expect((await mine.dial(proof)).status).toBe(401);
  });

  test.each(["none", "HS256"])("is refused with the algorithm %s", async (alg) => {
    const machine = await createMachine();
    await pairWith(machine);
    const [, claims] = (await machine.proof("agent")).split(".");
    const header = btoa(JSON.stringify({ alg, kid: machine.keyId })).replaceAll("=", "");
    const secret = new TextEncoder().encode(machine.publicKey.x);
    const forged =
      alg === "none"
        ? `${header}.${claims}.`
        : await new SignJWT({}).setProtectedHeader({ alg, kid: machine.keyId }).sign(secret);
    expect((await machine.dial(forged)).status).toBe(401);
  });

  test("of a key in its own header is worth nothing", async () => {
    const machine = await createMachine();
    await pairWith(machine);
    const { privateKey, publicKey } = await generateKeyPair("EdDSA", { crv: "Ed25519" });
    const now = Math.floor(Date.now() / 1000);
    const forged = await new SignJWT({
      aud: `${publicUrl}/api/v1/agent`,
      iat: now,
      exp: now + 60,
      jti: crypto.randomUUID(),
    })
      .setProtectedHeader({ alg: "EdDSA", kid: machine.keyId, jwk: await exportJWK(publicKey) })
      .sign(privateKey);
    expect((await machine.dial(forged)).status).toBe(401);
  });

  test("decides which host it is: another's calls never reach it", async () => {
    const [one, other] = await Promise.all([createMachine("one"), createMachine("other")]);
    const first = await pairWith(one);
    const second = await pairWith(other);
    expect(first.hostId).not.toBe(second.hostId);
    expect((await serve(one)).hostId).toBe(first.hostId);
    const pretender = await at(`/api/v1/agent?host=${first.hostId}&hostId=${first.hostId}`, {
      headers: {
        Upgrade: "websocket",
        "Sec-WebSocket-Protocol": "tws-edge.v1",
        Authorization: `Bearer ${await other.proof("agent")}`,
        "tws-edge-host": first.hostId,
      },
    });
    const socket = pretender.webSocket;
    socket?.accept();
    const welcomed = new Promise((resolve) =>
      socket?.addEventListener("message", ({ data }) => resolve(data)),
    );
    socket?.send(hello("other"));
    expect(JSON.parse(String(await welcomed))).toMatchObject({ hostId: second.hostId });
  });
});

describe("revoking a key", () => {
  test("closes its socket at once and keeps it out, with clear words", async () => {
    const machine = await createMachine();
    const { browser } = await pairWith(machine);
    const agent = await serve(machine);
    expect((await onPairPage(browser, { do: "revoke", key: machine.keyId })).status).toBe(303);
    expect(await agent.closed).toEqual({ code: 4003, reason: "The owner has revoked this machine's key." });
    const again = await machine.dial();
    expect(again.status).toBe(401);
    expect(await errorOf(again)).toContain("revoked this machine's key");
    expect(await errorOf(await machine.pair())).toContain("Delete the key file");
  });

  test("a new machine in a host's place puts the old one out", async () => {
    const [old, fresh] = await Promise.all([createMachine("old"), createMachine("new")]);
    const { hostId } = await pairWith(old);
    const agent = await serve(old);
    expect((await pairWith(fresh, { host: hostId })).hostId).toBe(hostId);
    expect(await agent.closed).toMatchObject({ code: 4003 });
    expect((await old.dial()).status).toBe(401);
    expect((await serve(fresh)).hostId).toBe(hostId);
  });

  test("a second machine with the same key is shown to the owner", async () => {
    const machine = await createMachine();
    const { browser } = await pairWith(machine);
    const first = await serve(machine);
    await serve({ ...machine, name: "copy" });
    expect(await first.closed).toMatchObject({ code: 4001 });
    expect(await (await browser.get("/pair")).text()).toContain(
      "Agents on two machines connect as this host",
    );
  });

  test("a host keeps its name to itself, and can be renamed", async () => {
    const { browser, hostId, hostName } = await pairWith(await createMachine());
    const other = await pairWith(await createMachine());
    expect(
      (await onPairPage(browser, { do: "rename", host: other.hostId, name: hostName.toUpperCase() })).status,
    ).toBe(400);
    expect((await onPairPage(browser, { do: "rename", host: hostId, name: `${hostName} 2` })).status).toBe(
      303,
    );
    expect(await (await browser.get("/pair")).text()).toContain(`${hostName} 2`);
  });
});
