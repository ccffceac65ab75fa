import { describe, expect, test } from "vitest";
import type { ToolDefinition } from "./define.ts";
import { tools } from "./index.ts";
import { schemasOf } from "./json-schema.ts";
import { listingOf } from "./listing.ts";

describe.for(Object.entries<ToolDefinition>(tools))("the listing of %s", ([, tool]) => {
  const { input, output } = listingOf(tool);
  const full = schemasOf(tool);
  const described = (fields: object = {}) =>
    Object.entries(fields).map(([name, field]) => [name, Reflect.get(Object(field), "description")]);

  test("has every argument and every key of the result, with what the full schema says of it", () => {
    expect(described(input.properties)).toEqual(described(full.input.properties));
    expect(described(output.properties)).toEqual(described(full.output.properties));
  });

  test("keeps what is required, and the type of every argument", () => {
    const typed = (fields: object = {}) =>
      Object.entries(fields).map(([name, field]) => [name, Reflect.get(Object(field), "type")]);
    expect([input.required, input.additionalProperties]).toEqual([full.input.required, false]);
    expect(typed(input.properties)).toEqual(typed(full.input.properties));
  });
});

test("a listing leaves out what a model cannot use, and keeps the values it must choose from", () => {
  const { input } = listingOf(tools.ibkr_get_historical_data);
  expect(input.properties).toMatchObject({
    barSize: { default: "1 hour", enum: expect.arrayContaining(["1 day"]) },
    useRTH: { type: "boolean", default: true },
  });
  expect(input.properties?.["symbol"]).toEqual({
    type: "string",
    description: "AAPL, BRK.B, ES, EUR.USD or an ISIN",
  });
  expect(input.properties?.["strike"]).toEqual({ type: "number", description: "Of an option" });
  expect(JSON.stringify(input)).not.toMatch(/minLength|maxLength|exclusiveMinimum|\(\?:/);
});
