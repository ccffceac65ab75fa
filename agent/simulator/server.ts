import { createServer, type Server, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import type { Client } from "./wire/client.ts";
import { type Connection, type Host, openConnection } from "./wire/connection.ts";
import { createHandlers } from "./handlers/dispatch.ts";
import { createFaults, type Faults, noFaults } from "./faults/faults.ts";
import { newestVersion } from "./wire/handshake.ts";
import { createAlteredMessages } from "./faults/altered-messages.ts";
import { createListEnds } from "./faults/list-end-faults.ts";
import * as messages from "./wire/messages.ts";
import type { World } from "./model/world.ts";
import { createOrderFaultLine } from "./faults/order-faults.ts";
import { placeByHand } from "./faults/orders-by-hand.ts";
import { isRefusedReadOnly, readOnlyText } from "./faults/read-only.ts";
import { createReplies, idOf } from "./faults/scripted-replies.ts";
import { decodeRequest } from "./wire/requests-decode.ts";
import { createTickRecord, type SentTick } from "./faults/tick-record.ts";
import { usualText } from "./wire/tws-texts.ts";
import { MalformedRequest } from "./wire/wire.ts";
import { createWorld } from "./world.ts";
import { inZone } from "./time/zone-time.ts";

const tickMs = 50;
const matchingMs = 100;
const slowTickMs = 1000;
const logLength = 10_000;

export interface SimulatorOptions {
  /** 0, the default, takes any free port. */
  readonly port?: number;
  readonly host?: string;
  readonly seed?: number;
  /** The market's clock, in Unix milliseconds; the machine's by default. */
  readonly now?: () => number;
  /** The newest protocol version to offer, 151 to 193. */
  readonly serverVersion?: number;
  /** The zone of the machine TWS runs on, "US/Eastern" by default; if given, last trade dates are on its clock. */
  readonly timeZone?: string;
  /** Names of the paper accounts, one by default. */
  readonly accounts?: readonly string[];
  /** Orders wait for exchange hours; by default they trade at any hour. */
  readonly realHours?: boolean;
  /** The API takes no orders and lists none, as a fresh TWS is set. */
  readonly readOnly?: boolean;
  /** Instead of a world made from the options above. */
  readonly world?: World;
  /** 50 by default, as TWS. */
  readonly maxMessagesPerSecond?: number;
  /** How long the scanner's parameters are, about; a real TWS sends 200 kB to 2 MB. */
  readonly scannerXmlBytes?: number;
  /** Market data lines over all clients, 100 by default. */
  readonly maxMarketDataLines?: number;
  /** Writes down every tick of the quote lines, for `ticks()`. */
  readonly recordTicks?: boolean;
}

/** One message a client sent after its hello. */
export interface ReceivedMessage {
  readonly at: number;
  readonly clientId: number;
  readonly id: number;
  readonly fields: readonly string[];
}

export interface ConnectedClient {
  readonly clientId: number;
  readonly serverVersion: number;
  readonly unsentBytes: number;
}

export interface Simulator {
  readonly port: number;
  readonly host: string;
  readonly world: World;
  readonly faults: Faults;
  clients(): readonly ConnectedClient[];
  /** Open market data lines over all clients. */
  subscriptions(): number;
  /** The latest messages of all clients, oldest first. */
  received(): readonly ReceivedMessage[];
  /** Every tick sent on quote lines, oldest first; empty unless `recordTicks` is set. */
  ticks(): readonly SentTick[];
  close(): Promise<void>;
}

async function listening(server: Server, port: number, host: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, host, resolve);
  await promise;
  server.off("error", reject);
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : port;
}

