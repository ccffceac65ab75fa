import { vi } from "vitest";
import type { Client } from "../wire/client.ts";
import { createHandlers, type Handlers } from "../handlers/dispatch.ts";
import { errorMessage } from "../wire/messages.ts";
import type { World } from "../model/world.ts";
import { everything } from "../faults/permissions.ts";
import type { Permissions } from "../faults/permissions.ts";
import { decodeRequest } from "../wire/requests-decode.ts";
import { fieldText } from "../wire/wire.ts";
import { createWorld } from "../world.ts";

export type Fields = readonly (string | number)[];

export const aapl: Fields = [265598, "", "", "", "", "", "", "SMART", "", "", "", ""];
export const eurusd: Fields = ["", "EUR", "CASH", "", "", "", "", "IDEALPRO", "", "USD", "", ""];
/** A Friday morning in New York. */
const openAt = Date.parse("2026-11-20T15:30:00Z");

export interface FakeClient extends Client {
  readonly rows: string[][];
  isSlow: boolean;
}

/** The handlers without a socket, for tests, on a clock that the test turns. Wants `performance` faked. */
export interface HandlersFixture {
  readonly world: World;
  readonly handlers: Handlers;
  /** What the account may see from now on. */
  permissions: Permissions;
  now(): number;
  clientAt(serverVersion: number, clientId?: number): FakeClient;
  /** Hands in one message and returns what came of it at once. */
  ask(client: FakeClient, ...fields: Fields): string[][];
  /** Lets time pass for the market and the machine alike, in steps of the server's. */
  pass(ms: number): void;
  /** Lets the ledger match orders for a while. */
  match(ms: number): void;
}

export function createHandlersFixture(
  change: (world: World) => World = (world) => world,
  startsAt = openAt,
): HandlersFixture {
  let at = startsAt;
  const clients = new Map<number, Client>();
  const world = change(createWorld({ seed: 7, now: () => at }));
  const handlers = createHandlers({
    world,
    clients,
    timeZone: "US/Eastern",
    tellsOwnZone: false,
    maxLines: 100,
    nextValidId: () => 1,
    permissions: () => fixture.permissions,
  });

  function clientAt(serverVersion: number, clientId = 1): FakeClient {
    const rows: string[][] = [];
    const client: FakeClient = {
      clientId,
      serverVersion,
      rows,
      isSlow: false,
      send: (message) => void rows.push(message.map(fieldText)),
      sendTick(message) {
        if (!client.isSlow) rows.push(message.map(fieldText));
        return !client.isSlow;
      },
      error: (id, code, text) => client.send(errorMessage(serverVersion, id, code, text)),
      unsentBytes: () => 0,
      cut: () => {},
      hangUp: () => {},
    };
    clients.set(clientId, client);
    return client;
  }

  const fixture: HandlersFixture = {
    world,
    handlers,
    permissions: everything,
    now: () => at,
    clientAt,
    ask(client, ...fields) {
      const from = client.rows.length;
      handlers.handle(client, decodeRequest(fields.map(String), client.serverVersion));
      return client.rows.slice(from);
    },
    pass(ms) {
      for (let left = ms; left > 0; left -= 50) {
        at += 50;
        vi.advanceTimersByTime(50);
        handlers.tick();
      }
    },
    match(ms) {
      for (let left = ms; left > 0; left -= 100) {
        at += 100;
        world.ledger.advance();
      }
    },
  };
  return fixture;
}
