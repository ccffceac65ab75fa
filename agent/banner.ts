import type { SessionStatus } from "../shared/status.ts";

/** What the session with TWS looks like to the person who started us: one line, or two with what to do. */
export function twsLines({ tws }: SessionStatus): string[] {
  const where = tws.isSimulator ? "the simulator" : `TWS at ${tws.host}:${tws.port}`;
  switch (tws.state) {
    case "connected":
      return [`Connected to ${where}: ${accountsOf(tws)}`];
    case "upstream_down":
      return [`Connected to ${where}, which has lost its own connection to IBKR. It comes back by itself.`];
    case "stopped":
      return [`Disconnected from ${where} by ibkr_disconnect. ibkr_connect connects again.`];
    case "connecting":
      if (tws.lastError === "") return [`Connecting to ${where} …`];
      return [
        `Not connected to ${where}: ${tws.lastError}`,
        `Start TWS or IB Gateway, log in, and allow API clients (File > Global Configuration > API > Settings:`,
        `"Enable ActiveX and Socket Clients", socket port ${tws.port}). Nothing to restart here: it keeps trying.`,
      ];
    default:
      return tws.state satisfies never;
  }
}

function accountsOf({ accounts, mode }: SessionStatus["tws"]): string {
  const shown = accounts.slice(0, 5).join(", ") + (accounts.length > 5 ? ", …" : "");
  return mode === "live"
    ? `LIVE ${accounts.length > 1 ? "accounts" : "account"} ${shown}`
    : `paper ${accounts.length > 1 ? "accounts" : "account"} ${shown}`;
}

const tradingWords = {
  off: "off (TRADING=off)",
  paper: "paper accounts only (TRADING=paper)",
  live: "LIVE accounts too (TRADING=live)",
} as const;

interface BannerOptions {
  readonly version: string;
  readonly mcpUrl: string;
  readonly status: SessionStatus;
  readonly trading: keyof typeof tradingWords;
}

/** The first thing one sees: what runs, and the next thing to paste. */
export function banner({ version, mcpUrl, status, trading }: BannerOptions): string {
  const indent = (text: string) => `  ${text}`;
  return [
    "",
    `tws-edge ${version}`,
    "",
    ...twsLines(status).map(indent),
    ...(status.tws.isSimulator
      ? ["Prices and fills are simulated. For your own TWS: TWS_PORT=7497 npm start"].map(indent)
      : []),
    indent(`Orders: ${tradingWords[trading]}`),
    "",
    indent(`MCP server  ${mcpUrl}`),
    "",
    "Try it:",
    indent(`curl -X POST ${mcpUrl} -H "Content-Type: application/json" -d '${JSON.stringify(example)}'`),
    "",
    "Add it to a client:",
    indent(`Claude Code    claude mcp add --transport http tws-edge ${mcpUrl}`),
    indent(
      `Cursor         ~/.cursor/mcp.json: ${JSON.stringify({ mcpServers: { "tws-edge": { url: mcpUrl } } })}`,
    ),
    indent(
      `MCP Inspector  npx @modelcontextprotocol/inspector@latest --transport http --server-url ${mcpUrl}`,
    ),
    indent(
      "claude.ai and other clients on the internet cannot reach this address: they need a deployed edge.",
    ),
    "",
    "Stop with Ctrl-C.",
    "",
  ].join("\n");
}

const example = {
  jsonrpc: "2.0",
  method: "tools/call",
  params: { name: "ibkr_get_status", arguments: {} },
  id: 1,
} as const;
