import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { errorMessage } from "./messages.ts";
import { decodeFields, encodeFrame, fieldReader, frameSplitter, MalformedRequest } from "./wire.ts";
import { inZone, parseStamp, stamp } from "../time/zone-time.ts";

describe("frames", () => {
  test.each<readonly [unknown, string]>([
    [0.1 + 0.2, "0.3"],
    [1e-7, "0.0000001"],
    [1_234_567.5, "1234567.5"],
    [-0.00005, "-0.00005"],
    [Number.POSITIVE_INFINITY, "Infinity"],
    [true, "1"],
    [null, ""],
    ["a\0b", "ab"],
    ["é", "é"],
  ])("writes %s as '%s'", (value, text) => {
    const field =
      typeof value === "number" || typeof value === "boolean" || typeof value === "string" ? value : null;
    expect(decodeFields(encodeFrame([field, "end"]).subarray(4))).toEqual([text, "end"]);
  });

  test("come out whole however the stream is cut", () => {
    const stream = Buffer.concat([encodeFrame([1, "one"]), encodeFrame([null]), encodeFrame([2, "two é"])]);
    for (let size = 1; size <= stream.length; size++) {
      const splitter = frameSplitter();
      const payloads: string[][] = [];
      for (let at = 0; at < stream.length; at += size) {
        for (const payload of splitter.push(stream.subarray(at, at + size)) ?? [])
          payloads.push(decodeFields(payload));
      }
      expect(payloads).toEqual([["1", "one"], [""], ["2", "two é"]]);
    }
  });

  test.each([
    ["beyond the largest length", [1, 0, 0, 0]],
    ["of a negative length", [255, 255, 255, 255]],
  ])("%s end the stream", (_which, bytes) => {
    expect(frameSplitter().push(Buffer.from(bytes))).toBeNull();
  });
});

describe("fields", () => {
  test("read unset numbers as null", () => {
    const reader = fieldReader([
      "9",
      "",
      "2147483647",
      "1.7976931348623157E308",
      "1.7976931348623157e+308",
      "Infinity",
    ]);
    expect([reader.int(), reader.int(), reader.number(), reader.number(), reader.number()]).toEqual([
      null,
      null,
      null,
      null,
      Number.POSITIVE_INFINITY,
    ]);
  });

  test.each([[["3", "7"]], [["3", "7", "x"]], [["3", "7", "1.5"]]])(
    "of %s are refused under the id read before",
    (fields) => {
      const reader = fieldReader(fields);
      reader.id();
      expect(() => reader.int()).toThrow(expect.objectContaining({ id: 7 }));
    },
  );

  test("lists longer than the message are refused before they are read", () => {
    expect(() => fieldReader(["3", "1000000000"]).count(1)).toThrow(MalformedRequest);
    expect(() => fieldReader(["3", "-1"]).count(1)).toThrow(MalformedRequest);
  });
});

test("texts beyond ASCII are escaped from version 153 on", () => {
  expect(errorMessage(152, 1, 200, "Börse")).toEqual([4, 2, 1, 200, "Börse"]);
  expect(errorMessage(153, 1, 200, "Börse")).toEqual([4, 2, 1, 200, "B\\u00f6rse"]);
});

describe("times", () => {
  test("follow the clock changes of their zone", () => {
    expect(inZone(Date.parse("2026-11-01T05:59:59Z"), "US/Eastern")).toEqual({
      date: "20261101",
      time: "01:59:59",
    });
    expect(inZone(Date.parse("2026-11-01T06:00:00Z"), "US/Eastern")).toEqual({
      date: "20261101",
      time: "01:00:00",
    });
    expect(stamp(Date.parse("2026-07-01T13:30:00Z"), "US/Eastern", 173)).toBe("20260701  09:30:00");
  });

  test.each([
    ["20261120-15:30:00", "2026-11-20T15:30:00Z"],
    ["20261120 10:30:00 US/Eastern", "2026-11-20T15:30:00Z"],
    ["20261120  10:30:00", "2026-11-20T15:30:00Z"],
    ["20261120 16:30:00 Europe/Berlin", "2026-11-20T15:30:00Z"],
    ["20260308 03:30:00", "2026-03-08T07:30:00Z"],
    ["20261120", "2026-11-20T05:00:00Z"],
  ])("read %s", (text, iso) => {
    expect(parseStamp(text, "US/Eastern")).toBe(Date.parse(iso));
  });

  test.each([
    "",
    "noon",
    "20261301",
    "20260230 10:00:00",
    "20261120 25:00:00",
    "20261120 10:00:00 Mars/Base",
  ])("refuse '%s'", (text) => {
    expect(parseStamp(text, "US/Eastern")).toBeNull();
  });
});
