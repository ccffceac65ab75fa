import { once } from "node:events";
import { createServer } from "node:http";
import { WebSocket } from "ws";
import { z } from "zod";
import {
  type AgentFrame,
  type EdgeFrame,
  encodeFrame,
  parseEdgeFrame,
  subprotocol,
} from "../../../shared/protocol.ts";
import type { AgentStatus } from "../../../shared/status.ts";
import { type EmbeddedEdge, startEmbeddedEdge } from "../../local/embedded-edge.ts";
import { createLog } from "../../process/log.ts";

/** An edge with a scripted agent, whose frames the test sends, for what no honest agent does at a time of one's choice. */
export interface ScriptedAgent {
  readonly url: string;
  say(frame: AgentFrame): void;
  close(): Promise<void>;
}

const agentToken = "a-token-of-the-test-alone";

/** Each frame of the edge goes to `onFrame`. `variables` are the edge's, which may speak of the address it gets. */
export async function startScriptedAgent(
  variables: (url: string) => Readonly<Record<string, string>>,
  onFrame: (frame: EdgeFrame) => void,
): Promise<ScriptedAgent> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const own = variables(url);
  const edge = await startEmbeddedEdge({
    host: "127.0.0.1",
    port,
    variables: { ...own, [own["AUTH"] === "on" ? "LOCAL_AGENT_TOKEN" : "AGENT_TOKEN"]: agentToken },
    persistTo: null,
    log: createLog({
      level: "error",
      secrets: [],
      write: (line) => process.stderr.write(line),
      now: Date.now,
    }),
  });
  const socket = await connect(edge, url);
  const say = (frame: AgentFrame): void => socket.send(encodeFrame(frame));
  socket.addEventListener("message", ({ data }) => onFrame(parseEdgeFrame(data)));
  say({
    type: "hello",
    agentVersion: "0.0.0",
    instanceId: crypto.randomUUID(),
    machine: "desk",
    status: statusWith(null),
  });
  await once(socket, "message");
  return {
    url,
    say,
    async close() {
      socket.close();
      await edge.close();
    },
  };
}

async function connect(edge: EmbeddedEdge, url: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/api/v1/agent`, subprotocol, {
    headers: { Authorization: `Bearer ${agentToken}` },
  });
  try {
    await once(socket, "open");
    return socket;
  } catch (error) {
    await edge.close();
    throw error;
  }
}

/** Its address must be known before it starts. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = z.object({ port: z.int() }).parse(probe.address());
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

type Frozen = NonNullable<AgentStatus["trading"]>["frozen"];

export const statusWith = (frozen: Frozen): AgentStatus => ({
  tws: {
    state: "connected",
    since: "2026-01-05T14:30:00.000Z",
    host: "127.0.0.1",
    port: 4002,
    clientId: 1,
    connection: 1,
    serverVersion: 203,
    accounts: ["DU1", "U1"],
    mode: "live",
    isSimulator: false,
    marketDataType: "live",
    isReadOnlyApi: false,
    dataTypes: ["live"],
    lastError: "",
  },
  farms: [],
  trading: {
    trading: "live",
    approval: "live",
    approvalAt: "page",
    limits: {},
    frozen,
    journal: "ok",
    unknownOrders: 0,
  },
});
