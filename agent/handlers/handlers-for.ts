import type { InputOf, OutputOf, Tools } from "../../shared/tools/define.ts";
import type { CallContext } from "../call/call-context.ts";

/** A method for each tool of a domain that runs beside TWS; a missing one does not compile. */
export type HandlersFor<T extends Tools> = {
  readonly [Name in keyof T as T[Name]["runs"] extends "agent" ? Name : never]: (
    input: InputOf<T[Name]>,
    context: CallContext,
  ) => Promise<OutputOf<T[Name]>>;
};
