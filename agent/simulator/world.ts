import { createAccounts } from "./ledger/accounts.ts";
import { referenceAt } from "./market/futures.ts";
import type { Listing } from "./market/instruments.ts";
import { createLedger } from "./ledger/ledger.ts";
import { createMarket } from "./market/market.ts";
import type { World } from "./model/world.ts";
import { createPaths } from "./market/price.ts";
import { createUniverse } from "./market/universe.ts";

export interface WorldOptions {
  readonly seed: number;
  /** Unix milliseconds. The expiries and strikes listed are those of the first call. */
  readonly now: () => number;
  /** Paper accounts, one by default; the first one starts with a few positions. */
  readonly accounts?: readonly string[];
  /** Orders wait for exchange hours as with a real TWS; by default they trade at any hour. */
  readonly realHours?: boolean;
}

/** A whole simulated world. The same seed, clock and calls give the same prices, events and ids. */
export function createWorld(options: WorldOptions): World {
  const { seed, now, accounts: names = ["DU1234567"], realHours = false } = options;
  const createdAt = now();
  const paths = createPaths(seed, referenceAt);
  const centreOf = (listing: Listing) => paths(listing.motion)(createdAt);
  const universe = createUniverse(createdAt, centreOf);
  const market = createMarket(seed, universe, (listing) => paths(listing.motion), centreOf);
  const accounts = createAccounts({ names, universe, market, now });
  const ledger = createLedger({ seed, now, market, accounts, realHours });
  return { universe, market, ledger, now };
}
