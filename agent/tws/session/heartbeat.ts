interface HeartbeatOptions {
  readonly everyMs: number;
  /** So many silent intervals in a row mean that the peer is gone. */
  readonly misses: number;
  /** Asks the peer for anything at all. */
  readonly probe: () => void;
  readonly onSilent: () => void;
}

export interface Heartbeat {
  /** Anything was received. */
  heard(): void;
  stop(): void;
}

/** Notices a peer that is gone without having closed the socket, which TCP by itself may not for hours. */
export function startHeartbeat({ everyMs, misses, probe, onSilent }: HeartbeatOptions): Heartbeat {
  let wasHeard = true;
  let silent = 0;
  const timer = setInterval(() => {
    silent = wasHeard ? 0 : silent + 1;
    wasHeard = false;
    if (silent < misses) {
      probe();
      return;
    }
    clearInterval(timer);
    onSilent();
  }, everyMs);
  return {
    heard() {
      wasHeard = true;
    },
    stop() {
      clearInterval(timer);
    },
  };
}
