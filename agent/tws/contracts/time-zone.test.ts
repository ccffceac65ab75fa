import { expect, test } from "vitest";
import { instantIn } from "./time-zone.ts";

test.each([
  ["US/Eastern", "20260312-09:30:00", "2026-03-12T13:30:00.000Z"],
  ["US/Eastern", "20261130-09:30:00", "2026-11-30T14:30:00.000Z"],
  ["America/New_York", "20261101 09:30:00", "2026-11-01T14:30:00.000Z"],
  ["US/Eastern", "20261101-00:30:00", "2026-11-01T04:30:00.000Z"],
  ["Europe/Berlin", "20260329-09:00:00", "2026-03-29T07:00:00.000Z"],
  ["Asia/Tokyo", "20260312-00:00:00", "2026-03-11T15:00:00.000Z"],
  ["UTC", "19801212-14:30:00", "1980-12-12T14:30:00.000Z"],
])("reads TWS's clock in %s: %s", (zone, text, instant) => {
  expect(instantIn(zone, text)).toBe(instant);
});

test("gives null for a zone or a text that it cannot read", () => {
  expect(instantIn("Mitteleuropäische Zeit", "20260312-09:30:00")).toBeNull();
  expect(instantIn("UTC", "20260312")).toBeNull();
});
