import { html } from "hono/html";
import { hostOf } from "../../config/bindings.ts";
import type { AuditPage, HostRpc, ShownEntry } from "../../rpc/host.ts";
import { hostsOf, type NamedHost } from "./hosts.ts";
import { type Markup, page, sorry } from "./layout.ts";
import { noticesOf } from "./notices.ts";
import type { Page, PagesOptions } from "./page.ts";

/** `/audit`: what was done about orders on a host, newest first, and whether the trail is whole. */
export function createAuditPage({ env, pairing, owners }: PagesOptions): Page {
  return {
    async show({ request, session }) {
      const { searchParams } = new URL(request.url);
      const hosts = hostsOf(env, pairing);
      const asked = searchParams.get("host");
      const host = asked === null ? hosts[0] : hosts.find(({ hostId }) => hostId === asked);
      const before = searchParams.get("before");
      if (host === undefined || (before !== null && !/^[1-9]\d{0,14}$/.test(before))) {
        return await sorry(404, "There is no such page of the audit trail.");
      }
      const rpc: HostRpc = hostOf(env, host.hostId);
      const shown = await rpc.audit(before === null ? null : Number(before));
      return await page({
        title: `Audit trail of ${host.name}`,
        body: html`${noticesOf(owners, session.csrf)} ${others(hosts, host)} ${standing(shown)}
          ${beginnings(shown)} ${shown.entries.map(entryOf)} ${older(host, shown)}
          <p><a href="/approvals">Orders that wait for you</a></p>`,
      });
    },

    submit: () => sorry(405, "This page has no forms."),
  };
}

function others(hosts: readonly NamedHost[], shown: NamedHost): Markup | string {
  if (hosts.length < 2) return "";
  return html`<ul>
    ${hosts
      .filter(({ hostId }) => hostId !== shown.hostId)
      .map(
        ({ hostId, name }) => html`<li><a href="/audit?host=${encodeURIComponent(hostId)}">${name}</a></li>`,
      )}
  </ul>`;
}

function standing({ head, broken, entries }: AuditPage): Markup {
  if (broken !== null) {
    return html`<p class="warning" role="alert">
      <strong>The trail is broken</strong>, first seen at ${broken.since}: ${broken.reason} What is shown is
      whole as far as it goes. Compare with <code>tws-edge audit verify</code> on the TWS host.
    </p>`;
  }
  if (entries.length === 0 && head.seq === 0) return html`<p>There is nothing to show.</p>`;
  if (head.seq === 0) return html`<p>The order journal of now has no entry yet.</p>`;
  return html`<p>
    The trail is whole: ${head.seq} entries, the last with the hash <code>${head.hash}</code>.
  </p>`;
}

/** A journal that begins anew is no fault by itself, but the owner should know why it did. */
function beginnings({ trails }: AuditPage): Markup | string {
  const begun = trails.flatMap(({ beganAt, previous }) => (previous === null ? [] : [{ beganAt, previous }]));
  if (begun.length === 0) return "";
  return html`<ul>
    ${begun.map(
      ({ beganAt, previous: { head } }) =>
        html`<li>
          A new trail began at ${beganAt}, with a new order journal on the TWS host; the one before ended with
          entry ${head.seq}, whose hash is <code>${head.hash}</code>.
        </li>`,
    )}
  </ul>`;
}

const older = ({ hostId }: NamedHost, { hasMore, entries }: AuditPage): Markup | string =>
  hasMore
    ? html`<p>
        <a href="/audit?host=${encodeURIComponent(hostId)}&amp;before=${entries.at(-1)?.number ?? 1}"
          >Older</a
        >
      </p>`
    : "";

function entryOf({ entry }: ShownEntry): Markup {
  const facts: readonly (readonly [string, string])[] = [
    ["At", entry.at],
    ["Outcome", entry.outcome],
    ["Tool", entry.tool],
    ["Account", entry.account],
    ["Client", entry.client],
    ["Access", entry.grantId],
    ["Intent", entry.intentId],
    ["Digest", entry.digest],
  ];
  return html`<fieldset>
    <legend>${entry.seq} ${entry.step}</legend>
    <dl>
      ${facts
        .filter(([, value]) => value !== "")
        .map(
          ([name, value]) =>
            html`<dt>${name}</dt>
              <dd>${value}</dd>`,
        )}
    </dl>
  </fieldset>`;
}
