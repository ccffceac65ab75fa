import { z } from "zod";
import type { DeadlineClass } from "../deadlines.ts";
import type { Scope } from "../caller.ts";

type Shape = Readonly<Record<string, z.ZodType>>;

/** How numbers are read that are written as text: in figures of orders a comma is never taken for anything. */
export type Numbers = "exact" | "grouped";

type Runs = "agent" | "edge";

/**
 * A list in the order of time: a page that cannot hold all of it begins with the newest rows, and later pages go
 * back. The result then takes `from` and `to`.
 */
export interface InTime {
  /** The path of a row's time, by dots. */
  readonly at: string;
  /** Where its newest row is; null for a calendar, which is read from its beginning. */
  readonly newest: "first" | "last" | null;
}

interface Declaration<In extends Shape, Out extends Shape, Where extends Runs> {
  readonly title: string;
  /** Two to four sentences: when to use it, and which other tool to use instead. */
  readonly description: string;
  readonly input: In;
  readonly output: Out;
  /**
   * What it does: looks (`reads`), opens or closes something of the caller's own (`steers`), stops or changes what
   * others use (`disrupts`), or changes orders.
   */
  readonly effect: "reads" | "steers" | "disrupts" | "trades" | "cancels";
  readonly deadline: DeadlineClass;
  /** `core` tools are listed for ?toolset=core. */
  readonly toolset: "core" | "full";
  /** Where it runs: beside TWS, or in the host's object at the edge. */
  readonly runs: Where;
  /** The key of the result whose array is paged; the input then takes `limit` and `cursor`. */
  readonly paged?: keyof Out & string;
  /** Where the rows of the paged array follow one another in time. */
  readonly inTime?: InTime;
  /** `exact` where figures plan an order or limit one; tools that trade are so by themselves. */
  readonly numbers?: Numbers;
}

/** All four are always set: clients assume the worst of what is left out. */
interface Annotations {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

export interface ToolDefinition<
  In extends Shape = Shape,
  Out extends Shape = Shape,
  Where extends Runs = Runs,
> extends Omit<Declaration<In, Out, Where>, "input" | "output" | "paged" | "inTime" | "numbers"> {
  readonly input: z.ZodObject<In>;
  readonly output: z.ZodObject<Out>;
  readonly scope: Scope;
  readonly annotations: Annotations;
  readonly paged: string | null;
  readonly inTime: InTime | null;
  /** How its figures are read that are written as text. */
  readonly numbers: Numbers;
}

const annotationsOf: Readonly<Record<Declaration<Shape, Shape, Runs>["effect"], Annotations>> = {
  reads: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  steers: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  disrupts: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  trades: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  cancels: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
};

/** What every paged tool takes and answers beside its own fields. */
export const pageInput = {
  limit: z.int().min(1).max(1000).optional().describe("Rows at most"),
  cursor: z.string().max(100).optional().describe("next_cursor of the last page"),
} as const;

export const pageOutput = {
  returned: z.int().describe("Rows here"),
  total: z.int().describe("Rows in all"),
  truncated: z.boolean().describe("Whether more follow"),
  next_cursor: z.string().optional().describe("Pass on as cursor"),
} as const;

/** What a list in the order of time answers beside. */
export const spanOutput = {
  from: z.string().nullable().describe("Time of the oldest row here"),
  to: z.string().nullable().describe("Time of the newest row here"),
} as const;

/** Declares a tool once for the edge, the agent and the documents. The schemas are built here, at module scope. */
export function defineTool<In extends Shape, Out extends Shape, Where extends Runs>(
  declaration: Declaration<In, Out, Where>,
): ToolDefinition<In, Out, Where> {
  const { input, output, effect, paged = null, inTime = null } = declaration;
  const changesOrders = effect === "trades" || effect === "cancels";
  return {
    ...declaration,
    numbers: declaration.numbers ?? (changesOrders ? "exact" : "grouped"),
    input: z.strictObject(input),
    output: z.object(output),
    scope: effect === "reads" || effect === "steers" ? "tws:read" : "tws:trade",
    annotations: annotationsOf[effect],
    paged,
    inTime,
  };
}

export type Tools = Readonly<Record<string, ToolDefinition>>;

/** The input of a tool as its handler receives it: parsed, defaults filled in. */
export type InputOf<T extends ToolDefinition> = z.output<T["input"]>;
/** The result of a tool as its handler returns it: whole, since paging comes after. */
export type OutputOf<T extends ToolDefinition> = Omit<
  z.input<T["output"]>,
  keyof typeof pageOutput | keyof typeof spanOutput
>;
