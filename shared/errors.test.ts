import { expect, test } from "vitest";
import { ErrorBody, errorKinds, toErrorBody, TwsError } from "./errors.ts";

test("an error keeps its code, next step, retry time and TWS's words on its way through a frame", () => {
  const sent = new TwsError("pacing", "Too many requests.", {
    retryAfterMs: 15_000,
    tws: { code: 162, text: "pacing violation" },
  });
  const received = TwsError.fromBody(ErrorBody.parse(JSON.parse(JSON.stringify(sent.toBody()))));
  expect(received.toBody()).toEqual(sent.toBody());
  expect(received.toBody()).toMatchObject({ code: "pacing", retryable: true, retryAfterMs: 15_000 });
});

test("an error that says when to try again is retryable, whatever its code", () => {
  expect(new TwsError("tws_error", "TWS has stopped it.").toBody()).toMatchObject({ retryable: false });
  const error = new TwsError("tws_error", "TWS has stopped it.", { retryAfterMs: 5_000 });
  expect(error.toBody()).toMatchObject({ retryable: true, retryAfterMs: 5_000 });
});

test("words from TWS are cut at a thousand characters and candidates at twenty-five", () => {
  const body = new TwsError("ambiguous_contract", "Several match.", {
    tws: { code: 200, text: "x".repeat(5000) },
    candidates: Array.from({ length: 60 }, (_, conId) => ({ conId })),
  }).toBody();
  expect(body.tws?.text).toHaveLength(1000);
  expect(body.candidates).toHaveLength(25);
});

test("anything unexpected becomes internal with the id under which it was reported, and tells nothing of itself", () => {
  const reports: { id: string; thrown: unknown }[] = [];
  const thrown = new RangeError("the password is hunter2");
  const body = toErrorBody(thrown, (id, what) => reports.push({ id, thrown: what }));
  expect(body.code).toBe("internal");
  expect(body.message).not.toContain("hunter2");
  expect(reports).toHaveLength(1);
  expect(reports[0]?.thrown).toBe(thrown);
  expect(body.message).toContain(reports[0]?.id);
});

test("an error body with a code that is not in the table is refused", () => {
  expect(
    ErrorBody.safeParse({ code: "constructor", message: "", nextStep: "", retryable: false }).success,
  ).toBe(false);
});

test.for(Object.entries(errorKinds))("%s has a next step that is a sentence", ([, kind]) => {
  expect(kind.nextStep).toMatch(/^[A-Z].{20,}\.$/);
});

test("an unknown outcome is never called retryable", () => {
  expect(errorKinds.outcome_unknown.retryable).toBe(false);
});
