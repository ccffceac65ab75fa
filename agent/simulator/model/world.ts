/**
 * What the simulator's halves agree on: the wire side (server, requests, messages) speaks TWS's protocol and knows
 * no prices; the market side (instruments, market, ledger) knows prices and accounts and no bytes.
 *
 * Times are Unix milliseconds. Absent is null; only the wire side knows TWS's sentinels. Prices are in the
 * instrument's currency, sizes in units (shares, contracts, or units of the base currency).
 */

import type { Universe } from "./instruments.ts";
import type { Ledger } from "./ledger.ts";
import type { Market } from "./market.ts";

/** The whole simulated world, before any socket. */
export interface World {
  readonly universe: Universe;
  readonly market: Market;
  readonly ledger: Ledger;
  readonly now: () => number;
}
