import { accountValuesOf } from "./account-values.ts";
import type { Book, Fill } from "./positions.ts";
import { applyFill, baseCurrency, cloneBook, valueOf } from "./positions.ts";
import { commissionCurrency, commissionOf } from "./commission.ts";
import type { Instrument, Universe } from "../model/instruments.ts";
import type { Ledger, MarginPreview, OrderRequest, Position } from "../model/ledger.ts";
import type { Market } from "../model/market.ts";
import type { Micros } from "./money.ts";
import { micros, toAmount } from "./money.ts";
import type { DayStart, Marks } from "./valuation.ts";
import { bookPnl, holdingPnl, marksAt, marksAtClose, positionOf, startDay, worthOf } from "./valuation.ts";

const startCash = 1_000_000;
const boughtDaysAgo = 60;
const starting: readonly { conId: number; quantity: number }[] = [
  { conId: 265598, quantity: 100 },
  { conId: 272093, quantity: 50 },
  { conId: 756733, quantity: 200 },
];

/** The money side of the ledger: books of all accounts, and what they are worth now. */
export interface Accounts extends Pick<Ledger, "positions" | "pnl" | "pnlSingle"> {
  readonly names: readonly string[];
  values: Ledger["accountValues"];
  /** Begins a new day when it is time; when the present one began. */
  roll(): number;
  apply(account: string, fill: Fill): Micros | null;
  /** Margin before and after an order, and why it cannot be accepted, null when it can. */
  preview(request: OrderRequest): { readonly preview: MarginPreview; readonly refusal: string | null };
  /** Undefined for currencies, which are cash and no position. */
  position(account: string, instrument: Instrument): Position | undefined;
  valueInBase(instrument: Instrument, quantity: number, price: number): number;
}

export interface AccountsOptions {
  readonly names: readonly string[];
  readonly universe: Universe;
  readonly market: Market;
  readonly now: () => number;
}

/** Books of the given accounts; the first one starts with a few stocks, bought two months before from its cash. */
export function createAccounts({ names, universe, market, now }: AccountsOptions): Accounts {
  const createdAt = now();
  const books = new Map<string, Book>();
  for (const account of names) {
    books.set(account, { account, cash: new Map([[baseCurrency, micros(startCash)]]), holdings: new Map() });
  }
  const boughtAt = createdAt - boughtDaysAgo * 86_400_000;
  for (const { conId, quantity } of starting) {
    const instrument = universe.byConId(conId);
    const book = books.get(names[0] ?? "");
    if (instrument === undefined || book === undefined) continue;
    const price = market.quote(instrument, boughtAt).ask ?? 0;
    applyFill(book, { instrument, quantity, price, commission: commissionOf(instrument, quantity, 0) });
  }
  const days = new Map<string, DayStart>();
  for (const book of books.values()) days.set(book.account, startDay(book, createdAt));

  const marks = (): Marks => marksAt(universe, market, now());
  const marksThen = (day: DayStart) => marksAtClose(universe, market, day.at);

  function roll(): number {
    let since = 0;
    for (const book of books.values()) {
      let day = days.get(book.account);
      if (day === undefined || now() >= day.nextAt) {
        for (const [conId, holding] of book.holdings) {
          holding.realized = 0;
          if (holding.quantity === 0) book.holdings.delete(conId);
        }
        days.set(book.account, (day = startDay(book, now())));
      }
      since = day.at;
    }
    return since;
  }

  function dated(account: string): { book: Book; day: DayStart } | undefined {
    roll();
    const book = books.get(account);
    const day = days.get(account);
    return book === undefined || day === undefined ? undefined : { book, day };
  }

  function preview(request: OrderRequest) {
    const { instrument, action, quantity, account } = request;
    const book = books.get(account);
    const at = marks();
    const price = expectedPrice(request, market, now());
    const valueInBase = Math.abs(
      toAmount(valueOf(instrument, quantity, price)) * at.rate(instrument.currency),
    );
    const commission = commissionOf(instrument, quantity, valueInBase);
    const empty: Book = { account, cash: new Map(), holdings: new Map() };
    const after = cloneBook(book ?? empty);
    applyFill(after, { instrument, quantity: action === "BUY" ? quantity : -quantity, price, commission });
    const was = worthOf(book ?? empty, at);
    const is = worthOf(after, at);
    // an order that lowers the margin is welcome even to an account that lacks it
    const isBurden =
      is.initial > was.initial + 0.005 ||
      (is.initial > was.initial - 0.005 && is.loanable < was.loanable - commission - 0.005);
    const refusal =
      isBurden && is.initial > is.loanable
        ? `YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE [${is.loanable.toFixed(2)} ${baseCurrency}] MUST EXCEED THE INITIAL MARGIN OF [${is.initial.toFixed(2)} ${baseCurrency}]`
        : null;
    return {
      preview: {
        initBefore: was.initial,
        maintBefore: was.maintenance,
        equityBefore: was.loanable,
        initAfter: is.initial,
        maintAfter: is.maintenance,
        equityAfter: is.loanable,
        commission,
        commissionCurrency: commissionCurrency(instrument),
        warningText: "",
      },
      refusal,
    };
  }

  return {
    names,
    roll,
    apply(account, fill) {
      const book = books.get(account);
      // a position is of the instrument, whichever exchange the order was routed to
      const instrument = universe.byConId(fill.instrument.conId) ?? fill.instrument;
      return book === undefined ? null : applyFill(book, { ...fill, instrument });
    },
    preview,
    valueInBase: (instrument, quantity, price) =>
      toAmount(valueOf(instrument, quantity, price)) * marks().rate(instrument.currency),
    position(account, instrument) {
      const holding = books.get(account)?.holdings.get(instrument.conId);
      return holding === undefined ? undefined : positionOf(account, holding, marks());
    },
    positions() {
      roll();
      const at = marks();
      return [...books.values()].flatMap((book) =>
        [...book.holdings.values()]
          .filter(({ quantity }) => quantity !== 0)
          .map((holding) => positionOf(book.account, holding, at)),
      );
    },
    values(account) {
      const found = dated(account);
      if (found === undefined) return [];
      const { book, day } = found;
      const { realized, unrealized } = bookPnl(book, day, marks(), marksThen(day));
      const previousEquity = worthOf(day.book, marksThen(day)).loanable;
      return accountValuesOf({ book, marks: marks(), realized, unrealized, previousEquity });
    },
    pnl(account) {
      const found = dated(account);
      if (found === undefined) return { daily: 0, unrealized: 0, realized: 0 };
      return bookPnl(found.book, found.day, marks(), marksThen(found.day));
    },
    pnlSingle(account, conId) {
      const found = dated(account);
      const holding = found?.book.holdings.get(conId);
      if (found === undefined || holding === undefined) return undefined;
      const { quantity: position, marketValue: value } = positionOf(account, holding, marks());
      return { ...holdingPnl(holding, found.day, marks(), marksThen(found.day)), position, value };
    },
  };
}

/** What an order would trade at: the touch, or its own price when that is worse for it. */
function expectedPrice(request: OrderRequest, market: Market, at: number): number {
  const { action, orderType, limitPrice, auxPrice } = request;
  const quote = market.quote(request.instrument, at);
  const touch = (action === "BUY" ? quote.ask : quote.bid) ?? quote.last ?? 0;
  const own = (orderType === "STP" ? auxPrice : limitPrice) ?? touch;
  return action === "BUY" ? Math.max(touch, own) : Math.min(touch, own);
}
