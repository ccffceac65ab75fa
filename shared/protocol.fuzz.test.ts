import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { ownerOfLocalMode } from "./caller.ts";
import { TwsError } from "./errors.ts";
import { emptyQuote } from "./events.ts";
import { damaged, type Json } from "./hostile-json.fixture.ts";
import { type AgentFrame, type EdgeFrame, encodeFrame, parseAgentFrame, parseEdgeFrame } from "./protocol.ts";

/** Texts that once made a reader fail; each is read first. */
const corpus = z
  .array(z.string())
  .parse(JSON.parse(readFileSync(new URL("corpus/frames.json", import.meta.url), "utf8")));

const at = 1_795_000_000_000;
const time = "2026-11-23T14:30:00.000Z";
const status = {
  tws: {
    state: "connected",
    since: time,
    host: "127.0.0.1",
    port: 7497,
    clientId: 1,
    connection: 1,
    serverVersion: 193,
    accounts: ["DU1234567"],
    mode: "paper",
    isSimulator: false,
    marketDataType: "delayed-frozen",
    dataTypes: [],
    isReadOnlyApi: false,
    lastError: "",
  },
  farms: [{ name: "usfarm", kind: "market data", state: "ok", since: time }],
  trading: null,
};

const quote = z.record(z.string(), z.union([z.string(), z.number(), z.null()])).parse(emptyQuote);

const agentFrames: readonly Json[] = [
  { type: "hello", agentVersion: "0.1.0", instanceId: "i1", machine: "m", status },
  { type: "status", status },
  { type: "progress", id: "c1", progress: 1, total: null, message: "half" },
  { type: "result", id: "c1", output: { count: 1, rows: [{ symbol: "AAPL" }] } },
  { type: "error", id: "c1", error: { code: "timeout", message: "m", nextStep: "n", retryable: true } },
  { type: "event", events: [{ kind: "quote", topic: "quote/1", seq: 1, at, data: quote }] },
  {
    type: "event",
    events: [{ kind: "state", topic: "quote/1", seq: 2, at, state: "live", reason: "ok", message: "" }],
  },
  { type: "trail", trail: { trailId: "t1", head: { seq: 0, hash: "0".repeat(64) } } },
  { type: "bye", reason: "shutdown" },
];

const edgeFrames: readonly Json[] = [
  {
    type: "welcome",
    hostId: "default",
    edgeVersion: "0.1.0",
    topics: ["quote/1"],
    keepsAudit: true,
    otherJournal: false,
  },
  {
    type: "call",
    id: "c1",
    tool: "ibkr_get_positions",
    input: { account: "" },
    deadlineAt: at + 20_000,
    sentAt: at,
    caller: { ...ownerOfLocalMode },
    idempotencyKey: "k1",
  },
  { type: "audited", head: { seq: 0, hash: "0".repeat(64) } },
  { type: "cancel", id: "c1" },
  { type: "subscribe", topic: "quote/1" },
  { type: "ack", topic: "quote/1", seq: 7 },
  { type: "bye", reason: "replaced" },
];

test.for(agentFrames)("reads %j unharmed", (frame) => {
  expect(parseAgentFrame(JSON.stringify(frame))).toEqual(frame);
});

test.for(edgeFrames)("reads %j unharmed too", (frame) => {
  expect(parseEdgeFrame(JSON.stringify(frame))).toEqual(frame);
});

/** Texts of frames with changed values, and such texts cut or with another character in them. */
const texts = fc
  .tuple(damaged([...agentFrames, ...edgeFrames]), fc.option(fc.tuple(fc.nat(), fc.string({ maxLength: 3 }))))
  .map(([frame, cut]) => {
    const text = JSON.stringify(frame);
    if (cut === null) return text;
    const place = cut[0] % (text.length + 1);
    return cut[1] === "" ? text.slice(0, place) : text.slice(0, place) + cut[1] + text.slice(place + 1);
  });

/** What is wrong with how a text is read; null where it is a frame that can be sent on, or a protocol error. */
function faultOf(parse: (text: string) => AgentFrame | EdgeFrame, text: string): string | null {
  try {
    const once = encodeFrame(parse(text));
    return encodeFrame(parse(once)) === once ? null : `changes while it is sent on: ${once}`;
  } catch (error) {
    if (!(error instanceof TwsError)) return `throws ${String(error)}`;
    if (error.code !== "protocol_error") return `is told ${error.code}`;
    return error.message.length < 400 ? null : "is told at length";
  }
}

test("whatever text comes is read as a frame that can be sent on unchanged, or is a protocol error", () => {
  fc.assert(
    fc.property(texts, (text) => {
      expect([faultOf(parseAgentFrame, text), faultOf(parseEdgeFrame, text)]).toEqual([null, null]);
      expect(Object.keys(Object.prototype)).toEqual([]);
    }),
    { numRuns: 1_000, examples: corpus.map((text) => [text]) },
  );
});
