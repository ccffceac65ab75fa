import { html } from "hono/html";
import { type Markup, page } from "./layout.ts";
import type { Consent } from "../storage/store.ts";
import type { Page, PagesOptions } from "./page.ts";

/** `/grants`: who has which access, and ending it. */
export function createGrantsPage({ store, settings, owner, pairing, ended }: PagesOptions): Page {
  return {
    async show({ session }) {
      const consents = store.consents();
      const names = new Map(pairing.hosts().map(({ hostId, name }) => [hostId, name]));
      return await page({
        title: "Access",
        body: html`${
            consents.length === 0
              ? html`<p>No client has access.</p>`
              : consents.map((one) => entry(one, names, session.csrf))
          }
          <p><a href="/pair">Machines with TWS</a></p>
          <p><a href="/approvals">Orders that wait for you</a></p>
          <form method="post">
            <input type="hidden" name="csrf" value="${session.csrf}" />
            <button name="sign-out" value="yes">Sign out</button>
          </form>`,
      });
    },

    async submit({ session }, form) {
      const headers = new Headers({ Location: `${settings.publicUrl}/grants` });
      if (form.get("sign-out") === "yes") {
        headers.set("Location", `${settings.publicUrl}/sign-in`);
        headers.set("Set-Cookie", owner.signOut(session));
      }
      const grantId = form.get("revoke");
      if (typeof grantId === "string") await ended(grantId);
      return new Response(null, { status: 303, headers });
    },
  };
}

function entry(
  { grantId, client, policy, createdAt, usedAt }: Consent,
  hostNames: ReadonlyMap<string, string>,
  csrf: string,
): Markup {
  return html`<form method="post">
    <fieldset>
      <legend>${client}</legend>
      <dl>
        <dt>May</dt>
        <dd>${policy.scopes.includes("tws:trade") ? "read and trade" : "read"}</dd>
        <dt>Accounts</dt>
        <dd>${policy.accounts?.join(", ") ?? "all"}</dd>
        <dt>Host</dt>
        <dd>${hostNames.get(policy.hostId) ?? policy.hostId}</dd>
        <dt>Since</dt>
        <dd>${createdAt}</dd>
        <dt>Until</dt>
        <dd>${policy.expiresAt}</dd>
        <dt>Last used</dt>
        <dd>${usedAt ?? "never"}</dd>
      </dl>
      <input type="hidden" name="csrf" value="${csrf}" />
      <button name="revoke" value="${grantId}">End this access</button>
    </fieldset>
  </form>`;
}
