import { afterAll, beforeAll, expect, test } from "vitest";
import { type CommandPlace, createCommandPlace } from "./command.fixture.ts";

/** The names of the commands, which stand in people's scripts. */

let place: CommandPlace;
beforeAll(() => void (place = createCommandPlace()));
afterAll(() => place.remove());

const names =
  "start agent pair token rotate-key passphrase sim doctor freeze unfreeze approvals approve decline orders audit";

test.each(names.split(" "))("tws-edge %s is a command", async (name) => {
  expect(await place.run([name, "--help"])).toMatchObject({ code: 0, out: expect.stringContaining(name) });
});

test("a name that was never one is not", async () => {
  expect((await place.run(["stop", "--help"])).code).not.toBe(0);
});
