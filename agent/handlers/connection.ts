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
  /** The arguments that name another target than the owner's. A model may not choose where the agent dials. */
  function othersIn({ host, port, clientId }: ConnectInput): string[] {
    return [
      ...(host === undefined || host.toLowerCase() === target.host.toLowerCase() ? [] : ["host"]),
      ...(port === undefined || port === target.port ? [] : ["port"]),
      ...(clientId === undefined || clientId === target.clientId ? [] : ["clientId"]),
    ];
  }

  /** Who means another TWS must not be given one where orders are for real money. */
  function refuseLive(others: readonly string[]): void {
    const { isSimulator } = session.status().tws;
    const isLive = !isSimulator && session.accounts().some((account) => modeOf(account) === "live");
    if (others.length === 0 || !isLive) return;
    throw new TwsError(
      "forbidden",
      "Only the TWS that the owner configured can be connected to, and it is a live one.",
      { nextStep: "Leave out host, port and clientId if that is the one you mean." },
    );
  }

  return {
    async ibkr_connect(input, context) {
      const others = othersIn(input);
      refuseLive(others);
      session.resume();
      // without a connection to IBKR there is a session all the same, and the status says so
      await session.whenConnected(context.twsTimeoutMs).catch((error: unknown) => {
        if (!(error instanceof TwsError && error.code === "tws_upstream_down")) throw error;
      });
      // before the first session nothing was known of its accounts
      refuseLive(others);
      const { state, isSimulator } = session.status().tws;
      const kind = isSimulator ? "the simulator of this host" : "the paper TWS that the owner configured";
      const note = `This is ${kind}, whatever ${others.join(", ")} said: only its owner sets where the agent connects. Nothing else is to be done.`;
      return { status: state, ...target, ...(others.length > 0 && { note }) };
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
