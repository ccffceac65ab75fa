import { html } from "hono/html";
import {
  type OwnerAnswer,
  type OwnerRequest,
  type PendingApproval,
  describeQuote,
  describeValue,
  hostCommand,
} from "../../../shared/approval.ts";
import { toErrorBody, TwsError } from "../../../shared/errors.ts";
import { modeOf } from "../../../shared/status.ts";
import { hostOf } from "../../config/bindings.ts";
import type { HostRpc, TradingFacts } from "../../rpc/host.ts";
import { hostsOf, inTime, type NamedHost } from "./hosts.ts";
import { type Markup, page, sorry } from "./layout.ts";
import { noticesOf } from "./notices.ts";
import { tradingPanel } from "./trading-panel.ts";
import type { Page, PagesOptions, Visit } from "./page.ts";

const hexDigest = /^[0-9a-f]{64}$/;

/** A host as the page shows it; `waiting` is null where its agent could not say what waits. */
interface HostApprovals extends NamedHost {
  readonly facts: TradingFacts | null;
  readonly waiting: OwnerAnswer | null;
  readonly problem: string;
}

/**
 * `/approvals`: the orders that wait for the owner, and stopping new ones; `/approvals/<hostId>.<approvalId>`: one of
 * them, to approve or decline. Nothing of it is kept here: the agent is asked each time, and it alone decides.
 */
