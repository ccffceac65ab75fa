import { html } from "hono/html";
import { fingerprintOf } from "../../../shared/machine-key.ts";
import type { KeptToken } from "../machines/machine-store.ts";
import type { Device, Session } from "../storage/owner-store.ts";
import type { Consent } from "../storage/store.ts";
import type { Key } from "../../rpc/access.ts";
import { type Markup, page } from "./layout.ts";
import { noticesOf } from "./notices.ts";
import type { Page, PagesOptions, Visit } from "./page.ts";

type Facts = readonly (readonly [string, string])[];

/** `/grants`: every credential that opens something here, and ending each. */
export function createGrantsPage(options: PagesOptions): Page {
  const { store, owners, settings, owner, pairing, tokens, ended, renewSigningKey } = options;

  async function show({ session }: Visit): Promise<Response> {
    const now = Date.now();
    const hosts = new Map(pairing.hosts().map(({ hostId, name }) => [hostId, name]));
    const hostName = (hostId: string): string => hosts.get(hostId) ?? hostId;
    const keys = pairing.keys().filter(({ revokedAt }) => revokedAt === null);
    const machines = new Map(keys.map(({ keyId, machine }) => [keyId, machine]));
    const { csrf } = session;
    return await page({
      title: "Access",
      body: html`${noticesOf(owners, csrf)}
        <h2>Clients</h2>
        ${orNone(
          store.consents().map((one) => grantEntry(one, hostName, csrf)),
          "No client has access.",
        )}
        <h2>Tokens of scripts</h2>
        ${orNone(
          tokens.all(now).map((one) => tokenEntry(one, machines.get(one.keyId) ?? "", hostName, csrf)),
          "No script has a token.",
        )}
        <h2>Keys of machines</h2>
        ${orNone(
          keys.map((one) => keyEntry(one, hostName, csrf)),
          "No machine is paired.",
        )}
        <h2>Your sign-ins</h2>
        ${owners.sessions(now).map((one) => sessionEntry(one, one.hash === session.hash, csrf))}
        <h2>Your browsers</h2>
        <p>In these you have signed in. Strangers who guess cannot hold up a sign-in there.</p>
        ${orNone(
          owners.devices(now).map((one) => deviceEntry(one, csrf)),
          "No browser is known.",
        )}
        ${links}
        <form method="post">
          <input type="hidden" name="csrf" value="${csrf}" />
          <button name="sign-out" value="yes">Sign out</button>
          <button name="sign-out" value="everywhere">Sign out everywhere, and forget all browsers</button>
          <button name="renew" value="signing-key">Renew the key that signs MCP sessions</button>
        </form>`,
    });
  }

  /** Does what the button of a form says. Returns whether the owner is still signed in. */
  async function act(session: Visit["session"], form: URLSearchParams): Promise<boolean> {
    for (const [name, value] of form) {
      switch (name) {
        case "revoke":
          await ended(value);
          break;
        case "token":
          await tokens.end(value);
          break;
        case "key":
          await pairing.revoke(value);
          break;
        case "session":
          owners.removeSession(value);
          break;
        case "device":
          owners.removeDevice(value);
          break;
        case "seen":
          if (/^\d{1,15}$/.test(value)) owners.seen(Number(value));
          break;
        case "renew":
          if (value === "signing-key") await renewSigningKey();
          break;
        case "sign-out":
          if (value === "everywhere") owners.removeAll();
          break;
        default:
      }
    }
    return !form.has("sign-out") && form.get("session") !== session.hash;
  }

  return {
    show,
    async submit({ session }, form) {
      const isSignedIn = await act(session, form);
      const headers = new Headers({
        Location: `${settings.publicUrl}${isSignedIn ? "/grants" : "/sign-in"}`,
      });
      if (!isSignedIn) headers.set("Set-Cookie", owner.signOut(session));
      return new Response(null, { status: 303, headers });
    },
  };
}

const links = html`<p><a href="/pair">Machines with TWS</a></p>
  <p><a href="/approvals">Orders that wait for you</a></p>`;

const orNone = (entries: readonly Markup[], words: string): readonly Markup[] =>
  entries.length === 0 ? [html`<p>${words}</p>`] : entries;

interface Entry {
  readonly name: string;
  readonly facts: Facts;
  readonly csrf: string;
  /** The field that ends it, its value, and the words on the button. */
  readonly ending: readonly [string, string, string];
}

const entry = ({ name, facts, csrf, ending: [field, value, words] }: Entry): Markup =>
  html`<form method="post">
    <fieldset>
      <legend>${name}</legend>
      <dl>
        ${facts.map(
          ([about, fact]) =>
            html`<dt>${about}</dt>
              <dd>${fact}</dd>`,
        )}
      </dl>
      <input type="hidden" name="csrf" value="${csrf}" />
      <button name="${field}" value="${value}">${words}</button>
    </fieldset>
  </form>`;

type HostName = (hostId: string) => string;

const mayOf = (scopes: readonly string[]): string =>
  scopes.includes("tws:trade") ? "read and trade" : "read";

const grantEntry = (
  { grantId, client, policy, createdAt, usedAt }: Consent,
  hostName: HostName,
  csrf: string,
) =>
  entry({
    name: client,
    facts: [
      ["May", mayOf(policy.scopes)],
      ["Accounts", policy.accounts?.join(", ") ?? "all"],
      ["Host", hostName(policy.hostId)],
      ["Since", createdAt],
      ["Until", policy.expiresAt],
      ["Last used", usedAt ?? "never"],
    ],
    csrf,
    ending: ["revoke", grantId, "End this access"],
  });

const tokenEntry = (
  { id, name, scopes, accounts, hostId, createdAt, expiresAt, usedAt }: KeptToken,
  machine: string,
  hostName: HostName,
  csrf: string,
) =>
  entry({
    name: name === "" ? id : name,
    facts: [
      ["May", mayOf(scopes)],
      ["Accounts", accounts?.join(", ") ?? "all"],
      ["Host", hostName(hostId)],
      ["Made on", machine],
      ["Since", createdAt],
      ["Until", new Date(expiresAt).toISOString()],
      ["Last used", usedAt ?? "never"],
    ],
    csrf,
    ending: ["token", id, "End this token"],
  });

const keyEntry = ({ keyId, machine, hostId, pairedAt, usedAt }: Key, hostName: HostName, csrf: string) =>
  entry({
    name: machine,
    facts: [
      ["Host", hostName(hostId)],
      ["Key", fingerprintOf(keyId)],
      ["Since", pairedAt],
      ["Last used", usedAt ?? "never"],
    ],
    csrf,
    ending: ["key", keyId, "Revoke this key"],
  });

const sessionEntry = ({ hash, createdAt, usedAt, address }: Session, isThis: boolean, csrf: string) =>
  entry({
    name: isThis ? "This one" : "Another",
    facts: [
      ["From", address ?? "not known"],
      ["Since", createdAt ?? "not known"],
      ["Last used", usedAt ?? "not known"],
    ],
    csrf,
    ending: ["session", hash, "End this sign-in"],
  });

const deviceEntry = ({ hash, createdAt, usedAt }: Device, csrf: string) =>
  entry({
    name: `Browser ${hash.slice(0, 6)}`,
    facts: [
      ["Since", createdAt],
      ["Last signed in", usedAt],
    ],
    csrf,
    ending: ["device", hash, "Forget this browser"],
  });
