import { TwsError } from "../../../shared/errors.ts";
import type { Caller } from "../../../shared/caller.ts";
import { startAgent } from "../../handlers/handlers.fixture.ts";
import { type JournalFile, openJournalFile } from "../../journal/database.ts";
import type { ReconcileTimes } from "../../orders/reconciler.ts";
import type { Simulator } from "../../simulator/server.ts";
import { quickReconcile } from "../chaos/crash-matrix.ts";
import { type Ask, plainAsk } from "./dispatch-client.ts";
import type { Log } from "../../process/log.ts";
import { silentLog } from "../../process/log.fixture.ts";

/** An agent that ends without a word and comes back with the same journal, as often as it must. */
export interface FaultHost {
  /** A call of the agent of now; agent_offline when that ends before it answers. */
  readonly askAs: (caller: Caller, signal?: AbortSignal) => Ask;
  /** Resolves when another agent has taken its place. */
  crash(): Promise<void>;
  /** So many writes, of all steps or one, fail from now on, before or after they have reached the disk. */
  failJournal(writes: number, phase: "before" | "after", step?: string): void;
  /** Told of each write that has reached the disk. */
  onWritten(listener: (step: string) => void): void;
  freeze(on: boolean): void;
  /** Resolves when its session with TWS is up. */
  whenUp(): Promise<void>;
  /** The agent of now. */
  readonly agent: () => ReturnType<typeof startAgent>;
  close(): Promise<void>;
}

const offline = () => new TwsError("agent_offline", "The agent has gone.").toBody();
const unavailable = () => new TwsError("journal_unavailable", "The order journal cannot be written.");

interface Life {
  readonly agent: ReturnType<typeof startAgent>;
  /** Nothing is written any more, and nobody is answered. */
  die(): void;
  readonly death: Promise<void>;
}

interface HostOptions {
  /** 1 by default. */
  readonly clientId?: number;
  readonly reconcileTimes?: Partial<ReconcileTimes>;
  readonly log?: Log;
  readonly now?: () => number;
  readonly elapsed?: () => number;
}

export function startFaultHost(
  { port }: Pick<Simulator, "port">,
  path: string,
  { clientId, reconcileTimes = quickReconcile, log = silentLog, now, elapsed }: HostOptions = {},
): FaultHost {
  let failing: { writes: number; readonly phase: "before" | "after"; readonly step: string | null } = {
    writes: 0,
    phase: "before",
    step: null,
  };

  let written = (_step: string): void => {};

  function live(): Life {
    const file = openJournalFile({ path, exclusive: true });
    const { promise: death, resolve } = Promise.withResolvers<void>();
    let isDead = false;

    const fails = (step: string, phase: "before" | "after"): boolean => {
      const isMeant = failing.phase === phase && (failing.step ?? step) === step;
      if (failing.writes === 0 || !isMeant) return false;
      failing.writes -= 1;
      return true;
    };
    const journalFile: JournalFile = {
      path,
      write(step, work) {
        if (isDead || fails(step, "before")) throw unavailable();
        const result = file.write(step, work);
        written(step);
        if (fails(step, "after")) throw unavailable();
        return result;
      },
      read(work) {
        if (isDead) throw unavailable();
        return file.read(work);
      },
      failure: () => file.failure(),
      close() {
        if (!isDead) file.close();
      },
    };
    const agent = startAgent({
      port,
      clientId,
      journalFile,
      limits: { ordersPerMinute: 10_000 },
      now,
      elapsed,
      reconcileTimes,
      log,
      orderTimes: {
        ackMs: 300,
        settleMs: 20,
        afterRefusalMs: 60,
        fillMs: 150,
        listMs: 1_000,
        backWithinMs: 800,
      },
      sessionTimes: { retryFirstMs: 15, retryCapMs: 50, clientIdInUseMs: 40 },
    });
    return {
      agent,
      die() {
        isDead = true;
        file.close();
        resolve();
      },
      death,
    };
  }

  let life = live();
  const whenUp = async (): Promise<void> => {
    await life.agent.session.whenConnected(20_000);
  };

  return {
    askAs:
      (caller, signal = new AbortController().signal) =>
      (tool, input) => {
        const { agent, death } = life;
        const gone = death.then(() => ({ type: "error", id: "1", error: offline() }) as const);
        return Promise.race([plainAsk(agent.handlers, signal, caller)(tool, input), gone]);
      },
    async crash() {
      const { agent } = life;
      life.die();
      await agent.close();
      life = live();
      await whenUp();
    },
    failJournal(writes, phase, step) {
      failing = { writes, phase, step: step ?? null };
    },
    onWritten(listener) {
      written = listener;
    },
    freeze(on) {
      const { killSwitch } = life.agent.orders;
      try {
        if (on) killSwitch.freeze("host", "");
        else killSwitch.unfreeze("host");
      } catch (error) {
        // the journal fails just now
        if (!(error instanceof TwsError)) throw error;
      }
    },
    whenUp,
    agent: () => life.agent,
    close: () => life.agent.close(),
  };
}
