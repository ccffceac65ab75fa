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
    const options = fields.left() > 0 ? fields.text() : "";
    // some clients send how many options follow, which TWS takes for the options themselves
    if (options !== "" && !options.includes("=")) {
      throw new MalformedRequest(reqId, "Please use 'Key=Value' format for Misc Options");
    }
    return { type, reqId, contract, given, spot };
  };
}
