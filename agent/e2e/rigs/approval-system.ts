import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { parseStartConfig } from "../../config/config.ts";
import { type Local, startLocal } from "../../local/local.ts";
import { openJournalFile } from "../../journal/database.ts";
import { simulatorJournal } from "../../config/journal-path.ts";
import type { CallTool } from "../clients/clients.ts";
import { freePort, passphrase } from "./owner-browser.ts";
import { createPrograms } from "./programs.ts";

/** Edge, agent and simulator, of which every order waits for the owner, and the owner's commands on the TWS host. */
export interface ApprovalSystem {
  readonly local: Local;
  /** `tws-edge ARGS` on the TWS host; what it said on both streams. */
  host(...args: readonly string[]): Promise<{ readonly code: number | null; readonly said: string }>;
  /** The messages to TWS that place or change an order, by now. */
  placed(): number;
  /** As if the time of all that waits had passed. */
  expire(): void;
  /** Ends all of it, and begins it anew on what the edge has kept: with a new simulator, and so a new journal. */
  restarted(): Promise<ApprovalSystem>;
  close(): Promise<void>;
}

const placeOrder = 3;

export async function startApprovalSystem(
  environment: Readonly<Record<string, string>> = {},
  folder = mkdtempSync(join(tmpdir(), "tws-edge-approvals-")),
): Promise<ApprovalSystem> {
  const persistTo = join(folder, "state");
  const journal = join(persistTo, simulatorJournal);
  const config = parseStartConfig({
    APPROVAL: "always",
    SERVER_PORT: String(await freePort()),
    ...(environment["AUTH"] === "on" && { OWNER_PASSPHRASE: passphrase }),
    ...environment,
  });
  const local = await startLocal({ config, persistTo });
  const programs = createPrograms(folder, () => ({}));
  return {
    local,
    async host(...args) {
      const program = programs.run([...args, "--journal", journal]);
      return { code: await program.exited, said: program.said() };
    },
    placed: () => local.simulator?.received().filter(({ id }) => id === placeOrder).length ?? 0,
    expire() {
      const file = openJournalFile({ path: journal, exclusive: false });
      file.write("expire", (db) => db.prepare("UPDATE approval SET expires_at = ?").run(Date.now()));
      file.close();
    },
    async restarted() {
      await programs.close();
      await local.close();
      return await startApprovalSystem(environment, folder);
    },
    async close() {
      await programs.close();
      await local.close();
      rmSync(folder, { recursive: true });
    },
  };
}

const Result = z.object({ structuredContent: z.record(z.string(), z.unknown()) });
export const contentOf = (result: unknown) => Result.parse(result).structuredContent;

const Waiting = z.object({
  error: z.object({
    code: z.literal("approval_required"),
    nextStep: z.string(),
    intent: z.object({ idempotencyKey: z.string() }),
    approval: z.object({ approvalId: z.string(), url: z.string().optional(), at: z.string() }),
  }),
});

/** What a client without elicitation is told of its order that waits; throws for every other answer. */
export async function waitingFor(call: CallTool, tool: string, input: Record<string, unknown>) {
  const { nextStep, intent, approval } = Waiting.parse(await call(tool, input)).error;
  return { ...approval, nextStep, key: intent.idempotencyKey };
}
