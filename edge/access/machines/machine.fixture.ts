import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import {
  fingerprintOf,
  PairAnswer,
  proofPaths,
  type ProofPurpose,
  PublicKey,
} from "../../../shared/machine-key.ts";
import { subprotocol } from "../../../shared/protocol.ts";
import { inboxOf, socketOf } from "../../host/host.fixture.ts";
import { at, type Browser, createBrowser, hidden, publicUrl } from "../access.fixture.ts";

/** For tests: a machine with a key, which does what the command line does. */

export type Machine = Awaited<ReturnType<typeof createMachine>>;

export async function createMachine(name = "desk") {
  const { privateKey, publicKey: half } = await generateKeyPair("EdDSA", { crv: "Ed25519" });
  const publicKey = PublicKey.parse(await exportJWK(half));
  const keyId = await calculateJwkThumbprint(publicKey);
  const address = crypto.randomUUID();

  const sign = (claims: JWTPayload, header: Readonly<Record<string, string>> = {}) =>
    new SignJWT(claims).setProtectedHeader({ alg: "EdDSA", kid: keyId, ...header }).sign(privateKey);

  function proof(
    purpose: ProofPurpose,
    changes: JWTPayload = {},
    header: Readonly<Record<string, string>> = {},
  ) {
    const iat = Math.floor(Date.now() / 1000);
    const aud = `${publicUrl}${proofPaths[purpose]}`;
    return sign({ aud, iat, exp: iat + 60, jti: crypto.randomUUID(), ...changes }, header);
  }

  const ask = (path: string, method: string, bearer: string, body: unknown = null) =>
    at(path, {
      method,
      headers: { Authorization: `Bearer ${bearer}`, "CF-Connecting-IP": address },
      ...(body !== null && { body: JSON.stringify(body) }),
    });

  const dial = async (bearer: string | null = null) =>
    await at("/api/v1/agent", {
      headers: {
        Upgrade: "websocket",
        "Sec-WebSocket-Protocol": subprotocol,
        Authorization: `Bearer ${bearer ?? (await proof("agent"))}`,
      },
    });

  const pairRequest = (code: string | null, changes: Readonly<Record<string, unknown>> = {}) => ({
    publicKey,
    machine: name,
    suggestedName: null,
    code,
    ...changes,
  });

  return {
    name,
    keyId,
    publicKey,
    fingerprint: fingerprintOf(keyId),
    sign,
    proof,
    ask,
    pair: async (code: string | null = null, changes: Readonly<Record<string, unknown>> = {}) =>
      await ask("/api/v1/pair", "POST", await proof("pair"), pairRequest(code, changes)),
    poll: async (pollSecret: string): Promise<PairAnswer> => {
      const response = await ask("/api/v1/pair/poll", "POST", await proof("pair"), { publicKey, pollSecret });
      return PairAnswer.parse(await response.json());
    },
    /** The upgrade's answer. */
    dial,
    connect: async () => inboxOf(socketOf(await dial())),
    /** A token for scripts, signed but told to nobody. */
    token: (changes: JWTPayload = {}) => {
      const iat = Math.floor(Date.now() / 1000);
      return sign({
        iss: keyId,
        aud: `${publicUrl}/api/v1/mcp`,
        jti: `t_${crypto.randomUUID().replaceAll("-", "").slice(0, 22)}`,
        iat,
        exp: iat + 3600,
        name: "script",
        scope: "tws:read",
        accounts: null,
        toolset: "full",
        ...changes,
      });
    },
    register: async (token: string) => await ask("/api/v1/tokens", "POST", await proof("tokens"), { token }),
  };
}

export async function ownerBrowser(): Promise<Browser> {
  const browser = createBrowser();
  await browser.signIn();
  return browser;
}

/** A form of the pair page. */
export async function onPairPage(
  browser: Browser,
  fields: Readonly<Record<string, string>>,
): Promise<Response> {
  const page = await (await browser.get("/pair")).text();
  return await browser.submit("/pair", { csrf: hidden(page, "csrf"), ...fields });
}

/** Shows the machine's code to the owner, who lets it in. */
export async function pairWith(
  machine: Machine,
  fields: Readonly<Record<string, string>> = { name: `host ${crypto.randomUUID()}` },
) {
  const answer = PairAnswer.parse(await (await machine.pair()).json());
  if (answer.state !== "waiting") throw new Error(`Not waiting but ${answer.state}.`);
  const browser = await ownerBrowser();
  const accepted = await onPairPage(browser, { do: "accept", code: answer.code, ...fields });
  if (accepted.status !== 303) throw new Error(`HTTP ${accepted.status}: ${await accepted.text()}`);
  const paired = await machine.poll(answer.pollSecret);
  if (paired.state !== "paired") throw new Error(`Not paired but ${paired.state}.`);
  return { browser, ...paired };
}

/** What an answer says was wrong. */
export async function errorOf(response: Response): Promise<string> {
  const { error }: { error: { message: string; nextStep: string } } = await response.json();
  return `${error.message} ${error.nextStep}`;
}
