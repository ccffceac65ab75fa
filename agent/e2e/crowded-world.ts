import type { Instrument, OptionChain, Position, World } from "../sim/model.ts";
import { ACCOUNT, createFixture, instrumentOf } from "../sim/world-fixture.ts";

const stocks = 500;
const firstConId = 900_000_000;

/** For tests: a TWS that holds far more than people usually have, with a clock that stands still. */
export function createCrowdedWorld(): World {
  const { world, place, pass } = createFixture(Date.now());
  const aapl = instrumentOf(world, 265_598);
  const many = Array.from({ length: stocks }, (_, index) => stockLike(aapl, index));
  const byConId = new Map(many.map((stock) => [stock.conId, stock]));
  // they trade as AAPL does
  const original = (instrument: Instrument) => (byConId.has(instrument.conId) ? aapl : instrument);
  const { universe, market, ledger } = world;
  for (let count = 0; count < 400; count++) place({ clientId: 5, quantity: 1 });
  pass(1_000);
  const working = { clientId: 5, orderType: "LMT", limitPrice: 1, quantity: 1 };
  for (let count = 0; count < 400; count++) place(working);
  return {
    ...world,
    universe: {
      ...universe,
      byConId: (conId) => byConId.get(conId) ?? universe.byConId(conId),
      find(query) {
        const stock = byConId.get(query.conId ?? 0);
        return stock === undefined ? universe.find(query) : [stock];
      },
      optionChains: (conId) => universe.optionChains(conId).map(withManyStrikes),
    },
    market: {
      ...market,
      quote: (instrument, at) => market.quote(original(instrument), at),
      bars: (query) => market.bars({ ...query, instrument: original(query.instrument) }),
      headAt: (instrument) => market.headAt(original(instrument)),
      sessions: (instrument, ...rest) => market.sessions(original(instrument), ...rest),
      isOpen: (instrument, ...rest) => market.isOpen(original(instrument), ...rest),
    },
    ledger: { ...ledger, positions: () => [...ledger.positions(), ...many.map(holdingOf)] },
  };
}

function stockLike(aapl: Instrument, index: number): Instrument {
  const symbol = `QQ${String(index).padStart(4, "0")}`;
  return { ...aapl, conId: firstConId + index, symbol, localSymbol: symbol, tradingClass: symbol };
}

const holdingOf = (instrument: Instrument, index: number): Position => ({
  account: ACCOUNT,
  instrument,
  quantity: 1 + index,
  avgCost: 123.456_789,
  marketPrice: 234.567_8,
  marketValue: 234.567_8 * (1 + index),
  unrealizedPnl: 111.111_1 * (1 + index),
  realizedPnl: 0,
});

const withManyStrikes = (chain: OptionChain): OptionChain => ({
  ...chain,
  strikes: Array.from({ length: 2_000 }, (_, index) => 1_000.25 + index * 2.5),
});
