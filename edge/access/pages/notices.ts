import { html } from "hono/html";
import type { OwnerStore } from "../storage/owner-store.ts";
import type { Markup } from "./layout.ts";

/** What has come in or ended since the owner last said that they know of it, at the head of their pages. */
export function noticesOf(owners: OwnerStore, csrf: string): Markup | string {
  const notices = owners.notices();
  const last = notices.at(-1);
  if (last === undefined) return "";
  return html`<section class="warning" aria-label="New since you last looked">
    <p><strong>New since you last looked</strong></p>
    <ul>
      ${notices.map(({ at, words }) => html`<li>${at}: ${words}</li>`)}
    </ul>
    <p>End what you do not know at <a href="/grants">Access</a>.</p>
    <form method="post" action="/grants">
      <input type="hidden" name="csrf" value="${csrf}" />
      <button name="seen" value="${last.id}">I know of these</button>
    </form>
  </section>`;
}
