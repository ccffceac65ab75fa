import { html } from "hono/html";
import { fingerprintOf, HostName } from "../../../shared/machine-key.ts";
import { TwsError } from "../../../shared/errors.ts";
import { hostOf } from "../../config/bindings.ts";
import type { Target } from "../machines/machine-store.ts";
import type { OwnerPairing } from "../machines/pairing.ts";
import { type Markup, page, sorry } from "./layout.ts";
import { noticesOf } from "./notices.ts";
import type { Key } from "../../rpc/access.ts";
import type { Page, PagesOptions, Visit } from "./page.ts";

type Asked = NonNullable<Awaited<ReturnType<OwnerPairing["find"]>>>;

/** `/pair`: the owner lets machines in as agents, names them, and puts them out. */
export function createPairPage({ settings, env, pairing, owners }: PagesOptions): Page {
  const form = ({ session }: Visit, body: Markup) =>
    html`<form method="post" action="/pair">
      <input type="hidden" name="csrf" value="${session.csrf}" />${body}
    </form>`;

  async function overview(visit: Visit): Promise<Response> {
    return await page({
      title: "TWS hosts",
      body: html`${noticesOf(owners, visit.session.csrf)}
        <p>On the computer where TWS runs: <code>tws-edge pair ${settings.publicUrl}</code></p>
        ${form(
          visit,
          html`<label
              >The code that it shows
              <input
                name="code"
                autocomplete="off"
                autocapitalize="characters"
                spellcheck="false"
                maxlength="20"
                required
            /></label>
            <button name="do" value="find">Continue</button>`,
        )}
        <h2>Or make a code here, and bring it there</h2>
        ${form(visit, html`${targetFields(null)}<button name="do" value="offer">Make a code</button>`)}
        <h2>Hosts</h2>
        ${await Promise.all(pairing.hosts().map((host) => hostEntry(visit, host)))}
        <p><a href="/grants">Access of clients</a></p>`,
    });
  }

  async function hostEntry(
    visit: Visit,
    { hostId, name }: { hostId: string; name: string },
  ): Promise<Markup> {
    const keys = pairing.keys().filter((key) => key.hostId === hostId);
    const { agent } = await hostOf(env, hostId).health();
    return html`<fieldset>
      <legend>${name}</legend>
      <dl>
        <dt>Agent</dt>
        <dd>${agent.state.replaceAll("_", " ")}. ${agent.nextStep}</dd>
      </dl>
      ${keys.map((key) => keyEntry(visit, key))}
      ${form(
        visit,
        html`<input type="hidden" name="host" value="${hostId}" />
          <label>Name <input name="name" value="${name}" maxlength="60" required /></label>
          <button name="do" value="rename">Rename</button>`,
      )}
    </fieldset>`;
  }

  function keyEntry(visit: Visit, { keyId, machine, pairedAt, usedAt, revokedAt }: Key): Markup {
    return html`<dl>
        <dt>Machine</dt>
        <dd>${machine}</dd>
        <dt>Key</dt>
        <dd><code>${fingerprintOf(keyId)}</code></dd>
        <dt>Paired</dt>
        <dd>${pairedAt}</dd>
        <dt>Last connected</dt>
        <dd>${usedAt ?? "never"}</dd>
        ${
          revokedAt === null
            ? ""
            : html`<dt>Revoked</dt>
                <dd>${revokedAt}</dd>`
        }
      </dl>
      ${
        revokedAt === null
          ? form(
              visit,
              html`<input type="hidden" name="key" value="${keyId}" />
                <button name="do" value="revoke">Revoke this key</button>`,
            )
          : ""
      }`;
  }

  function targetFields(suggestedName: string | null, currentHostId: string | null = null): Markup {
    const hosts = pairing.hosts();
    return html`<label
        >Name of the host
        <input name="name" value="${suggestedName ?? ""}" maxlength="60" placeholder="Such as: home"
      /></label>
      ${
        hosts.length === 0
          ? ""
          : html`<label
              >Or take the place of one, whose key is revoked then
              <select name="host">
                <option value="">No: a new host</option>
                ${hosts.map(({ hostId, name }) => html`<option value="${hostId}" ${hostId === currentHostId ? "selected" : ""}>${name}</option>`)}
              </select></label
            >`
      }`;
  }

  /** The host that a key is paired for already. */
  const hostIdOf = (keyId: string): string | null =>
    pairing.keys().find((key) => key.keyId === keyId)?.hostId ?? null;

  async function confirm(visit: Visit, code: string, asked: Asked): Promise<Response> {
    return await page({
      title: "Let this machine in?",
      body: html`<dl>
          <dt>Machine</dt>
          <dd>${asked.machine} <small>(as it calls itself)</small></dd>
          <dt>Key</dt>
          <dd><code>${fingerprintOf(asked.keyId)}</code></dd>
        </dl>
        <p class="warning">
          Compare the four words of the key with those on the machine's screen. Whoever holds this key answers
          for your TWS.
        </p>
        ${form(
          visit,
          html`<input type="hidden" name="code" value="${code}" />
            ${targetFields(asked.suggestedName, hostIdOf(asked.keyId))}
            <button name="do" value="accept">Let it in</button>
            <button name="do" value="decline">No</button>`,
        )}`,
    });
  }

  async function find(visit: Visit, code: string): Promise<Asked> {
    const asked = await pairing.find(code, visit.session.hash);
    if (asked !== null) return asked;
    throw new TwsError("unauthorized", "No machine shows this code, or it is older than ten minutes.", {
      nextStep: "Look at the machine again; tws-edge pair makes a new code.",
    });
  }

  async function submit(visit: Visit, fields: URLSearchParams): Promise<Response> {
    const code = text(fields, "code");
    switch (text(fields, "do")) {
      case "find":
        return await confirm(visit, code, await find(visit, code));
      case "accept":
        await pairing.accept(await find(visit, code), targetOf(fields));
        return back();
      case "decline":
        pairing.decline(await find(visit, code));
        return back();
      case "offer":
        return await showOffer(await pairing.offer(targetOf(fields)));
      case "rename":
        pairing.rename(text(fields, "host"), nameOf(fields));
        return back();
      case "revoke":
        await pairing.revoke(text(fields, "key"));
        return back();
      default:
        return await sorry(400, "The form is not complete. Go back and try again.");
    }
  }

  const showOffer = ({ code, expiresAt }: { code: string; expiresAt: string }): Promise<Response> =>
    page({
      title: "Bring this code",
      body: html`<p>On the computer where TWS runs, until ${expiresAt}:</p>
        <p><code>tws-edge pair ${settings.publicUrl} --code ${code}</code></p>
        <p>It works once. <a href="/pair">Back</a></p>`,
    });

  const back = () => new Response(null, { status: 303, headers: { Location: `${settings.publicUrl}/pair` } });

  return {
    show: overview,
    async submit(visit, fields) {
      try {
        return await submit(visit, fields);
      } catch (error) {
        if (!(error instanceof TwsError)) throw error;
        return await sorry(error.status, `${error.message} ${error.toBody().nextStep}`);
      }
    },
  };
}

function text(fields: URLSearchParams, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : "";
}

function nameOf(fields: URLSearchParams): string {
  const name = HostName.safeParse(text(fields, "name"));
  if (name.success) return name.data;
  throw new TwsError("invalid_input", "The host needs a name of at most 60 characters.", {
    nextStep: "Go back and give it one.",
  });
}

function targetOf(fields: URLSearchParams): Target {
  const hostId = text(fields, "host");
  return hostId === "" ? { newName: nameOf(fields) } : { hostId };
}
