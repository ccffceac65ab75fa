// @ts-check
/** Shows prices and how true they are: node docs/examples/watch.js AAPL MSFT EUR.USD */
import { parseArgs } from "node:util";
import { StreamClient } from "./stream-client.js";

const help = `node docs/examples/watch.js SYMBOL... [--portfolio] [--news] [--url ws://127.0.0.1:8000]

  --portfolio   the default account too
  --news        bulletins and the headlines of all providers too
  --url         the address of the edge
`;

const { values, positionals: symbols } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: "string", default: "ws://127.0.0.1:8000" },
    portfolio: { type: "boolean", default: false },
    news: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** @typedef {import("./stream-client.js").Subscription} Subscription */
/** @type {Map<string, Subscription>} what is shown, by its name */
const rows = new Map();
/** The latest trouble that concerns no single row. */
let problem = "";
/** @type {ReturnType<typeof setTimeout> | undefined} */
let drawing;

/** @param {string} stream @param {Readonly<Record<string, Record<string, unknown>>>} requests by the names of their rows */
function follow(stream, requests) {
  const onProblem = (/** @type {string} */ text) => (problem = text);
  const client = new StreamClient(`${values.url}/api/v1/stream/${stream}`, { onProblem });
  for (const [name, request] of Object.entries(requests)) {
    rows.set(
      name,
      client.subscribe(request, (row) => changed(name, row)),
    );
  }
}

/** A terminal is drawn anew, at most four times a second; a file gets a line for each change.
 * @param {string} name @param {Subscription} row */
function changed(name, row) {
  if (process.stdout.isTTY) drawing ??= setTimeout(draw, 250);
  else process.stdout.write(`${line(name, row)}\n`);
}

function draw() {
  drawing = undefined;
  const lines = [...rows].map(([name, row]) => line(name, row));
  process.stdout.write(`\u001B[2J\u001B[H${[...lines, "", problem].join("\n")}\n`);
}

/** @param {string} name @param {Subscription} row */
function line(name, { state, reason, message, value }) {
  const why = state === "live" ? "" : `(${reason}: ${message})`;
  return `${name.padEnd(10)} ${state.padEnd(6)} ${textOf(value)} ${why}`.trimEnd();
}

/** A quote, the number of an account's rows, or a headline. @param {Subscription["value"]} value */
function textOf(value) {
  if (value === null) return "-";
  if (typeof value.message === "string") return value.message;
  if (!("bid" in value)) return `${Object.keys(value).length} rows`;
  const figures = ["bid", "ask", "last", "volume"].map((name) => {
    const figure = value[name];
    return `${name} ${typeof figure === "number" ? figure : "-"}`.padEnd(16);
  });
  return figures.join("") + (value.dataType === "live" ? "" : String(value.dataType));
}

const isEmpty = symbols.length === 0 && !values.portfolio && !values.news;
if (values.help || isEmpty) process.stdout.write(help);
else {
  follow("market-data", Object.fromEntries(symbols.map((symbol) => [symbol.toUpperCase(), { symbol }])));
  if (values.portfolio) follow("portfolio", { portfolio: {} });
  if (values.news) follow("news", { bulletins: { feed: "bulletins" }, headlines: { feed: "broadtape" } });
}
