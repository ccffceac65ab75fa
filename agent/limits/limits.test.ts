import { expect, test } from "vitest";
import { trader } from "../handlers/handlers.fixture.ts";
import type { Caller } from "../../shared/caller.ts";
import { requireTrader, requireTrading, resolveAccount } from "./limits.ts";
import type { Limits } from "./limits.ts";

const paper = "DU1";
const live = "U1";
const anyone: Caller = trader;

const codeOf = (attempt: () => unknown): string => {
  try {
    attempt();
    return "allowed";
  } catch (error) {
    return error !== null && typeof error === "object" && "code" in error
      ? String(error.code)
      : String(error);
  }
};

test.for([
  [{ trading: "off", onlyAccount: null }, paper, "trading_refused"],
  [{ trading: "off", onlyAccount: null }, live, "trading_refused"],
  [{ trading: "paper", onlyAccount: null }, paper, "allowed"],
  [{ trading: "paper", onlyAccount: null }, live, "trading_refused"],
  [{ trading: "live", onlyAccount: null }, paper, "allowed"],
  [{ trading: "live", onlyAccount: null }, live, "allowed"],
  [{ trading: "live", onlyAccount: paper }, paper, "allowed"],
  [{ trading: "live", onlyAccount: paper }, live, "trading_refused"],
  [{ trading: "paper", onlyAccount: "DU2" }, paper, "trading_refused"],
  [{ trading: "live", onlyAccount: null, accounts: ["DU2", "U1"] }, live, "allowed"],
  [{ trading: "live", onlyAccount: null, accounts: ["DU2", "U1"] }, paper, "trading_refused"],
  [{ trading: "paper", onlyAccount: null, accounts: ["U1"] }, live, "trading_refused"],
] as const satisfies readonly (readonly [Limits, string, string])[])(
  "under %j an order in %s is %s",
  ([limits, account, outcome]) => {
    expect(codeOf(() => requireTrading(limits, anyone, account))).toBe(outcome);
  },
);

test("a refusal names the limit, its value and the account's", () => {
  const limits: Limits = { trading: "live", onlyAccount: null, accounts: ["DU2", "DU3"] };
  expect(() => requireTrading(limits, anyone, paper)).toThrow(
    expect.objectContaining({
      code: "trading_refused",
      detail: { limit: { name: "LIMIT_ACCOUNTS", limit: "DU2, DU3", asked: "DU1" } },
    }),
  );
});

test("a caller without tws:trade, or whose grant lacks the account, neither trades nor cancels", () => {
  const limits: Limits = { trading: "live", onlyAccount: null };
  const reader: Caller = { ...anyone, scopes: ["tws:read"] };
  const other: Caller = { ...anyone, accounts: ["DU2"] };

  for (const caller of [reader, other]) {
    expect(codeOf(() => requireTrading(limits, caller, paper))).toBe("forbidden");
    expect(codeOf(() => requireTrader(caller, paper))).toBe("forbidden");
  }
  expect(codeOf(() => requireTrader(anyone, paper))).toBe("allowed");
});

const both = [paper, "DU2"];
const second: Caller = { ...anyone, accounts: ["DU2"] };
test.for([
  { name: "the one named", requested: "DU2", caller: anyone, configured: null, expected: "DU2" },
  { name: "the only one of the grant", requested: "", caller: second, configured: null, expected: "DU2" },
  { name: "the configured one", requested: "", caller: anyone, configured: "DU2", expected: "DU2" },
])("the account is $name", ({ requested, caller, configured, expected }) => {
  expect(resolveAccount(requested, caller, both, configured)).toBe(expected);
});

test("the account is the only one", () => {
  expect(resolveAccount("", anyone, [paper], null)).toBe(paper);
});

test("several accounts must be chosen from, and only those of the grant are named", () => {
  const granted: Caller = { ...anyone, accounts: ["DU1", "DU2"] };
  expect(() => resolveAccount("", granted, ["DU1", "DU2", "DU3"], null)).toThrow(
    expect.objectContaining({ code: "invalid_input", message: "account: name one of DU1, DU2." }),
  );
});

test("an account outside the grant is forbidden, whether TWS has it or not", () => {
  for (const account of ["DU1", "DU9"]) {
    expect(codeOf(() => resolveAccount(account, second, both, null))).toBe("forbidden");
  }
  expect(codeOf(() => resolveAccount("DU9", anyone, both, null))).toBe("invalid_input");
  expect(codeOf(() => resolveAccount("", anyone, [], null))).toBe("tws_offline");
});
