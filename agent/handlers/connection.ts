import { TwsError } from "../../shared/errors.ts";
import { modeOf } from "../../shared/status.ts";
import type { InputOf } from "../../shared/tools/define.ts";
import type { statusTools } from "../../shared/tools/status.ts";
import { visibleAccounts } from "../limits/limits.ts";
import { currentTime } from "../tws/account/account.ts";
import { requestOf } from "../call/call-context.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";

type ConnectInput = InputOf<(typeof statusTools)["ibkr_connect"]>;

export function createConnectionHandlers({ session, target }: Pick<HandlerDeps, "session" | "target">) {
  /** A model may not choose where the agent dials. */
  function requireOwnTarget({ host, port, clientId }: ConnectInput): void {
    const isOwn =
      (host === undefined || host.toLowerCase() === target.host.toLowerCase()) &&
      (port === undefined || port === target.port) &&
      (clientId === undefined || clientId === target.clientId);
    if (isOwn) return;
    throw new TwsError("forbidden", "Only the TWS that the owner configured can be connected to.", {
      nextStep: "Leave out host, port and clientId.",
    });
  }

  return {
    async ibkr_connect(input, context) {
      requireOwnTarget(input);
      session.resume();
      // without a connection to IBKR there is a session all the same, and the status says so
      await session.whenConnected(context.twsTimeoutMs).catch((error: unknown) => {
        if (!(error instanceof TwsError && error.code === "tws_upstream_down")) throw error;
      });
      return { status: session.status().tws.state, ...target };
    },

    async ibkr_disconnect() {
      session.stop();
      return { status: session.status().tws.state };
    },

    async ibkr_get_current_time(_input, context) {
      const timestamp = await currentTime(session, requestOf(context));
      return { server_time: new Date(timestamp * 1000).toISOString(), timestamp };
    },

    async ibkr_get_managed_accounts(_input, { caller }) {
      const all = session.accounts();
      if (all.length === 0) throw new TwsError("tws_offline", "TWS has not told its accounts yet.");
      const accounts = visibleAccounts(caller, all);
      return {
        accounts,
        count: accounts.length,
        modes: Object.fromEntries(accounts.map((account) => [account, modeOf(account)])),
      };
    },
  } satisfies HandlersFor<typeof statusTools>;
}
