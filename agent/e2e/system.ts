import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { startEmbeddedEdge } from "../embedded-edge.ts";
import { createLog } from "../log.ts";
import { startSimulator, type Simulator } from "../sim/server.ts";
import { eventually, plainCaller } from "./clients.ts";

/** Everything real but TWS: workerd, an agent in a process of its own, and the simulator on a socket. */
export interface System {
  readonly url: string;
  readonly wsUrl: string;
  readonly mcpUrl: string;
  readonly simulator: Simulator;
  readonly agent: {
    /** SIGKILL: it says goodbye to nobody. */
    kill(): void;
    start(): void;
  };
  close(): Promise<void>;
}

const main = fileURLToPath(new URL("../main.ts", import.meta.url));

export async function startSystem(): Promise<System> {
  const simulator = await startSimulator({ port: 0, seed: 7 });
  const token = randomBytes(16).toString("hex");
  const edge = await startEmbeddedEdge({
    host: "127.0.0.1",
    port: 0,
    variables: { AUTH: "off", AGENT_TOKEN: token, ALLOWED_ORIGINS: "", PUBLIC_URL: "" },
    persistTo: null,
    log: createLog({
      level: "error",
      secrets: [token],
      write: (line) => process.stderr.write(line),
      now: Date.now,
    }),
  });
  let agent: ChildProcess | null = null;
  const start = () => {
    agent = spawn(process.execPath, [main, "agent"], {
      env: {
        PATH: "",
        EDGE_URL: edge.origin,
        AGENT_TOKEN: token,
        TWS_HOST: simulator.host,
        TWS_PORT: String(simulator.port),
        LOG_LEVEL: "error",
      },
      stdio: ["ignore", "ignore", "inherit"],
    });
  };
  start();
  const mcpUrl = `${edge.origin}/api/v1/mcp`;
  await eventually(
    () => plainCaller(mcpUrl)("ibkr_get_status"),
    (status) => status["is_connected"] === true,
  );
  return {
    url: edge.origin,
    wsUrl: edge.origin.replace(/^http/, "ws"),
    mcpUrl,
    simulator,
    agent: { start, kill: () => void agent?.kill("SIGKILL") },
    async close() {
      if (agent !== null && agent.exitCode === null && agent.signalCode === null) {
        const gone = once(agent, "exit");
        agent.kill("SIGTERM");
        await gone;
      }
      await edge.close();
      await simulator.close();
    },
  };
}
