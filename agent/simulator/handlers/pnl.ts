import type { Client } from "../wire/client.ts";
import * as messages from "../wire/messages.ts";
import type { World } from "../model/world.ts";
import type { Message } from "../wire/wire.ts";

export interface PnlFeed {
  account(client: Client, reqId: number, account: string): void;
  position(client: Client, reqId: number, account: string, conId: number): void;
  cancel(client: Client, reqId: number): void;
  cancelSingle(client: Client, reqId: number): void;
  /** Once a second, changed or not, as TWS does. */
  tick(): void;
  forget(client: Client): void;
}

export function createPnlFeed({ ledger }: World): PnlFeed {
  const rows = new Map<Client, Map<string, () => Message>>();

  function add(client: Client, reqId: number, kind: string, account: string, row: () => Message): void {
    if (!ledger.accounts.includes(account)) {
      client.error(reqId, 321, `Error validating request.-'cG' : cause - Invalid account code '${account}'.`);
      return;
    }
    const own = rows.get(client) ?? new Map<string, () => Message>();
    if (own.has(`${kind}/${reqId}`)) {
      client.error(reqId, 322, "Error processing request.-'cG' : cause - Duplicate ticker id");
      return;
    }
    rows.set(client, own.set(`${kind}/${reqId}`, row));
    client.send(row());
  }

  return {
    account(client, reqId, account) {
      add(client, reqId, "all", account, () => messages.pnl(reqId, ledger.pnl(account)));
    },
    position(client, reqId, account, conId) {
      add(client, reqId, "one", account, () => messages.pnlSingle(reqId, ledger.pnlSingle(account, conId)));
    },
    cancel(client, reqId) {
      if (rows.get(client)?.delete(`all/${reqId}`) === true) return;
      client.error(reqId, 10185, "Failed to cancel PNL (not subscribed)");
    },
    cancelSingle(client, reqId) {
      if (rows.get(client)?.delete(`one/${reqId}`) === true) return;
      client.error(reqId, 10186, "Failed to cancel PNL single (not subscribed)");
    },
    tick() {
      for (const [client, own] of rows) for (const row of own.values()) client.sendTick(row());
    },
    forget: (client) => void rows.delete(client),
  };
}