export function createApprovalsPage({ settings, env, pairing, store, owners }: PagesOptions): Page {
  const rpcOf = (hostId: string): HostRpc => hostOf(env, hostId);

  async function ask(hostId: string, request: OwnerRequest): Promise<OwnerAnswer> {
    const outcome = await rpcOf(hostId).owner(request);
    if (outcome.ok) return outcome.answer;
    throw TwsError.fromBody(outcome.error);
  }

  /** A host that does not answer must not hide the others. */
  async function approvalsAt(host: NamedHost): Promise<HostApprovals> {
    const noAnswer = {
      ...host,
      facts: null,
      waiting: null,
      problem: "This host does not answer. Try again.",
    };
    try {
      return (await inTime(askForApprovals(host))) ?? noAnswer;
    } catch (error) {
      console.error(`the host ${host.hostId} did not answer`, error);
      return noAnswer;
    }
  }

  async function askForApprovals(host: NamedHost): Promise<HostApprovals> {
    const facts = await rpcOf(host.hostId).trading();
    const outcome = await rpcOf(host.hostId).owner({ kind: "owner" });
    if (outcome.ok) return { ...host, facts, waiting: outcome.answer, problem: "" };
    return { ...host, facts, waiting: null, problem: wordsOf(TwsError.fromBody(outcome.error)) };
  }

  const form = ({ session }: Visit, action: string, body: Markup): Markup =>
    html`<form method="post" action="${action}">
      <input type="hidden" name="csrf" value="${session.csrf}" />${body}
    </form>`;

  async function overview(visit: Visit): Promise<Response> {
    return await page({
      title: "Orders that wait for you",
      body: html`${noticesOf(owners, visit.session.csrf)}`,
      parts: hostsOf(env, pairing).map(async (host) => hostEntry(visit, await approvalsAt(host))),
      end: html`<p><a href="/approvals">Look again</a></p>
        <p><a href="/audit">What was done: the audit trail</a></p>
        <p><a href="/grants">Access of clients</a></p>`,
    });
  }

  const hostEntry = (visit: Visit, host: HostApprovals): Markup =>
    html`<section>
      <h2>${host.name}</h2>
      ${
        host.waiting === null
          ? html`<p class="warning" role="alert">${host.problem}</p>`
          : host.waiting.approvals.length === 0
            ? html`<p>No order waits.</p>`
            : html`<ul>
                ${host.waiting.approvals.map((one) => waitingEntry(host, one))}
              </ul>`
      }
      ${
        host.facts === null
          ? ""
          : tradingPanel(host.facts, (body) =>
              form(
                visit,
                "/approvals",
                html`<input type="hidden" name="host" value="${host.hostId}" />${body}`,
              ),
            )
      }
    </section>`;

  const waitingEntry = ({ hostId }: NamedHost, one: PendingApproval): Markup =>
    html`<li>
      <a href="/approvals/${hostId}.${encodeURIComponent(one.approvalId)}"
        >${isLive(one) ? "LIVE" : "PAPER"} ${one.account}:
        ${one.orders[0]}${one.orders.length > 1 ? ` and ${one.orders.length - 1} more` : ""}</a
      >
    </li>`;

  /** The host and the approval that an address names. */
  function targetOf(request: Request): { host: NamedHost; approvalId: string } | null {
    const name = new URL(request.url).pathname.slice("/approvals/".length);
    const dot = name.indexOf(".");
    const host = hostsOf(env, pairing).find(({ hostId }) => hostId === name.slice(0, dot));
    const approvalId = name.slice(dot + 1);
    return dot < 1 || host === undefined || !/^[\w-]{1,64}$/.test(approvalId) ? null : { host, approvalId };
  }

  async function showOne(visit: Visit): Promise<Response> {
    const target = targetOf(visit.request);
    if (target === null) return await gone();
    const { approvals, at } = await ask(target.host.hostId, { kind: "owner" });
    const one = approvals.find(({ approvalId }) => approvalId === target.approvalId);
    if (one === undefined || Date.parse(one.expiresAt) <= Date.now()) return await gone();
    return await page({
      title: "Place this order?",
      body: html`<p class="${isLive(one) ? "warning" : ""}">
          <strong>${isLive(one) ? "LIVE: this is real money." : "PAPER: no real money."}</strong>
        </p>
        <dl>
          <dt>${one.orders.length === 1 ? "Order" : `${one.orders.length} orders`}</dt>
          ${one.orders.map(
            (order, index) =>
              html`<dd>${order}</dd>
                <dd><small>${describeQuote(one.quotes[index], one.createdAt)}</small></dd>`,
          )}
          <dt>Account</dt>
          <dd>${one.account} on ${target.host.name}</dd>
          <dt>Value</dt>
          <dd>${describeValue(one)}</dd>
          <dt>Why you are asked</dt>
          <dd>${one.reason}</dd>
          <dt>Asked by</dt>
          <dd>${one.client} <small>(as it calls itself)</small></dd>
          <dt>Access</dt>
          <dd>${accessOf(one)}</dd>
          <dt>Asked at</dt>
          <dd>${one.createdAt}</dd>
          <dt>Open until</dt>
          <dd>${one.expiresAt}</dd>
        </dl>
        ${
          at === "host"
            ? onHost(target.approvalId)
            : form(
                visit,
                new URL(visit.request.url).pathname,
                html`<input type="hidden" name="digest" value="${one.digest}" />
                  <button name="do" value="approve">Approve</button>
                  <button name="do" value="decline">Decline</button>`,
              )
        }
        <p><a href="/approvals">All orders that wait</a></p>`,
    });
  }

  /** By whose leave: what the owner agreed to once, where it is known here. */
  function accessOf({ grantId }: PendingApproval): string {
    const consent = store.consent(grantId);
    return consent === null ? grantId : `${consent.client}, since ${consent.createdAt} (${grantId})`;
  }

  async function decide(
    visit: Visit,
    fields: URLSearchParams,
    decision: "approve" | "decline",
  ): Promise<Response> {
    const target = targetOf(visit.request);
    if (target === null) return await gone();
    const digest = text(fields, "digest");
    if (!hexDigest.test(digest)) return await incomplete();
    const { hostId } = target.host;
    const { approvalId } = target;
    const { approvals } = await ask(hostId, { kind: "decide", approvalId, digest, decision });
    if (approvals.some((one) => one.approvalId === approvalId)) {
      return await sorry(
        502,
        "The agent did not take your decision: the order still waits. Open the page again.",
      );
    }
    return await page({
      title: decision === "approve" ? "Approved" : "Declined",
      body: html`<p>
          ${
            decision === "approve"
              ? "The order is placed as soon as its client asks for it again, and once only. If it does not in time, nothing is placed."
              : "The order is not placed."
          }
        </p>
        <p><a href="/approvals">All orders that wait</a></p>`,
    });
  }

  async function change(fields: URLSearchParams, request: OwnerRequest): Promise<Response> {
    const host = hostsOf(env, pairing).find(({ hostId }) => hostId === text(fields, "host"));
    if (host === undefined) return await incomplete();
    await ask(host.hostId, request);
    return new Response(null, { status: 303, headers: { Location: `${settings.publicUrl}/approvals` } });
  }

  async function submit(visit: Visit, fields: URLSearchParams): Promise<Response> {
    const choice = text(fields, "do");
    switch (choice) {
      case "approve":
      case "decline":
        return await decide(visit, fields, choice);
      case "freeze":
        return await change(fields, { kind: "freeze", reason: text(fields, "reason").trim().slice(0, 200) });
      case "unfreeze":
        return await change(fields, { kind: "unfreeze" });
      default:
        return await incomplete();
    }
  }

  return {
    show: (visit) =>
      explained(() =>
        new URL(visit.request.url).pathname === "/approvals" ? overview(visit) : showOne(visit),
      ),
    submit: (visit, fields) => explained(() => submit(visit, fields)),
  };
}

/** Real money, if either the agent or the account's id says so. */
const isLive = ({ mode, account }: PendingApproval): boolean => mode === "live" || modeOf(account) === "live";

const gone = (): Promise<Response> =>
  sorry(404, "No such order waits: it was decided, has expired, or never was.");

/** In place of the buttons, where the agent takes no decision from here. */
const onHost = (approvalId: string): Markup =>
  html`<p>
    You decide on the computer where TWS runs (<code>APPROVAL_AT=host</code>), with one of
    <code>${hostCommand("approve", approvalId)}</code> and <code>${hostCommand("decline", approvalId)}</code>
  </p>`;

const incomplete = (): Promise<Response> => sorry(400, "The form is not complete. Go back and try again.");

/** The agent's words are bounded, whatever it sends. */
const wordsOf = (error: TwsError): string => `${error.message} ${error.toBody().nextStep}`.slice(0, 800);

async function explained(work: () => Promise<Response>): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TwsError) return await sorry(error.status, wordsOf(error));
    const { message } = toErrorBody(error, (id, cause) => console.error(`internal error ${id}`, cause));
    return await sorry(500, `${message} Open the page again.`);
  }
}

function text(fields: URLSearchParams, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value : "";
}
