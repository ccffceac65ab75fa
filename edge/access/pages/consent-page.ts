import {
  AuthorizationError,
  type AuthRequest,
  CimdFetchError,
  type ConsentDescription,
} from "@cloudflare/workers-oauth-provider";
import { html } from "hono/html";
import { z } from "zod";
import { defaultHostId, Scope, Toolset } from "../../../shared/caller.ts";
import { modeOf } from "../../../shared/status.ts";
import { hostOf } from "../../config/bindings.ts";
import { inTime } from "./hosts.ts";
import { type Markup, page, sorry } from "./layout.ts";
import type { Policy } from "../../rpc/access.ts";
import type { Page, PagesOptions, Visit } from "./page.ts";
import { toBase64Url } from "../../crypto/base64url.ts";

/** Programs that get their answer by a scheme of their own and not over loopback (RFC 8252): Cursor. */
const programSchemes: ReadonlySet<string> = new Set(["cursor:"]);
const daysAllowed = ["1", "30", "90"] as const;
const mostConsents = 200;
const dayMs = 24 * 3600 * 1000;

/** A form of the consent page. */
const Choice = z.object({
  handle: z.string().min(1).max(500),
  decision: z.enum(["allow", "deny"]),
  permission: z.enum(["read", "trade"]),
  toolset: Toolset,
  days: z.enum(daysAllowed),
  host: z.string().min(1).max(100),
  accounts: z.array(z.string().max(50)).max(100),
  everyAccount: z.boolean(),
});
type Choice = z.infer<typeof Choice>;

