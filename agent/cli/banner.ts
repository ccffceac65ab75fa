import type { SessionStatus } from "../../shared/status.ts";

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
  /** The limits in force, as one line. */
  readonly limits: string;
  /** The edge's origin where AUTH is on; null where everyone on this computer is the owner. */
  readonly signInAt: string | null;
}

/** The first thing one sees: what runs, and the next thing to paste. */
export function banner({ version, mcpUrl, status, trading, limits, signInAt }: BannerOptions): string {
  return [
    "",
    `tws-edge ${version}`,
    "",
    ...twsLines(status).map(indent),
    ...(status.tws.isSimulator
      ? ["Prices and fills are simulated. For your own TWS: TWS_PORT=7497 npm start"].map(indent)
      : []),
    indent(`Orders: ${tradingWords[trading]}`),
    indent(limits),
    "",
    indent(`MCP server  ${mcpUrl}`),
    "",
    ...(signInAt === null ? ["Try it:", indent(curl(mcpUrl, [])), ""] : []),
    signInAt === null
      ? "Add it to a client:"
      : "Add it to a client, which sends you to a page where you sign in and say what it may do:",
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
    ...(signInAt === null ? [] : ownerLines(signInAt, mcpUrl)),
    "Stop with Ctrl-C.",
    "",
  ].join("\n");
}

/** Everyone signs in: where the owner looks after that, and how a script gets in. */
const ownerLines = (signInAt: string, mcpUrl: string): string[] => [
  "With the owner's passphrase:",
  indent(`Who has access     ${signInAt}/grants`),
  indent(`Machines with TWS  ${signInAt}/pair`),
  "",
  'For curl and scripts, a token (the first line once; at the page choose "this computer"):',
  indent(`npm run -s tws-edge -- pair ${signInAt}`),
  indent(`TOKEN=$(npm run -s tws-edge -- token create --edge ${signInAt} --scope tws:read --ttl 1h --quiet)`),
  indent(curl(mcpUrl, ["Authorization: Bearer $TOKEN"])),
  "",
];

const indent = (text: string): string => `  ${text}`;

function curl(mcpUrl: string, headers: readonly string[]): string {
  const all = [...headers, "Content-Type: application/json"].map((header) => `-H "${header}"`).join(" ");
  return `curl -X POST ${mcpUrl} ${all} -d '${JSON.stringify(example)}'`;
}

const example = {
  jsonrpc: "2.0",
  method: "tools/call",
  params: { name: "ibkr_get_status", arguments: {} },
  id: 1,
} as const;
