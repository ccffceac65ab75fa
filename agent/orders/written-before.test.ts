import { describe, expect, test } from "vitest";
import { z } from "zod";
import { AuditEntry, auditText } from "../../shared/audit.ts";
import { Order } from "../../shared/order.ts";
import { hashOf } from "../journal/audit-trail.ts";
import { readSentOrder } from "../journal/sent-order.ts";
import { readWrittenBefore } from "../journal/written-before.fixture.ts";
import { digestOf, digestOfOrders, digestOfSpecs, nameOf } from "./intent-id.ts";

/**
 * Digests, names and texts that an earlier release has made of literal inputs. What is stored, approved, chained or
 * looked for at TWS is compared with these, so that a renamed field or another order of fields is a loss of it.
 */

const value = z.record(z.string(), z.unknown());
const row = <T extends z.ZodType>(input: T) =>
  z.strictObject({ name: z.string(), value: input, digest: z.string() });

const { digestOf: values, ...recorded } = z
  .strictObject({
    digestOf: z.array(row(value)),
    digestOfSpecs: z.array(row(z.array(value))),
    digestOfOrders: z.array(
      row(z.array(z.strictObject({ spec: value, changes: Order.strict().nullable(), isExit: z.boolean() }))),
    ),
    nameOf: z.array(
      z.strictObject({
        grantId: z.string(),
        key: z.string(),
        row: z.int().nullable(),
        intentId: z.string(),
      }),
    ),
    auditText: z.array(
      z.strictObject({ entry: AuditEntry.omit({ hash: true }).strict(), text: z.string(), hash: z.string() }),
    ),
  })
  .parse(JSON.parse(readWrittenBefore("digests.json")));

/** The order as the journal reads it, from the JSON in which it was stored. */
function readSpec(json: Readonly<Record<string, unknown>>) {
  const spec = readSentOrder(JSON.stringify(json));
  if (spec === null) throw new Error("This is no order any more.");
  return spec;
}

test.each(values)("$name has the digest that it had before", ({ value: asked, digest }) => {
  expect(digestOf(asked)).toBe(digest);
});

describe("the exact terms of orders have the digest that they had before", () => {
  test.each(recorded.digestOfSpecs)("$name", ({ value: specs, digest }) => {
    expect(digestOfSpecs(specs.map(readSpec))).toBe(digest);
  });
  test.each(recorded.digestOfOrders)("$name, to be approved", ({ value: orders, digest }) => {
    const proposed = orders.map(({ spec, changes, isExit }) => ({ spec: readSpec(spec), changes, isExit }));
    expect(digestOfOrders(proposed)).toBe(digest);
  });
});

test.each(recorded.nameOf)("$key of $grantId is known at TWS as before, row $row", (one) => {
  expect(nameOf(one.grantId, one.key, one.row ?? undefined).intentId).toBe(one.intentId);
  expect(one.intentId).toMatch(/^ag1:[0-9a-f]{24}$/);
});

test.each(recorded.auditText)("an entry of the trail has the text and the hash of before", (one) => {
  expect(auditText(one.entry)).toBe(one.text);
  expect(hashOf(one.entry)).toBe(one.hash);
});
