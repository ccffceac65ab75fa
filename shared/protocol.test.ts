import { describe, expect, test } from "vitest";
import { TwsError } from "./errors.ts";
import { emptyQuote, parseTopic, topicName } from "./events.ts";
import {
  type AgentFrame,
  type EdgeFrame,
  encodeFrame,
  maxFrameBytes,
  parseAgentFrame,
  parseEdgeFrame,
} from "./protocol.ts";
import { ownerOfLocalMode } from "./caller.ts";

const at = 1_795_000_000_000;

// the wire text is the key: whoever changes a frame changes it here too
const agentFrames: Readonly<Record<string, AgentFrame>> = {
  '{"type":"progress","id":"c1","progress":1,"total":null,"message":"half"}': {
    type: "progress",
    id: "c1",
    progress: 1,
    total: null,
    message: "half",
  },
  '{"type":"result","id":"c1","output":{"count":0}}': { type: "result", id: "c1", output: { count: 0 } },
  '{"type":"error","id":"c1","error":{"code":"timeout","message":"m","nextStep":"n","retryable":true}}': {
    type: "error",
    id: "c1",
    error: { code: "timeout", message: "m", nextStep: "n", retryable: true },
  },
  '{"type":"event","events":[{"kind":"state","topic":"quote/265598","seq":2,"at":1795000000000,"state":"stale","reason":"tws_upstream_down","message":"TWS has lost IBKR."}]}':
    {
      type: "event",
      events: [
        {
          kind: "state",
          topic: "quote/265598",
          seq: 2,
          at,
          state: "stale",
          reason: "tws_upstream_down",
          message: "TWS has lost IBKR.",
        },
      ],
    },
  [`{"type":"trail","trail":{"trailId":"t1","head":{"seq":0,"hash":"${"0".repeat(64)}"}}}`]: {
    type: "trail",
    trail: { trailId: "t1", head: { seq: 0, hash: "0".repeat(64) } },
  },
  '{"type":"bye","reason":"shutdown"}': { type: "bye", reason: "shutdown" },
};

const edgeFrames: Readonly<Record<string, EdgeFrame>> = {
  '{"type":"rival","machine":"laptop"}': { type: "rival", machine: "laptop" },
  '{"type":"welcome","hostId":"default","edgeVersion":"0.1.0","topics":["quote/265598"],"keepsAudit":true,"otherJournal":false}':
    {
      type: "welcome",
      hostId: "default",
      edgeVersion: "0.1.0",
      topics: ["quote/265598"],
      keepsAudit: true,
      otherJournal: false,
    },
  '{"type":"call","id":"c1","tool":"ibkr_get_positions","input":{"account":""},"deadlineAt":1795000020000,"sentAt":1795000000000,"caller":{"grantId":"local","client":"local","scopes":["tws:read","tws:trade"],"accounts":null,"hostId":"default","toolset":"full","expiresAt":null}}':
    {
      type: "call",
      id: "c1",
      tool: "ibkr_get_positions",
      input: { account: "" },
      deadlineAt: at + 20_000,
      sentAt: at,
      caller: ownerOfLocalMode,
    },
  '{"type":"cancel","id":"c1"}': { type: "cancel", id: "c1" },
  '{"type":"subscribe","topic":"quote/265598"}': { type: "subscribe", topic: "quote/265598" },
  '{"type":"unsubscribe","topic":"quote/265598"}': { type: "unsubscribe", topic: "quote/265598" },
  '{"type":"ack","topic":"quote/265598","seq":7}': { type: "ack", topic: "quote/265598", seq: 7 },
  '{"type":"bye","reason":"replaced"}': { type: "bye", reason: "replaced" },
};

test.for(Object.entries(agentFrames))("agent frame %s reads and writes the same", ([text, frame]) => {
  expect(parseAgentFrame(text)).toEqual(frame);
  expect(encodeFrame(frame)).toBe(text);
});

test.for(Object.entries(edgeFrames))("edge frame %s reads and writes the same", ([text, frame]) => {
  expect(parseEdgeFrame(text)).toEqual(frame);
  expect(encodeFrame(frame)).toBe(text);
});

describe("what is no frame", () => {
  test.for([
    ["bytes", new Uint8Array(3)],
    ["not JSON", "{"],
    ["no type", "{}"],
    ["an unknown type", '{"type":"launch"}'],
    ["a prototype for a type", '{"type":"__proto__"}'],
    ["an empty batch", '{"type":"event","events":[]}'],
    ["a sequence of zero", '{"type":"ack","topic":"quote/1","seq":0}'],
    ["an array", "[]"],
    ["a frame of the other side", '{"type":"cancel","id":"c1"}'],
  ] as const)("%s is a protocol error", ([, text]) => {
    expect(() => parseAgentFrame(text)).toThrow(expect.objectContaining({ code: "protocol_error" }));
  });

  test("a frame above one mebibyte is refused unread, and never sent", () => {
    expect(() => parseAgentFrame("x".repeat(maxFrameBytes + 1))).toThrow(TwsError);
    const output = { text: "ü".repeat(maxFrameBytes / 2) };
    expect(() => encodeFrame({ type: "result", id: "c1", output })).toThrow(
      expect.objectContaining({ code: "too_large" }),
    );
  });
});

const topics = {
  "quote/265598": { kind: "quote", conId: 265_598 },
  "portfolio/DU1": { kind: "portfolio", account: "DU1" },
  "orders/DU1": { kind: "orders", account: "DU1" },
  bulletins: { kind: "bulletins", allMessages: true },
  "bulletins/new": { kind: "bulletins", allMessages: false },
  "tick-news/265598": { kind: "tick-news", conId: 265_598 },
  "tick-news/*": { kind: "tick-news", conId: null },
  broadtape: { kind: "broadtape" },
} as const;

test.each(Object.entries(topics))("the topic %s is read as it is written", (text, topic) => {
  expect(parseTopic(text)).toEqual(topic);
  expect(topicName(topic)).toBe(text);
});

test("nothing else is a topic", () => {
  const strange = [
    "quote/",
    "quote/0",
    "quote/-1",
    "quote/1x",
    "quote/12345678901",
    "quote/*",
    "portfolio",
    "",
  ];
  for (const text of [
    ...strange,
    "portfolio/",
    "portfolio/A B",
    "orders/A/B",
    "tick-news/x",
    "bulletins/old",
  ]) {
    expect(parseTopic(text)).toBeNull();
  }
});

test("a quote that nobody has filled in has nulls and no zeros", () => {
  expect(Object.values(emptyQuote).filter((one) => one === 0)).toEqual([]);
});
