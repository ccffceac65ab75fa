import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

/** mcp-remote, through which clients that know only stdio reach a server on the web, as such a client starts it. */

const program = join(
  dirname(createRequire(import.meta.url).resolve("mcp-remote/package.json")),
  "dist",
  "proxy.js",
);

export interface McpRemote {
  readonly client: Client;
  /** The first line that fits of what it says on stderr, said already or yet to come. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** Resolves when the client is connected through it, which is once the owner has signed in. */
  readonly connected: Promise<void>;
  close(): Promise<void>;
}

export interface McpRemoteHome {
  start(mcpUrl: string): McpRemote;
  remove(): void;
}

/** A folder in which mcp-remote keeps what it knows of servers, so that it can be started again. */
export function createHome(): McpRemoteHome {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-mcp-remote-"));
  // the browser that it opens: a program that succeeds and does nothing
  writeFileSync(join(folder, "browser"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  return {
    start: (mcpUrl) => start(folder, mcpUrl),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function start(folder: string, mcpUrl: string): McpRemote {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [program, mcpUrl],
    env: {
      PATH: folder,
      HOME: folder,
      BROWSER: join(folder, "browser"),
      MCP_REMOTE_CONFIG_DIR: folder,
    },
    stderr: "pipe",
  });
  const said: string[] = [];
  const waiting: { readonly pattern: RegExp; readonly found: (match: RegExpExecArray) => void }[] = [];
  const errors = new PassThrough();
  transport.stderr?.pipe(errors);
  createInterface({ input: errors }).on("line", (line) => {
    said.push(line);
    for (const { pattern, found } of waiting) {
      const match = pattern.exec(line);
      if (match !== null) found(match);
    }
  });
  const client = new Client({ name: "stdio client", version: "1" });
  const connected = client.connect(transport).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${said.join("\n")}`);
  });
  return {
    client,
    connected,
    line(pattern) {
      const before = said.map((text) => pattern.exec(text)).find((match) => match !== null);
      return before ? Promise.resolve(before) : new Promise((found) => waiting.push({ pattern, found }));
    },
    close: () => client.close(),
  };
}
