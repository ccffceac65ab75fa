import { readContract } from "./requests-contract.ts";
import type { OptionCalculation } from "./requests.ts";
import { type FieldReader, MalformedRequest } from "./wire.ts";

/** calculateImpliedVolatility (54) and calculateOptionPrice (55), which differ in what the first number means. */
export function readCalculation(type: OptionCalculation["type"]): (fields: FieldReader) => OptionCalculation {
  return (fields) => {
    const reqId = fields.id();
    const contract = readContract(fields, { primaryExchange: true, includeExpired: false });
    const given = fields.number();
    const spot = fields.number();
    // the official client in Java sends the options as one text, that in Python how many there are before it
    const first = fields.left() > 0 ? fields.text() : "";
    const isCounted = fields.left() > 0 && /^\d+$/.test(first);
    const options = isCounted ? fields.text() : first;
    if (options !== "" && !options.includes("=")) {
      throw new MalformedRequest(reqId, "Please use 'Key=Value' format for Misc Options");
    }
    return { type, reqId, contract, given, spot };
  };
}
