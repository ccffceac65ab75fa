import { expect, test } from "vitest";
import { PairAnswer } from "../../shared/machine-key.ts";
import {
  onPairPage,
  createMachine,
  errorOf,
  type Machine,
  ownerBrowser,
} from "./machines/machine.fixture.ts";

/** What becomes of codes when somebody guesses. */

const waiting = async (machine: Machine) => {
  const answer = PairAnswer.parse(await (await machine.pair()).json());
  if (answer.state !== "waiting") throw new Error(answer.state);
  return answer;
};

test("a code that the owner made ends after five wrong ones, wherever they come from", async () => {
  const browser = await ownerBrowser();
  const offer = await (await onPairPage(browser, { do: "offer", name: "Voided" })).text();
  const code = /--code ([\w-]+)/.exec(offer)?.[1] ?? "";
  // what has not the form of a code is no try at one
  for (const _ of [1, 2, 3, 4, 5]) expect((await (await createMachine()).pair("typo")).status).toBe(401);
  for (const _ of [1, 2, 3, 4]) expect((await (await createMachine()).pair("2222-2222")).status).toBe(401);
  const early = await (await onPairPage(browser, { do: "offer", name: "Made after four" })).text();
  const laterCode = /--code ([\w-]+)/.exec(early)?.[1] ?? "";
  expect((await (await createMachine()).pair("2222-2222")).status).toBe(401);
  const refused = await (await createMachine()).pair(code);
  expect(refused.status).toBe(401);
  expect(await errorOf(refused)).toContain("ended after five wrong tries");
  expect((await (await createMachine()).pair(laterCode)).status).toBe(200);
});

test("a code that a machine shows ends after five wrong ones at the page, and no stranger's count against it", async () => {
  const [machine, other] = await Promise.all([createMachine(), createMachine()]);
  const { code, pollSecret } = await waiting(machine);
  const { code: otherCode } = await waiting(other);
  for (const _ of [1, 2, 3, 4, 5, 6]) await (await createMachine()).pair("2222-2222");
  const browser = await ownerBrowser();
  for (const _ of [1, 2, 3, 4]) {
    expect((await onPairPage(browser, { do: "find", code: "3333-3333" })).status).toBe(401);
  }
  // a right one is none of the five
  await onPairPage(browser, { do: "decline", code: otherCode });
  expect(await machine.poll(pollSecret)).toMatchObject({ state: "open" });
  expect((await onPairPage(browser, { do: "find", code: "3333-3333" })).status).toBe(401);
  expect((await onPairPage(browser, { do: "accept", code, name: "Too late" })).status).toBe(401);
  expect(await machine.poll(pollSecret)).toEqual({ state: "expired" });
  expect((await machine.dial()).status).toBe(401);
});

test("machines that guess cannot keep the owner from entering a code", async () => {
  const machine = await createMachine();
  const { code } = await waiting(machine);
  for (let count = 0; count < 101; count += 1) await (await createMachine()).pair("2222-2222");
  expect((await (await createMachine()).pair("2222-2222")).status).toBe(429);
  expect((await onPairPage(await ownerBrowser(), { do: "find", code })).status).toBe(200);
});