/**
 * A TWS for any client that speaks its socket protocol. Rejects with Node's error (EADDRINUSE) when it cannot listen.
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { host = "127.0.0.1", timeZone = "US/Eastern", seed = 1, now = Date.now } = options;
  const { accounts = ["DU1234567"], realHours = false } = options;
  const world = options.world ?? createWorld({ seed, now, accounts, realHours });
  const state = { ...noFaults(), isReadOnly: options.readOnly ?? false };
  const listEnds = createListEnds();
  const orderFaults = createOrderFaultLine((clientId, orderId) => world.ledger.expect(clientId, orderId));
  const altered = createAlteredMessages();
  const record = options.recordTicks === true ? createTickRecord(() => state.muted) : null;
  const replies = createReplies();
  const clients = new Map<number, Client>();
  const connections = new Set<Connection>();
  const ghosts = new Map<number, number>();
  const log: ReceivedMessage[] = [];

  const handlers = createHandlers({
    world,
    clients,
    timeZone,
    tellsOwnZone: options.timeZone !== undefined,
    maxLines: options.maxMarketDataLines ?? 100,
    nextValidId: (clientId) => Math.max(1, world.ledger.nextValidId(clientId) - state.nextValidIdRollback),
    permissions: () => state.permissions,
    seed,
    ...(options.scannerXmlBytes !== undefined && { scannerXmlBytes: options.scannerXmlBytes }),
  });

  function welcome(client: Client): void {
    client.send(messages.managedAccounts(world.ledger.accounts));
    handlers.handle(client, { type: "nextValidId" });
    for (const code of [2104, 2106, 2158]) client.error(-1, code, usualText(code));
  }

  const hostOfConnections: Host = {
    newestVersion: Math.min(options.serverVersion ?? newestVersion, newestVersion),
    maxMessagesPerSecond: options.maxMessagesPerSecond ?? 50,
    connectionTime() {
      const { date, time } = inZone(world.now(), timeZone);
      return `${date} ${time} ${timeZone}`;
    },
    isMuted: () => state.muted,
    helloDelayMs: () => state.helloDelayMs,
    admit(newcomer) {
      const ghostUntil = ghosts.get(newcomer.clientId) ?? 0;
      if (clients.has(newcomer.clientId) || Date.now() < ghostUntil) return false;
      const client = orderFaults.wrap(listEnds.wrap(altered.wrap(record?.wrap(newcomer) ?? newcomer)));
      ghosts.delete(client.clientId);
      clients.set(client.clientId, client);
      welcome(client);
      return true;
    },
    received({ clientId }, fields) {
      const client = clients.get(clientId);
      if (client === undefined) return;
      log.push({ at: Date.now(), clientId: client.clientId, id: Number(fields[0]), fields });
      if (log.length > logLength) log.splice(0, logLength / 2);
      if (state.muted) return;
      try {
        orderFaults.receive(client, fields, () => {
          const request = orderFaults.taken(client, decodeRequest(fields, client.serverVersion));
          replies.handle(client, request, () => {
            if (state.isReadOnly && isRefusedReadOnly(request))
              client.error(idOf(request), 321, readOnlyText);
            else handlers.handle(client, request);
          });
        });
      } catch (error) {
        if (!(error instanceof MalformedRequest)) throw error;
        client.error(error.id, 320, `Error reading request. ${error.message}`);
      }
    },
    left({ clientId }) {
      const client = clients.get(clientId);
      if (client === undefined) return;
      clients.delete(clientId);
      handlers.forget(client);
      if (state.ghostMs > 0) ghosts.set(clientId, Date.now() + state.ghostMs);
    },
  };

  function accept(socket: Socket): void {
    const connection = openConnection(socket, hostOfConnections);
    connections.add(connection);
    socket.once("close", () => connections.delete(connection));
  }

  let server: Server | null = createServer(accept);
  const port = await listening(server, options.port ?? 0, host);

  async function listen(on: boolean): Promise<void> {
    if (!on) {
      // the callback of close() would wait for every connection to end; the port is free a turn later.
      server?.close();
      server = null;
      await setImmediate();
    } else if (server === null) {
      server = createServer(accept);
      await listening(server, port, host);
    }
  }

  const dropAll = (): void => {
    for (const connection of connections) connection.drop();
  };

  const timers = [
    setInterval(() => world.ledger.advance(), matchingMs),
    setInterval(() => {
      if (!state.upstreamLost) handlers.tick();
    }, tickMs),
    setInterval(() => handlers.slowTick(), slowTickMs),
  ];

  return {
    port,
    host,
    world,
    faults: createFaults({
      state,
      dropAll,
      listen,
      broadcast(code, text) {
        for (const client of clients.values()) client.error(-1, code, text);
      },
      forgetData: () => handlers.forgetData(),
      setListEnds: (fault) => listEnds.set(fault),
      setAlteredMessages: (messages) => altered.set(messages),
      setOrderFaults: (faults) => orderFaults.set(faults),
      correctExecution: (execId, price) => world.ledger.correct(execId, price),
      refuseLate: (orderId, reason) => world.ledger.refuseLate(orderId, reason),
      park: (orderId, whyHeld) => world.ledger.park(orderId, whyHeld),
      placeByHand: (order) => placeByHand(world, order),
      answerDialogs: (isAccepted) => orderFaults.answerDialogs(isAccepted),
      beginDay: () => world.ledger.beginDay(),
      resetDepth: () => handlers.resetDepth(),
      silence: (symbols, forGood) => handlers.silence(symbols, forGood),
      setReply: (kind, reply) => replies.set(kind, reply),
      endStreams: (kind, code, text) => handlers.endStreams(kind, code, text),
    }),
    clients: () =>
      [...clients.values()].map((client) => ({
        clientId: client.clientId,
        serverVersion: client.serverVersion,
        unsentBytes: client.unsentBytes(),
      })),
    subscriptions: () => handlers.lines(),
    received: () => log,
    ticks: () => record?.ticks ?? [],
    async close() {
      for (const timer of timers) clearInterval(timer);
      handlers.close();
      const closing = server;
      const closed = Promise.withResolvers<void>();
      if (closing === null) closed.resolve();
      else closing.close(() => closed.resolve());
      dropAll();
      await closed.promise;
    },
  };
}
