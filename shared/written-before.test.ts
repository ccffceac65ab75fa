import { describe, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { conditionOf, streamReasons, StreamReason } from "./events.ts";
import {
  closeCodes,
  encodeFrame,
  parseAgentFrame,
  parseEdgeFrame,
  ping,
  pong,
  subprotocol,
} from "./protocol.ts";
import { parseResourceUri, resourceKinds, resourceTemplates, resourceUri, statusUri } from "./resources.ts";
import wire from "./written-before/wire.json" with { type: "json" };

/** Agents and edges are not updated together: each reads what the other's earlier release has written, as text. */

/** The frame as it is written again. */
const written = (frame: Parameters<typeof encodeFrame>[0]): unknown => JSON.parse(encodeFrame(frame));

// a field that has come since may be added by the reader; each field of before must be there, with its value
describe("a frame of an earlier release is read, and written again with all that is in it:", () => {
  test.each(wire.agentFrames)("%s", (text) => {
    expect(written(parseAgentFrame(text))).toMatchObject(JSON.parse(text));
  });
  // the owner's frame is not among them: its words change with this release
  test.each(wire.edgeFrames)("%s", (text) => {
    expect(written(parseEdgeFrame(text))).toMatchObject(JSON.parse(text));
  });
});

test("each kind of frame is among them", () => {
  const kinds = new Set(
    [...wire.agentFrames, ...wire.edgeFrames].map((text) => String(/^\{"type":"(\w+)"/.exec(text)?.[1])),
  );
  const expected =
    "ack audit audited bye call cancel error event hello progress result status subscribe trail unsubscribe welcome";
  expect([...kinds].toSorted((one, other) => (one < other ? -1 : 1)).join(" ")).toBe(expected);
});

test("the protocol has the name, the ping and the close codes of before", () => {
  expect([subprotocol, ping, pong]).toEqual([wire.subprotocol, wire.ping, wire.pong]);
  expect(wire.subprotocol).toBe("tws-edge.v1");
  expect(closeCodes).toMatchObject(wire.closeCodes);
});

test.each(Object.entries(wire.streamReasons))("the reason %s stands for the state %s", (reason, state) => {
  expect(conditionOf(StreamReason.parse(reason))).toMatchObject({ state, reason });
  expect(Object.keys(streamReasons)).toEqual(Object.keys(wire.streamReasons));
});

test("every resource has the address of before, and is found by it", () => {
  expect([statusUri, ...resourceKinds.map((kind) => resourceUri({ kind, id: "AAPL" }))]).toEqual(
    wire.resources,
  );
  expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toEqual(wire.templates);
  for (const uri of wire.resources) expect(parseResourceUri(uri)).not.toBeNull();
});

// a test of the configuration holds this file to what is read
test("every variable of before has its name still", () => {
  const example = readFileSync(new URL("../.env.example", import.meta.url), "utf8");
  const names = [...example.matchAll(/^# ?([A-Z_]+)=/gm)].map(([, name]) => name);
  expect(names).toEqual(expect.arrayContaining(wire.environment));
});
