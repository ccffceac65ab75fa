import { html } from "hono/html";
import type { Freeze, TradingStatus } from "../../../shared/status.ts";
import type { TradingFacts } from "../../rpc/host.ts";
import type { Markup } from "./layout.ts";

const modes: Readonly<Record<TradingStatus["trading"], string>> = {
  off: "off: no order is taken",
  paper: "paper accounts only",
  live: "paper and live accounts",
};
const policies: Readonly<Record<TradingStatus["approval"], string>> = {
  never: "never",
  live: "for live orders",
  always: "for every order",
};
const places: Readonly<Record<TradingStatus["approvalAt"], string>> = {
  page: "",
  host: ", on the TWS host alone",
};
const stoppers: Readonly<Record<Freeze["by"], string>> = {
  host: "on the TWS host",
  page: "here",
  loss: "by the limit for losses",
};
const trails: Readonly<Record<TradingFacts["audit"], string>> = {
  ok: "whole",
  broken: "BROKEN: what came from the TWS host did not continue it",
  none: "empty",
};

/** How trading stands on one host, and what the owner can do about it here. */
export function tradingPanel(
  { isAgentUp, trading, audit }: TradingFacts,
  form: (body: Markup) => Markup,
): Markup {
  if (trading === null) return html`<p>The agent has not said how trading stands.</p>`;
  const { frozen, unknownOrders } = trading;
  return html`<dl>
      ${
        isAgentUp
          ? ""
          : html`<dt>As last known</dt>
              <dd>The agent is not connected.</dd>`
      }
      <dt>Trading</dt>
      <dd>${modes[trading.trading]}</dd>
      <dt>Your approval is asked</dt>
      <dd>${policies[trading.approval]}${places[trading.approvalAt]}</dd>
      <dt>New orders</dt>
      <dd>
        ${
          frozen === null
            ? "taken"
            : `STOPPED ${stoppers[frozen.by]} since ${frozen.since.slice(0, 40)}${frozen.reason === "" ? "" : `: ${frozen.reason}`}`
        }
      </dd>
      <dt>Order journal</dt>
      <dd>
        ${trading.journal === "ok" ? "written" : "FAILED: no order is sent; look at the disk of the TWS host"}
      </dd>
      ${
        unknownOrders === 0
          ? ""
          : html`<dt>Orders of which it is not known whether TWS has them</dt>
              <dd>${unknownOrders}</dd>`
      }
      <dt>Audit trail</dt>
      <dd>${trails[audit]}</dd>
    </dl>
    ${isAgentUp ? form(frozen === null ? stop : frozen.by === "page" ? allow : elsewhere) : ""}`;
}

const stop = html`<label
    >Why (may stay empty) <input name="reason" maxlength="200" autocomplete="off"
  /></label>
  <button name="do" value="freeze">Stop new orders</button>`;

const allow = html`<button name="do" value="unfreeze">Allow new orders again</button>`;

const elsewhere = html`<p>
  Only <code>tws-edge unfreeze</code> on the computer where TWS runs allows new orders again.
</p>`;
