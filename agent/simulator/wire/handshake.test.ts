import { Buffer } from "node:buffer";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  connectRaw,
  errorMessage,
  helloBytes,
  message,
  messageBytes,
  startedClient,
} from "../test-support/raw-client.fixture.ts";
import { type Simulator, startSimulator } from "../server.ts";

let simulator: Simulator;
beforeEach(async () => {
  simulator = await startSimulator({ seed: 7 });
});
afterEach(() => simulator.close());

const isHelloAnswer = (fields: readonly string[]): boolean => fields.length === 2;

describe("handshake", () => {
  test("answers a hello that arrives byte by byte, and the messages behind it", async () => {
    const client = await connectRaw(simulator.port);
    client.socket.setNoDelay(true);
    const bytes = Buffer.concat([helloBytes("v100..193"), messageBytes(71, 2, 4, ""), messageBytes(49, 1)]);
    for (const byte of bytes) {
      client.write(Buffer.from([byte]));
      const { promise, resolve } = Promise.withResolvers<void>();
      setImmediate(resolve);
      await promise;
    }
    await client.waitFor(message(49));
    expect(client.messages[0]?.[0]).toBe("193");
    expect(client.messages[0]?.[1]).toMatch(/^\d{8} \d\d:\d\d:\d\d \S/);
    expect(simulator.clients()).toMatchObject([{ clientId: 4, serverVersion: 193 }]);
  });

  test.each([
    ["v100..193", "193"],
    ["v157..178", "178"],
    ["v100..151", "151"],
    ["v170", "170"],
    ["v100..193 +PACEAPI", "193"],
    // a client that is too new is told what there is and left to refuse
    ["v200..200", "193"],
    ["v213..225", "193"],
  ])("answers %s with version %s", async (versions, expected) => {
    const client = await connectRaw(simulator.port);
    client.hello(versions);
    expect((await client.waitFor(isHelloAnswer))[0]).toBe(expected);
    client.end();
  });

  test("offers no more than its own newest version", async () => {
    const older = await startSimulator({ seed: 7, serverVersion: 165 });
    const client = await connectRaw(older.port);
    client.hello("v100..193");
    expect((await client.waitFor(isHelloAnswer))[0]).toBe("165");
    await older.close();
  });

  test("welcomes a client in the order of a real gateway", async () => {
    const client = await startedClient(simulator.port, 193, 1);
    const shown = client.messages.slice(1).map((fields) => (fields[0] === "4" ? fields[3] : fields[0]));
    expect(shown).toEqual(["15", "9", "2104", "2106", "2158"]);
    expect(client.messages[1]).toEqual(["15", "1", "DU1234567"]);
    expect(client.messages[2]).toEqual(["9", "1", "1"]);
    client.end();
  });

  test("forgets what is sent before startApi", async () => {
    const client = await connectRaw(simulator.port);
    client.hello("v100..193");
    client.send(49, 1);
    client.send(8, 1, 1);
    client.send(71, 2, 1, "");
    await client.waitFor(errorMessage(-1, 2158));
    client.send(17, 1);
    await client.waitFor(message(15), 3);
    expect(client.messages.some(message(49))).toBe(false);
    expect(client.messages.filter(message(9))).toHaveLength(1);
    client.end();
  });

  test.each([
    ["an ancient client", Buffer.from("62\0")],
    ["a web browser", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["a hello of absurd length", Buffer.concat([Buffer.from("API\0"), Buffer.from([255, 255, 255, 255])])],
    ["a hello without versions", helloBytes("nonsense")],
    ["a client from before its oldest layout", helloBytes("v100..140")],
  ])("hangs up on %s without a word and serves the others", async (_who, bytes) => {
    const bystander = await startedClient(simulator.port, 193, 1);
    const client = await connectRaw(simulator.port);
    client.write(bytes);
    await client.closed;
    expect(client.messages).toEqual([]);
    bystander.send(49, 1);
    await bystander.waitFor(message(49));
    bystander.end();
  });

  test("refuses a client id that is in use and keeps the session that has it", async () => {
    const first = await startedClient(simulator.port, 193, 3);
    const second = await connectRaw(simulator.port);
    second.hello("v100..193");
    await second.waitFor(isHelloAnswer);
    second.send(71, 2, 3, "");
    const refusal = await second.waitFor(errorMessage(-1, 326));
    expect(refusal[4]).toContain("client id is already in use");
    await second.closed;
    first.send(49, 1);
    await first.waitFor(message(49));
    expect(simulator.clients()).toHaveLength(1);
    first.end();
  });
});