/** `/authorize`: a client asks, and the owner decides what it may do and for how long. */
export function createConsentPage({ settings, env, store, owners, oauth, pairing }: PagesOptions): Page {
  const { helpers } = oauth;

  /** The hosts that there are, and the one that the first agent will be where none is paired yet. */
  async function hosts(): Promise<Host[]> {
    const known = pairing.hosts().map(({ hostId, name }) => ({ hostId, name }));
    const all = known.length === 0 ? [{ hostId: defaultHostId, name: defaultHostId }] : known;
    return await Promise.all(
      all.map(async (one) => {
        const facts = await inTime(hostOf(env, one.hostId).facts());
        return { ...one, ...(facts ?? { machine: "does not answer", accounts: [] }) };
      }),
    );
  }

  async function ask({ request, session }: Visit): Promise<Response> {
    const asked = await helpers.parseAuthRequest(request);
    requireProof(asked);
    if (!isAnswerable(asked.redirectUri)) return await sorry(400, unanswerable);
    if (store.consents().length >= mostConsents) {
      return await sorry(503, "There are too many grants. End some at /grants first.");
    }
    const details = await helpers.describeConsent(asked);
    const known = await hosts();
    const { handle, headers } = await helpers.beginConsent(asked);
    return await page({
      title: "Give access?",
      headers,
      formTargets: [formTarget(details.redirectUri)],
      body: html`${describe(details)}
        <form method="post" action="/authorize">
          <input type="hidden" name="csrf" value="${session.csrf}" />
          <input type="hidden" name="handle" value="${handle}" />
          ${noDefaultButton} ${choices(details.scope, known)}
          <button name="decision" value="allow">Allow</button>
          <button name="decision" value="deny">Deny</button>
        </form>`,
    });
  }

  async function decide(request: Request, choice: Choice): Promise<Response> {
    if (choice.decision === "deny") {
      const { headers } = await helpers.denyConsent(request, choice.handle);
      return new Response(null, { status: 302, headers });
    }
    const host = (await hosts()).find(({ hostId }) => hostId === choice.host);
    if (host === undefined) return await sorry(400, "There is no such host. Go back and try again.");
    // the form shows those of every host
    const accounts = choice.everyAccount
      ? null
      : host.accounts.filter((account) => choice.accounts.includes(account));
    if (accounts?.length === 0) {
      return await sorry(400, "Choose at least one account of the host. Go back and try again.");
    }
    const scopes: Scope[] = choice.permission === "trade" ? ["tws:read", "tws:trade"] : ["tws:read"];
    const { request: asked, headers } = await helpers.approveConsent(request, choice.handle);
    // what its client needs to be given a refresh token, and says nothing of TWS
    const granted = asked.scope.includes("offline_access") ? [...scopes, "offline_access"] : scopes;
    const details = await helpers.describeConsent(asked);
    const grantId = `g_${toBase64Url(crypto.getRandomValues(new Uint8Array(16)))}`;
    const now = Date.now();
    const policy: Policy = {
      hostId: choice.host,
      accounts,
      scopes,
      toolset: choice.toolset,
      expiresAt: new Date(now + Number(choice.days) * dayMs).toISOString(),
    };
    const { redirectTo } = await helpers.completeAuthorization({
      request: { ...asked, scope: granted },
      userId: grantId,
      metadata: {},
      scope: granted,
      props: {},
    });
    store.addConsent({
      grantId,
      clientId: asked.clientId,
      client: nameOf(details),
      policy,
      createdAt: new Date(now).toISOString(),
      usedAt: null,
    });
    owners.tell(
      `You gave access to ${nameOf(details)}: ${scopes.includes("tws:trade") ? "read and trade" : "read"}.`,
    );
    headers.set("Location", redirectTo);
    return new Response(null, { status: 302, headers });
  }

  return {
    show: (visit) => explained(() => ask(visit)),
    async submit({ request }, form) {
      const choice = Choice.safeParse({
        handle: form.get("handle"),
        decision: form.get("decision"),
        permission: form.get("permission"),
        toolset: form.get("toolset"),
        days: form.get("days"),
        host: form.get("host"),
        accounts: form.getAll("account"),
        everyAccount: form.get("every-account") === "yes",
      });
      if (!choice.success) return await sorry(400, "The form is not complete. Go back and try again.");
      return await explained(() => decide(request, choice.data));
    },
  };

  /** What is wrong is told to the client where its address is known to be its own, and to the owner otherwise. */
  async function explained(work: () => Promise<Response>): Promise<Response> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof AuthorizationError) {
        if (error.redirectTo !== undefined) {
          if (!isAnswerable(error.redirectTo)) return await sorry(400, unanswerable);
          return new Response(null, { status: 302, headers: { Location: error.redirectTo } });
        }
        return await sorry(400, error.description);
      }
      if (error instanceof CimdFetchError) {
        return await sorry(400, "The client's description could not be fetched or is not valid.");
      }
      throw error;
    }
  }

  function requireProof({ codeChallenge, codeChallengeMethod }: AuthRequest): void {
    if (codeChallenge !== undefined && codeChallengeMethod === "S256") return;
    throw new AuthorizationError("invalid_request", {
      description: `PKCE with S256 is required. The client must follow ${settings.publicUrl}/.well-known/oauth-authorization-server.`,
    });
  }
}

const unanswerable =
  "The client wants its answer by an address of a kind that is not taken. It may use https with an ordinary host name, a loopback address, or Cursor's own scheme.";

/**
 * Any program can claim any scheme, and the browser would start it: only schemes that are known are redirected to. A
 * host goes into the policy of the page, where `;`, `,` and `*`, which an address may have in it, would mean something.
 */
function isAnswerable(redirectUri: string): boolean {
  const { protocol, hostname } = new URL(redirectUri);
  if (programSchemes.has(protocol)) return true;
  const isPlain = /^(?:[a-z0-9_.-]+|\[[0-9a-f:.]+\])$/.test(hostname);
  return isPlain && (protocol === "https:" || protocol === "http:");
}

/** For a client that is described at its own address that domain is sure; the name of any other is its own claim. */
const nameOf = ({ clientDomain, clientName }: ConsentDescription): string =>
  (clientDomain === undefined ? clientName : `${clientName} (${clientDomain})`)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\ufffd")
    .slice(0, 200);

