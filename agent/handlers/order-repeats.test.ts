import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tools } from "../../shared/tools/index.ts";
import { forgetContract } from "../tws/contracts/contracts.ts";
import { callBy, startAgent, startHandlersFixture } from "./handlers.fixture.ts";
import type { HandlersFixture } from "./handlers.fixture.ts";

const placeOrder = 3;
const dayMs = 86_400_000;
const [aapl, msft] = [265_598, 272_093];

let laterMs = 0;
const now = () => Date.now() + laterMs;

let fixture: HandlersFixture;
beforeEach(async () => {
  laterMs = 0;
  fixture = await startHandlersFixture({ now });
});
afterEach(async () => fixture.close());

type Input = Record<string, unknown>;
type Handlers = HandlersFixture["handlers"];
const far = { action: "BUY", quantity: 10, orderType: "LMT", limitPrice: 1 };
const rows = [
  { symbol: "AAPL", ...far },
  { symbol: "MSFT", ...far },
];

async function basket(orders: readonly Input[], handlers: Handlers = fixture.handlers) {
  const tool = tools.ibkr_place_orders;
  const input = tool.input.parse({ orders, idempotencyKey: "many" });
  return tool.output.parse(await handlers.ibkr_place_orders(input, callBy()));
}

const place = (input: Input, handlers: Handlers = fixture.handlers) =>
  handlers.ibkr_place_order(
    tools.ibkr_place_order.input.parse({ symbol: "AAPL", ...far, idempotencyKey: "one", ...input }),
    callBy(),
  );

const bracket = (input: Input = {}, handlers: Handlers = fixture.handlers) => {
  const tool = tools.ibkr_place_bracket_order;
  const asked = {
    symbol: "AAPL",
    action: "BUY",
    quantity: 10,
    entryPrice: 10,
    takeProfitPrice: 9_000,
    stopLossPrice: 5,
    idempotencyKey: "bracket",
  };
  return handlers.ibkr_place_bracket_order(tool.input.parse({ ...asked, ...input }), callBy());
};

function option(input: Input, handlers: Handlers = fixture.handlers) {
  const [chain] = fixture.simulator.world.universe.optionChains(aapl);
  const strikes = chain?.strikes ?? [];
  const asked = {
    symbol: "AAPL",
    expiration: chain?.expirations.at(2),
    strike: strikes.at(strikes.length / 2),
    right: "C",
    action: "BUY",
    quantity: 1,
    orderType: "LMT",
    limitPrice: 0.01,
    idempotencyKey: "option",
  };
  const tool = tools.ibkr_place_option_order;
  return handlers.ibkr_place_option_order(tool.input.parse({ ...asked, ...input }), callBy());
}

/** TWS goes, and nothing is remembered of the instruments. */
function leaveAlone({ session }: Pick<HandlersFixture, "session">): void {
  session.stop();
  for (const conId of [aapl, msft]) forgetContract(session, conId);
}

const openRow = (row: unknown) => expect.objectContaining({ ...Object(row), status: "Submitted" });

async function anotherAgent() {
  await fixture.session.close();
  const later = startAgent({ port: fixture.simulator.port, now });
  await later.session.whenConnected(5_000);
  // it waits until the lists have been read
  await later.handlers.ibkr_get_completed_orders({ account: "" }, callBy());
  return later;
}

