import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Order } from "../../shared/order.ts";
import { type JournalFile, openJournalFile } from "./database.ts";
import type { NewIntent, NewLeg } from "./journal.ts";

/** For tests: a journal in a folder of its own, and programs that use it. */
export interface JournalFolder {
  readonly folder: string;
  readonly path: string;
  open(options?: { readonly exclusive?: boolean; readonly fresh?: boolean }): JournalFile;
  /** A program that has the journal module as `journal` and the path as `path`; resolves once it has said its first line. */
  run(script: string, as?: { readonly shell?: string; readonly isReader?: boolean }): Promise<JournalProgram>;
  close(): Promise<void>;
}

export interface JournalProgram {
  readonly child: ChildProcess;
  readonly firstLine: string;
  readonly exited: Promise<unknown>;
}

/**
 * Root may write to everything, so what is read-only is tried without that right. Another user might reach neither node nor
 * this file, below a home that is root's alone.
 */
const withoutRights =
  process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] : [];

export function createJournalFolder(): JournalFolder {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-journal-"));
  chmodSync(folder, 0o777);
  const path = join(folder, "journal.db");
  const closers: (() => unknown)[] = [];
  return {
    folder,
    path,
    open({ exclusive = true, fresh = false } = {}) {
      const file = openJournalFile({ path, exclusive, fresh });
      closers.push(() => file.close());
      return file;
    },
    async run(script, { shell = "", isReader = false } = {}) {
      const source = `
        import * as journal from ${JSON.stringify(new URL("database.ts", import.meta.url).href)};
        import * as killSwitch from ${JSON.stringify(new URL("kill-switch.ts", import.meta.url).href)};
        import * as approvals from ${JSON.stringify(new URL("approvals.ts", import.meta.url).href)};
        const path = ${JSON.stringify(path)};
        ${script}`;
      const node = [process.execPath, "--input-type=module", "-e", source];
      const program = isReader ? [...withoutRights, ...node] : node;
      const [command = "", ...args] =
        shell === "" ? program : ["/bin/sh", "-c", `${shell}; exec "$@"`, "sh", ...program];
      const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
      const exited = once(child, "exit");
      closers.push(async () => {
        child.kill("SIGKILL");
        await exited;
      });
      const lines = createInterface({ input: child.stdout });
      const ended = exited.then((code) =>
        Promise.reject(new Error(`It ended with ${String(code)}, and said nothing.`)),
      );
      const line: unknown[] = await Promise.race([once(lines, "line"), ended]);
      return { child, firstLine: String(line[0]), exited };
    },
    async close() {
      for (const close of closers.splice(0).toReversed()) await close();
      chmodSync(folder, 0o777);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Some orders that differ in their ids. */
export const intentOf = (intentId: string, change: Partial<NewIntent> = {}): NewIntent => ({
  intentId,
  grantId: "g_1",
  client: "a client",
  idempotencyKey: `key of ${intentId}`,
  tool: "ibkr_place_order",
  kind: "place",
  digest: "d".repeat(64),
  account: "DU1234567",
  notAfter: 10_000_000,
  ...change,
});

export const legOf = (orderId: number, leg = "order"): NewLeg => ({
  leg,
  orderId,
  clientId: 1,
  orderRef: `ag1:${orderId}`,
  sent: null,
});

/** As TWS shows it. */
export const orderOf = (orderId: number, change: Partial<Order> = {}): Order => ({
  orderId,
  permId: orderId * 1_000,
  clientId: 1,
  account: "DU1234567",
  mode: "paper",
  contract: { conId: 265_598 },
  action: "BUY",
  quantity: 10,
  orderType: "LMT",
  limitPrice: 180.5,
  auxPrice: null,
  trailStopPrice: null,
  limitOffset: null,
  tif: "DAY",
  goodTillDate: null,
  outsideRth: false,
  orderRef: `ag1:${orderId}`,
  parentId: null,
  ocaGroup: null,
  status: "Submitted",
  filled: 0,
  remaining: 10,
  avgFillPrice: null,
  whyHeld: null,
  warnings: [],
  ...change,
});
