import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startEmbeddedEdge } from "../../local/embedded-edge.ts";
import type { LinkTimes } from "../../link/link.ts";
import { createLog } from "../../process/log.ts";
import { startSimulator, type Simulator, type SimulatorOptions } from "../../simulator/server.ts";
import type { ReconcileTimes } from "../../orders/reconciler.ts";
import type { createQuoteStreams } from "../../tws/market-data/quotes.ts";
import type { SessionTimes } from "../../tws/session/session.ts";
import { eventually, plainCaller } from "../clients/clients.ts";
import { type Proxy, startProxy } from "./proxy.ts";

/** Everything real but TWS: workerd, an agent in a process of its own, and the simulator on a socket. */
export interface System {
  readonly url: string;
  readonly wsUrl: string;
  readonly mcpUrl: string;
  readonly simulator: Simulator;
  /** Between agent and edge. */
  readonly link: Proxy;
  readonly agent: {
    /** SIGKILL: it says goodbye to nobody. */
    kill(): void;
    start(): void;
    /** When each process was started, in Unix milliseconds. */
    readonly startedAt: readonly number[];
  };
  readonly edge: {
    stop(): Promise<void>;
    /** On the same port, with what it kept if it keeps anything. */
    start(): Promise<void>;
  };
  close(): Promise<void>;
}

/** What fast-agent-process.ts takes. */
interface AgentTimes {
  readonly linkTimes?: Partial<LinkTimes>;
  readonly sessionTimes?: Partial<SessionTimes>;
  readonly reconcileTimes?: Partial<ReconcileTimes>;
  readonly quoteTimes?: Parameters<typeof createQuoteStreams>[1]["times"];
  readonly marketAheadMs?: number;
}

interface SystemOptions {
  readonly simulator?: SimulatorOptions;
  /** Other times than usual for the agent. */
  readonly times?: AgentTimes;
  /** The folder for what the edge keeps; nothing is kept without it. */
  readonly persistTo?: string;
}

const pathOf = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

export async function startSystem(options: SystemOptions = {}): Promise<System> {
  const simulator = await startSimulator({ port: 0, seed: 7, ...options.simulator });
  const token = randomBytes(16).toString("hex");
  const startEdge = (port: number) =>
    startEmbeddedEdge({
      host: "127.0.0.1",
      port,
      variables: { AUTH: "off", AGENT_TOKEN: token, ALLOWED_ORIGINS: "", PUBLIC_URL: "" },
      persistTo: options.persistTo ?? null,
      log: createLog({
        level: "error",
        secrets: [token],
        write: (line) => process.stderr.write(line),
        now: Date.now,
      }),
    });
  let edge = await startEdge(0);
  const { origin: url, port } = edge;
  const link = await startProxy(port, true);
  const agent = startAgent({ edgePort: link.port, token, simulator, times: options.times ?? null });
  agent.start();
  const mcpUrl = `${url}/api/v1/mcp`;
  await eventually(
    () => plainCaller(mcpUrl)("ibkr_get_status"),
    (status) => status["is_connected"] === true,
  );
  return {
    url,
    wsUrl: url.replace(/^http/, "ws"),
    mcpUrl,
    simulator,
    link,
    agent,
    edge: {
      stop: () => edge.close(),
      async start() {
        edge = await startEdge(port);
      },
    },
    async close() {
      await agent.close();
      await link.close();
      await edge.close();
      await simulator.close();
    },
  };
}

interface AgentOptions {
  readonly edgePort: number;
  readonly token: string;
  readonly simulator: Simulator;
  readonly times: AgentTimes | null;
}

function startAgent({ edgePort, token, simulator, times }: AgentOptions) {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-journal-"));
  const journal = join(folder, "journal.db");
  let child: ChildProcess | null = null;
  const startedAt: number[] = [];
  const isRunning = (one: ChildProcess) => one.exitCode === null && one.signalCode === null;
  return {
    startedAt,
    start(): void {
      startedAt.push(Date.now());
      const env = {
        PATH: "",
        EDGE_URL: `http://127.0.0.1:${edgePort}`,
        AGENT_TOKEN: token,
        TWS_HOST: simulator.host,
        TWS_PORT: String(simulator.port),
        TWS_EDGE_JOURNAL: journal,
        LOG_LEVEL: "error",
      };
      const orders = {
        edgeUrl: `ws://127.0.0.1:${edgePort}/api/v1/agent`,
        token,
        journal,
        twsPort: simulator.port,
        ...times,
      };
      const program =
        times === null
          ? [pathOf("../../main.ts"), "agent"]
          : [pathOf("fast-agent-process.ts"), JSON.stringify(orders)];
      child = spawn(process.execPath, program, { env, stdio: ["pipe", "ignore", "inherit"] });
    },
    kill: () => void child?.kill("SIGKILL"),
    async close(): Promise<void> {
      if (child !== null && isRunning(child)) {
        const gone = once(child, "exit");
        child.kill("SIGTERM");
        await gone;
      }
      rmSync(folder, { recursive: true });
    },
  };
}