describe("a repeat while TWS is away and no instrument is remembered", () => {
  test("of a basket answers the first outcome of each row", async () => {
    const bad = { symbol: "MSFT", ...far, limitPrice: 1.001 };
    const first = await basket([...rows, bad]);
    expect(first).toMatchObject({ accepted: 2, refused: 1, unknown: 0 });
    leaveAlone(fixture);

    const again = await basket([...rows, bad]);

    expect(again).toEqual(first);
  });

  test("of a basket also answers an agent that started anew and has read what TWS holds", async () => {
    const first = await basket(rows);
    const later = await anotherAgent();
    leaveAlone(later);

    const again = await basket(rows, later.handlers);
    await later.close();

    expect(again).toMatchObject({ accepted: 2, refused: 0, unknown: 0 });
    expect(again.orders).toEqual(first.orders.map(openRow));
  });

  test("of a basket is open, and refused by nobody, while TWS has not listed its orders", async () => {
    const first = await basket(rows);
    await fixture.session.close();
    fixture.simulator.faults.orders({ withoutEnds: [53] });
    const later = startAgent({ port: fixture.simulator.port, now });
    await later.session.whenConnected(5_000);
    later.session.stop();

    const open = await basket(rows, later.handlers);

    expect(open).toMatchObject({ accepted: 0, refused: 0, unknown: 2 });
    expect(open.orders[0]).toMatchObject({
      error: {
        code: "tws_offline",
        retryable: true,
        message: expect.stringMatching(/Whether an earlier call .* has placed it is not known now/),
        nextStep: expect.stringContaining("same idempotencyKey"),
      },
    });

    fixture.simulator.faults.orders({});
    later.session.resume();
    await later.session.whenConnected(5_000);
    const again = await basket(rows, later.handlers);
    await later.close();
    expect(again.orders).toEqual(first.orders.map(openRow));
    expect(fixture.simulator.received().filter(({ id }) => id === placeOrder)).toHaveLength(2);
  });

  test("of one order, an option or a bracket answers what was placed", async () => {
    const ofOption = () => option({});
    const first = [await place({}), await ofOption(), await bracket()];
    const optionId = (await ofOption()).contract.conId ?? 0;
    forgetContract(fixture.session, optionId);
    leaveAlone(fixture);

    expect([await place({}), await ofOption(), await bracket()]).toEqual(first);
  });

  test("of one order or a bracket is answered by an agent that started anew, and not for another instrument", async () => {
    const [single, three] = [await place({}), await bracket()];
    const later = await anotherAgent();
    leaveAlone(later);

    const again = [await place({}, later.handlers), await bracket({}, later.handlers)];
    await later.close();

    expect(again).toMatchObject([
      { orderId: single.orderId, status: "Submitted" },
      { parentOrderId: three.parentOrderId, status: "Submitted" },
    ]);
    const last = await anotherAgent();
    leaveAlone(last);
    const msft = { symbol: "MSFT" };
    for (const other of [place(msft, last.handlers), bracket(msft, last.handlers)]) {
      await expect(other).rejects.toMatchObject({
        code: "invalid_input",
        message: expect.stringMatching(/^idempotencyKey:/),
      });
    }
    await last.close();
  });

  test("of an option is answered by an agent that started anew", async () => {
    const { orderId } = await option({});
    const later = await anotherAgent();
    leaveAlone(later);

    const again = await option({}, later.handlers);
    await later.close();

    expect(again).toMatchObject({ orderId, status: "Submitted" });
  });

  test.for([{ right: "P" }, { strike: 1 }, { expiration: "20200117" }])(
    "of an option is not answered for another one: %j",
    async (other) => {
      await option({});
      const later = await anotherAgent();
      leaveAlone(later);

      await expect(option(other, later.handlers)).rejects.toMatchObject({
        code: "invalid_input",
        message: expect.stringMatching(/^idempotencyKey:/),
      });
      await later.close();
    },
  );

  test("of what was never placed says that nothing was sent", async () => {
    // it waits until the lists have been read
    await fixture.handlers.ibkr_get_completed_orders({ account: "" }, callBy());
    leaveAlone(fixture);

    expect(await basket(rows)).toMatchObject({ accepted: 0, refused: 2, unknown: 0 });
    await expect(place({})).rejects.toMatchObject({ code: "tws_offline" });
    await expect(bracket()).rejects.toMatchObject({ code: "tws_offline" });
  });
});

describe("a repeat after goodTillDate", () => {
  const terms = () => ({
    tif: "GTD",
    goodTillDate: new Date(Date.now() + dayMs).toISOString(),
  });

  test("answers the first outcome, also from a basket and an agent that started anew", async () => {
    const until = terms();
    const [single, many] = [await place(until), await basket([{ ...rows[0], ...until }])];
    laterMs = 2 * dayMs;

    expect(await place(until)).toEqual(single);
    expect((await basket([{ ...rows[0], ...until }])).orders).toEqual(many.orders);
    const later = await anotherAgent();
    const again = await place(until, later.handlers);
    await later.close();
    expect(again).toMatchObject({ orderId: single.orderId, status: "Submitted" });
  });

  test("is refused for a new order only, which is not sent", async () => {
    const until = terms();
    laterMs = 2 * dayMs;

    await expect(place(until)).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(/^goodTillDate:/),
    });
    expect(
      await basket([
        { ...rows[0], ...until },
        { symbol: "MSFT", ...far },
      ]),
    ).toMatchObject({
      refused: 1,
      accepted: 1,
    });
    expect(await fixture.received(placeOrder)).toHaveLength(1);
  });
});
