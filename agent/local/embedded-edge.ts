import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build, stop as stopEsbuild } from "esbuild";
import { convertV4MiniflareOptions, Miniflare, NoOpLog, Response } from "miniflare";
import { originAt } from "../config/config.ts";
import type { Log } from "../process/log.ts";
import { getPublic, type Network } from "./public-fetch.ts";
import { startWatchdog } from "./watchdog.ts";

interface EmbeddedEdgeOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** The Worker's variables. */
  readonly variables: Readonly<Record<string, string>>;
  /** The folder that keeps the Durable Objects; null keeps nothing. */
  readonly persistTo: string | null;
  readonly log: Log;
  /** What the edge reaches the descriptions of clients by; the internet when absent. */
  readonly network?: Network;
}

export interface EmbeddedEdge {
  /** Without a slash at the end. */
  readonly origin: string;
  readonly port: number;
  close(): Promise<void>;
}

/** As in wrangler.toml; a test holds the two together. */
export const workerSettings = {
  compatibilityDate: "2026-08-01",
  compatibilityFlags: ["enable_request_signal", "global_fetch_strictly_public", "no_web_socket_compression"],
  durableObjects: { TWS_HOST_OBJECT: "TwsHost", MCP_SESSION: "McpSession", ACCESS: "Access" },
};

/** Runs the Worker in this process's own workerd. Rejects when the address cannot be listened on. */
export async function startEmbeddedEdge(options: EmbeddedEdgeOptions): Promise<EmbeddedEdge> {
  const script = await bundleWorker();
  const guard = guardRuntime();
  const miniflare = withoutSignalHandlers(() => createMiniflare(script, options));
  try {
    await miniflare.ready;
    const url = await miniflare.unsafeGetDirectURL();
    const port = Number(url.port || 80);
    return {
      origin: originAt(options.host, port),
      port,
      async close() {
        await miniflare.dispose();
        guard.close();
      },
    };
  } catch (error) {
    await miniflare.dispose().catch(() => undefined);
    guard.close();
    throw error;
  }
}

let bundled: Promise<string> | null = null;

/** Once for this process: the bundler is one service, which could not be stopped under another build. */
const bundleWorker = (): Promise<string> => (bundled ??= bundle());

async function bundle(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../../edge/worker.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    logLevel: "silent",
  });
  // its service process has nothing more to do
  await stopEsbuild();
  const [file] = outputFiles;
  if (file === undefined) throw new Error("The bundler gave no Worker");
  return file.text;
}

function createMiniflare(script: string, options: EmbeddedEdgeOptions): Miniflare {
  const { host, port, variables, persistTo, log, network } = options;
  const { compatibilityDate, compatibilityFlags, durableObjects } = workerSettings;
  return new Miniflare(
    convertV4MiniflareOptions({
      // the front worker, which nobody uses: it would make each request more than twice as slow
      host: "127.0.0.1",
      port: 0,
      unsafeDirectSockets: [{ host, port }],
      // otherwise it fetches a description of the caller from the network, and waits when offline
      cf: false,
      telemetry: { enabled: false },
      log: new NoOpLog(),
      handleStructuredLogs: ({ level, message }) =>
        log[level === "error" || level === "warn" ? level : "debug"]("edge.says", { message }),
      handleUncaughtError: (error) => log.error("edge.failed", { error }),
      unsafeHandleRuntimeRestart: () => log.error("edge.restarted"),
      ...(persistTo !== null && { resourcePersistencePath: persistTo }),
      name: "tws-edge",
      modules: true,
      script,
      compatibilityDate,
      compatibilityFlags,
      bindings: { ...variables },
      async outboundService({ url, method, headers }) {
        if (method !== "GET") return new Response(null, { status: 405 });
        const { status, headers: named, body } = await getPublic(url, Object.fromEntries(headers), network);
        return new Response(body, { status, headers: named });
      },
      durableObjects: Object.fromEntries(
        Object.entries(durableObjects).map(([name, className]) => [name, { className, useSQLite: true }]),
      ),
    }),
  );
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Miniflare's own handlers end the process before anybody else could clean up. */
function withoutSignalHandlers<T>(create: () => T): T {
  const before = signals.map((signal) => new Set(process.listeners(signal)));
  const created = create();
  signals.forEach((signal, index) => {
    for (const listener of process.listeners(signal)) {
      if (!before[index]?.has(listener)) process.removeListener(signal, listener);
    }
  });
  return created;
}

/** Lets no workerd outlive this process. Miniflare does not tell its process id, but Node announces every child. */
function guardRuntime(): { close(): void } {
  const watchdog = startWatchdog();
  const announced = (message: unknown) => {
    const child = childOf(message);
    child?.once("spawn", () => {
      const { pid } = child;
      if (pid === undefined || !basename(child.spawnfile).startsWith("workerd")) return;
      watchdog.guard(pid);
      child.once("exit", () => watchdog.release(pid));
    });
  };
  subscribe("child_process", announced);
  return {
    close() {
      unsubscribe("child_process", announced);
      watchdog.close();
    },
  };
}

const isChild = (value: unknown): value is ChildProcess =>
  typeof value === "object" && value !== null && "spawnfile" in value && "once" in value;

function childOf(message: unknown): ChildProcess | null {
  const child =
    typeof message === "object" && message !== null && "process" in message ? message.process : null;
  return isChild(child) ? child : null;
}
