/** How many sockets follow streams of one host. A grant has twice what is free at most, so that another finds room. */
export const places = { all: 300, shareOfFree: 2 } as const;

/**
 * Places of clients that the owner has let in. The runtime assembles the fragments of a message unseen, up to 32 MiB on
 * each socket, so the number of sockets is what bounds the bytes of unfinished messages.
 */
export const grantedPlaces = { ofGrant: 12, ofHost: 64 } as const;

/** Messages that are too large, of one grant: with more it opens no socket for a while. */
export const oversizeRate = { burst: 3, perSecond: 1 / 60 } as const;

/** How many places a grant has, as long as so many sockets of the host are taken. */
export function placesOf(isGranted: boolean, taken: number): number {
  const all = isGranted ? grantedPlaces.ofHost : places.all;
  const share = places.shareOfFree * Math.max(0, all - taken);
  return Math.min(isGranted ? grantedPlaces.ofGrant : places.all, share);
}

/**
 * Market data lines that clients that the owner has let in share. TWS gives an account a hundred; the rest is for its
 * own windows, for single quotes and for the checks of orders.
 */
export const sharedLines = 90;

/** How many instruments a grant may follow, as long as all grants follow so many. */
export const mostLines = (taken: number): number => places.shareOfFree * Math.max(0, sharedLines - taken);
