import { describe, expect, test } from "vitest";
import { decideFate, type FateEvidence } from "./order-fate.ts";

/** All that is needed to call an order absent. */
const missing: FateEvidence = {
  state: "unknown",
  kind: "place",
  shown: "none",
  isFirstShown: false,
  hasExits: false,
  isRefused: false,
  isCancelling: false,
  mayCancel: true,
  isMoot: false,
  isLineOver: true,
  isUpstreamUp: true,
  misses: 2,
  isSettled: true,
  isPastDialogs: true,
  lists: "whole",
  positionsAgree: true,
};
const bracket = { kind: "bracket" } as const;
const part = { ...bracket, shown: "some", isFirstShown: true } as const;
const whole = { ...bracket, shown: "all", isFirstShown: true, hasExits: true } as const;

const rows: readonly (readonly [what: string, evidence: Partial<FateEvidence>, verdict: string])[] = [
  ["is absent when what is known would have shown it", {}, "absent"],
  ["is absent from the state of an agent that died", { state: "sending" }, "absent"],
  ["is found when TWS shows it", { shown: "all" }, "found"],
  ["that was called absent is found when TWS shows it", { state: "absent", shown: "all" }, "found"],
  ["that was called rejected is found when TWS shows it", { state: "rejected", shown: "all" }, "found"],
  ["that TWS shows as refused was refused", { shown: "all", isRefused: true }, "refused"],
  [
    "that has ended at TWS and was known there is at its end",
    { state: "acked", shown: "all", isRefused: true },
    "found",
  ],
  [
    "that was at TWS is followed no more when no list shows it",
    { state: "acked", lists: "unproven" },
    "unlisted",
  ],
  ["of several legs shown in part is unknown", { kind: "basket", shown: "some" }, "unknown"],
  ["that is a whole bracket is found", whole, "found"],
  ["that is an entry without its exits is repaired", part, "repair"],
  ["that is exits without their entry is unknown", { ...part, isFirstShown: false }, "unknown"],
  ["that is a bracket whose exits have ended is repaired", { ...whole, hasExits: false }, "repair"],
  ["that is to be repaired waits for its turn", { ...part, mayCancel: false }, "unknown"],
  ["that is a refused bracket was refused", { ...part, isRefused: true }, "refused"],
  [
    "that is being cancelled is no placed order, whole as it may look",
    { ...whole, isCancelling: true },
    "repair",
  ],
  [
    "that is being cancelled waits for its turn",
    { ...whole, isCancelling: true, mayCancel: false },
    "unknown",
  ],
  [
    "that was cancelled without a fill was refused",
    { ...whole, isCancelling: true, isRefused: true },
    "refused",
  ],
  ["that is a bracket TWS may hold back is withdrawn", { ...bracket, isPastDialogs: false }, "withdraw"],
  ["that is a bracket called absent is not withdrawn again", { ...bracket, state: "absent" }, "absent"],
  [
    "that is a bracket nobody has seen is not cancelled by lists that prove nothing",
    { ...bracket, lists: "unproven" },
    "unknown",
  ],
  [
    "that is a bracket nobody has seen is not cancelled on an unbroken line",
    { ...bracket, isLineOver: false },
    "unknown",
  ],
  [
    "that is a change of an order that has ended came to nothing",
    { kind: "modify", isMoot: true, isLineOver: false },
    "absent",
  ],
  [
    "that is a change needs no proof by other orders",
    { kind: "modify", lists: "unproven", positionsAgree: null },
    "absent",
  ],
  ["that is a change may be held by a dialog", { kind: "modify", isLineOver: false }, "unknown"],
];

test.for(rows)("an order %s", ([, evidence, verdict]) => {
  expect(decideFate({ ...missing, ...evidence }).verdict).toBe(verdict);
});

describe("an order that TWS does not show is unknown", () => {
  test.for([
    [{ isLineOver: false }, "line_unbroken"],
    [{ isUpstreamUp: false }, "upstream_down"],
    [{ misses: 1 }, "too_few_probes"],
    [{ isSettled: false }, "not_settled"],
    [{ isPastDialogs: false }, "dialog_possible"],
    [{ lists: "short" }, "lists_short"],
    [{ lists: "unproven" }, "lists_unproven"],
    [{ positionsAgree: null }, "positions_unread"],
    [{ positionsAgree: false }, "positions_moved"],
  ] as const)("for %j alone, however long", ([evidence, doubt]) => {
    expect(decideFate({ ...missing, misses: 1_000, ...evidence })).toEqual({
      verdict: "unknown",
      doubts: [doubt],
    });
  });

  test.for([{ isUpstreamUp: false }, { misses: 1 }, { isPastDialogs: false }])(
    "no more where it was at TWS before, except for %j",
    (evidence) => {
      const known = { ...missing, state: "acked", lists: "short", positionsAgree: null } as const;
      expect(decideFate(known).verdict).toBe("unlisted");
      expect(decideFate({ ...known, ...evidence }).verdict).toBe("unknown");
    },
  );
});
