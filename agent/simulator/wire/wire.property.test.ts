import { Buffer } from "node:buffer";
import {
  BarSizeSetting,
  type Contract,
  type Order,
  OrderAction,
  OrderType,
  ScanCode,
  SecType,
  WhatToShow,
} from "@stoqey/ib";
import { Encoder } from "@stoqey/ib/dist/core/io/encoder.js";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { tokenFields } from "../test-support/raw-client.fixture.ts";
import { decodeRequest } from "./requests-decode.ts";
import { decodeFields, encodeFrame, fieldReader, frameSplitter, MalformedRequest } from "./wire.ts";

const text = fc.string({ unit: "grapheme", maxLength: 40 }).filter((value) => !value.includes("\0"));
const messages = fc.array(fc.array(text, { minLength: 1, maxLength: 12 }), { maxLength: 8 });

/** Cuts the stream at the given places, in any order and however often. */
function pieces(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)), stream.length].sort((a, b) => a - b);
  return places.slice(1).map((end, index) => stream.subarray(places[index], end));
}

test("fields come out of a frame as they went in", () => {
  fc.assert(
    fc.property(fc.array(text), (fields) => {
      expect(decodeFields(encodeFrame(fields).subarray(4))).toEqual(fields);
    }),
  );
});

test("numbers come out of a field to ten decimals, and without an exponent below 1e21", () => {
  fc.assert(
    fc.property(fc.double({ min: -1e15, max: 1e15, noNaN: true }), (value) => {
      const fields = decodeFields(encodeFrame(["1", value]).subarray(4));
      expect(fields[1]).toMatch(/^-?\d+(\.\d+)?$/);
      expect(fieldReader(fields).number()).toBeCloseTo(value, 9);
    }),
  );
});

test("the same messages come out however the stream is cut", () => {
  fc.assert(
    fc.property(messages, fc.array(fc.nat(), { maxLength: 20 }), (sent, cuts) => {
      const splitter = frameSplitter();
      const stream = Buffer.concat(sent.map(encodeFrame));
      const payloads = pieces(stream, cuts).flatMap((piece) => splitter.push(piece) ?? []);
      expect(payloads.map(decodeFields)).toEqual(sent);
    }),
  );
});

test("bytes without meaning are split or refused, and never throw", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (chunks) => {
      const splitter = frameSplitter();
      for (const chunk of chunks) {
        const payloads = splitter.push(Buffer.from(chunk));
        if (payloads === null) return;
        expect(payloads.flatMap(decodeFields).every((field) => !field.includes("\0"))).toBe(true);
      }
    }),
  );
});

/** Of them all, the last two would be the length of a list that does not fit. */
const numbers = ["", "0", "1", "2147483647", "1.7976931348623157E308", "Infinity", "-1", "999999999"];

/** What clients send by mistake, beside what they send. */
const anyField = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -5, max: 200 }).map(String) },
  { weight: 2, arbitrary: fc.constantFrom(...numbers) },
  { weight: 2, arbitrary: fc.constantFrom("AAPL", "STK", "OPT", "BAG", "SMART", "USD", "BUY", "LMT") },
  { weight: 1, arbitrary: text },
);

function verdictOn(fields: readonly string[], version: number): "read" | "malformed" {
  try {
    decodeRequest(fields, version);
    return "read";
  } catch (error) {
    if (error instanceof MalformedRequest) return "malformed";
    throw error;
  }
}

test("a message of any fields is read, or refused as malformed", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -1, max: 110 }),
      fc.array(anyField, { maxLength: 120 }),
      fc.constantFrom(100, 142, 163, 176, 193),
      (id, fields, version) => {
        expect(["read", "malformed"]).toContain(verdictOn([String(id), ...fields], version));
      },
    ),
    { numRuns: 5_000 },
  );
});

const leg = { conId: 1, ratio: 1, action: OrderAction.BUY, exchange: "SMART", openClose: 0 };
const combo: Contract = {
  symbol: "AAPL",
  secType: SecType.BAG,
  exchange: "SMART",
  currency: "USD",
  comboLegs: [leg, leg],
  deltaNeutralContract: { conId: 1, delta: 0.5, price: 10 },
};
const order: Order = {
  action: OrderAction.BUY,
  orderType: OrderType.LMT,
  totalQuantity: 1,
  lmtPrice: 1,
  algoStrategy: "Vwap",
  algoParams: [{ tag: "maxPctVol", value: "0.1" }],
  smartComboRoutingParams: [{ tag: "NonGuaranteed", value: "1" }],
};

/** What a widely used client sends, lists within the messages included. */
function realMessages(serverVersion: number): string[][] {
  const sent: string[][] = [];
  const encoder = new Encoder({
    serverVersion,
    sendMsg: (...tokens: readonly unknown[]) => void sent.push(tokenFields(tokens)),
    emitError: (text: string) => {
      throw new Error(text);
    },
  });
  encoder.placeOrder(1, combo, order);
  encoder.reqMktData(1001, combo, "233", false, false);
  const day = BarSizeSetting.DAYS_ONE;
  encoder.reqHistoricalData(1002, combo, "", "1 D", day, WhatToShow.TRADES, 1, 1, false);
  encoder.reqScannerSubscription(1003, { scanCode: ScanCode.MOST_ACTIVE }, [], []);
  encoder.calculateOptionPrice(1004, combo, 0.3, 240, []);
  encoder.reqExecutions(1005, {});
  return sent;
}

test("a real message in which some fields are others, or missing, is read, or refused as malformed", () => {
  fc.assert(
    fc.property(
      fc
        .constantFrom(151, 163, 176, 193)
        .chain((version) => fc.tuple(fc.constant(version), fc.constantFrom(...realMessages(version)))),
      fc.array(fc.tuple(fc.nat(), anyField), { maxLength: 3 }),
      fc.option(fc.nat()),
      ([version, real], changes, cut) => {
        const fields = [...real];
        for (const [place, field] of changes) fields[1 + (place % (real.length - 1))] = field;
        const sent = cut === null ? fields : fields.slice(0, 1 + (cut % fields.length));
        expect(["read", "malformed"]).toContain(verdictOn(sent, version));
      },
    ),
    { numRuns: 5_000 },
  );
});

test("real messages are read as they are", () => {
  for (const version of [151, 163, 176, 193])
    for (const fields of realMessages(version)) expect(verdictOn(fields, version)).toBe("read");
});
