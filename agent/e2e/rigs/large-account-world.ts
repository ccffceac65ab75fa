import type { Instrument, OptionChain } from "../../simulator/model/instruments.ts";
import type { AccountValue, Position } from "../../simulator/model/ledger.ts";
import type { World } from "../../simulator/model/world.ts";
import { testAccount, createFixture, instrumentOf } from "../../simulator/test-support/world.fixture.ts";

const stocks = 500;
const firstConId = 900_000_000;
const firstOptionId = 910_000_000;

/** For tests: a TWS that holds far more than people usually have, with a clock that stands still. */
export function createLargeAccountWorld(): World {
  const { world, place, pass } = createFixture(Date.now());
  const aapl = instrumentOf(world, 265_598);
  const many = Array.from({ length: stocks }, (_, index) => stockLike(aapl, index));
  const byConId = new Map(many.map((stock) => [stock.conId, stock]));
  // they trade as AAPL does
  const isMade = ({ conId }: Instrument) => conId >= firstConId && conId < firstOptionId + 2 * strikes.length;
  const original = (instrument: Instrument) => (isMade(instrument) ? aapl : instrument);
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
        if (stock !== undefined) return [stock];
        const found = universe.find(query);
        return query.secType === "OPT" && (query.strike ?? 0) === 0 ? atManyStrikes(found) : found;
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
    ledger: {
      ...ledger,
      positions: () => [...ledger.positions(), ...many.map(holdingOf)],
      accountValues: (account) => [...ledger.accountValues(account), ...foreignCash],
    },
  };
}

function stockLike(aapl: Instrument, index: number): Instrument {
  const symbol = `QQ${String(index).padStart(4, "0")}`;
  return { ...aapl, conId: firstConId + index, symbol, localSymbol: symbol, tradingClass: symbol };
}

const holdingOf = (instrument: Instrument, index: number): Position => ({
  account: testAccount,
  instrument,
  quantity: 1 + index,
  avgCost: 123.456_789,
  marketPrice: 234.567_8,
  marketValue: 234.567_8 * (1 + index),
  unrealizedPnl: 111.111_1 * (1 + index),
  realizedPnl: 0,
});

const strikes = Array.from({ length: 2_000 }, (_, index) => 10_000.125 + index * 2.5);

const withManyStrikes = (chain: OptionChain): OptionChain => ({
  ...chain,
  expirations: [...chain.expirations, ...laterDates].slice(0, 60),
  strikes,
});

const laterDates = Array.from({ length: 60 }, (_, index) => `${2040 + index}0315`);

/** Calls and puts at every strike, where one asked for those of one day. */
const atManyStrikes = ([option]: readonly Instrument[]): Instrument[] =>
  option === undefined
    ? []
    : strikes.flatMap((strike, index) =>
        (["C", "P"] as const).map((right, side) => {
          const localSymbol = `AAPL  ${option.expiration ?? ""}${right}${strike * 1_000}`;
          return { ...option, conId: firstOptionId + 2 * index + side, localSymbol, strike, right };
        }),
      );

/** What TWS keeps for each currency that an account has held. */
const foreignCash: readonly AccountValue[] = Array.from({ length: 30 }, (_, index) =>
  ["CashBalance", "TotalCashBalance", "StockMarketValue", "OptionMarketValue", "FuturesPNL", "UnrealizedPnL"]
    .concat([
      "RealizedPnL",
      "ExchangeRate",
      "NetDividend",
      "NetLiquidationByCurrency",
      "TBondValue",
      "FundValue",
    ])
    .map((key) => ({
      key,
      value: "0.00",
      currency: `Q${String.fromCharCode(65 + (index % 26))}${index < 26 ? "A" : "B"}`,
    })),
).flat();
