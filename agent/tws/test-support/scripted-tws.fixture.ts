import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** What a test lets its TWS say; `fields` are one message, without its terminators. */
export interface ScriptedClient {
  send(...fields: readonly (string | number)[]): void;
  /** Closes in good order, after all that was sent. */
  end(): void;
}

interface Script {
  /** Fields of one message after the hello. Called for startApi (71) too. */
  readonly onMessage?: (fields: readonly string[], client: ScriptedClient) => void;
  /** False for a server that accepts connections and says nothing. */
  readonly answersHello?: boolean;
}

export interface ScriptedTws {
  readonly port: number;
  /** Connections accepted so far. */
  connections(): number;
  close(): Promise<void>;
}

/** A TWS that says exactly what a test wants, where the simulator is too well-behaved. */
export async function startScriptedTws({ onMessage, answersHello = true }: Script): Promise<ScriptedTws> {
  const sockets = new Set<Socket>();
  let accepted = 0;

  const server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const client: ScriptedClient = {
      send: (...fields) => void socket.write(frame(fields)),
      end: () => void socket.end(),
    };
    let isGreeted = false;
    let pending = Buffer.alloc(0);
    const frames = function* (): Generator<string> {
      while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
        const end = 4 + pending.readUInt32BE(0);
        yield pending.subarray(4, end).toString();
        pending = pending.subarray(end);
      }
    };
    socket.on("data", (chunk) => {
      if (!answersHello) return;
      pending = Buffer.concat([pending, chunk]);
      if (!isGreeted) {
        if (pending.length < 4) return;
        // "API\0" goes before the first frame
        pending = pending.subarray(4);
        isGreeted = true;
      }
      for (const body of frames()) {
        if (body.startsWith("v")) client.send(193, "20261123 09:30:00 UTC");
        else onMessage?.(body.split("\0").slice(0, -1), client);
      }
    });
  });

  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return {
    port: portOf(server.address()),
    connections: () => accepted,
    async close() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const socket of sockets) socket.destroy();
      await closed.promise;
    },
  };
}

/** The answers that let a session begin. */
export function welcome(client: ScriptedClient): void {
  client.send(15, 1, "DU1234567");
  client.send(9, 1, 1);
}

/** A notice of TWS, as of protocol version 193. */
export function refuse(client: ScriptedClient, id: number | string, code: number, text: string): void {
  client.send(4, 2, id, code, text, "");
}

function frame(fields: readonly (string | number)[]): Buffer {
  const body = Buffer.from(fields.map((field) => `${field}\0`).join(""));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

function portOf(address: AddressInfo | string | null): number {
  return address !== null && typeof address === "object" ? address.port : 0;
}