function describe(details: ConsentDescription): Markup {
  const { clientDomain, clientName, redirectHost, redirectUri, redirectIsLoopback } = details;
  const { protocol } = new URL(redirectUri);
  const isProgram = redirectIsLoopback || programSchemes.has(protocol);
  return html`<dl>
      <dt>Client</dt>
      <dd>${clientName.slice(0, 100)}</dd>
      <dt>Published by</dt>
      <dd>${clientDomain ?? "unverified: the client chose its name itself"}</dd>
      <dt>Access is sent to</dt>
      <dd>${programSchemes.has(protocol) ? `the program for ${protocol}` : redirectHost.slice(0, 200)}</dd>
    </dl>
    ${
      isProgram
        ? html`<p class="warning">
            This gives access to a program on the computer where you read this. Go on only if you have just
            started to sign in from it.
          </p>`
        : ""
    }`;
}

interface Host {
  readonly hostId: string;
  readonly name: string;
  readonly machine: string | null;
  readonly accounts: readonly string[];
}

/**
 * Enter on a choice presses the first button of the form, and does nothing where that one is disabled. Access is given by
 * a button that the owner presses.
 */
const noDefaultButton: Markup = html`<button type="submit" disabled hidden>Choose below</button>`;

const isLive = (account: string): boolean => modeOf(account) === "live";

function choices(asked: readonly string[], hosts: readonly Host[]): Markup {
  // a client that names no scope has not asked to trade
  const wantsTrade = asked.includes("tws:trade");
  const areKnown = hosts.some(({ accounts }) => accounts.length > 0);
  const hasLive = hosts.some(({ accounts }) => accounts.some(isLive));
  return html`<fieldset>
      <legend>TWS host</legend>
      ${hosts.map(
        ({ hostId, name, machine }, index) =>
          html`<label
            ><input type="radio" name="host" value="${hostId}" ${index === 0 ? "checked" : ""} required />
            ${name}${machine === null ? "" : ` (${machine})`}</label
          >`,
      )}
    </fieldset>
    <fieldset>
      <legend>Accounts</legend>
      ${hasLive ? html`<p class="warning">Accounts marked LIVE hold real money.</p>` : ""}
      <label
        ><input type="checkbox" name="every-account" value="yes" ${areKnown ? "" : "checked"} /> Every account
        of the host, LIVE ones and those added later too</label
      >
      ${hosts.flatMap(({ name, accounts }) =>
        accounts.map(
          (account) =>
            html`<label
              ><input type="checkbox" name="account" value="${account}" checked />
              ${account}${isLive(account) ? html` <strong>LIVE</strong>` : " paper"}${hosts.length > 1 ? ` (${name})` : ""}</label
            >`,
        ),
      )}
    </fieldset>
    <fieldset>
      <legend>The client may</legend>
      <label
        ><input type="radio" name="permission" value="read" ${wantsTrade ? "" : "checked"} /> Read: market
        data, positions, orders</label
      >
      <label
        ><input type="radio" name="permission" value="trade" ${wantsTrade ? "checked" : ""} /> Read and trade:
        also place, change and cancel orders</label
      >
    </fieldset>
    <fieldset>
      <legend>Tools</legend>
      <label><input type="radio" name="toolset" value="full" checked /> All</label>
      <label><input type="radio" name="toolset" value="core" /> The most used only</label>
    </fieldset>
    <fieldset>
      <legend>For how long</legend>
      ${daysAllowed.map(
        (days) =>
          html`<label
            ><input type="radio" name="days" value="${days}" ${days === "30" ? "checked" : ""} />
            ${days === "1" ? "1 day" : `${days} days`}</label
          >`,
      )}
    </fieldset>`;
}

/** Browsers hold the redirect after a form to the same rule as the form. */
function formTarget(redirectUri: string): string {
  const { origin, protocol } = new URL(redirectUri);
  return origin === "null" ? protocol : origin;
}
