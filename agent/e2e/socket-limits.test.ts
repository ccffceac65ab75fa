import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { z } from "zod";
import { type Deployment, type DeploymentHost, startDeployment } from "./rigs/multi-host-deployment.ts";

/** Clients that try to fill the edge's memory through their WebSockets, over real ones. */

/** As docs/security.md has them. */
const places = { ofGrant: 12, ofHost: 64 };
const oversizeForgiven = 3;

let deployment: Deployment;
let host: DeploymentHost;
const sockets: WebSocket[] = [];
beforeAll(async () => {
  deployment = await startDeployment();
  host = await deployment.host("Home", ["DU7654321"]);
}, 60_000);
afterEach(async () => {
  const open = sockets.splice(0).filter(({ readyState }) => readyState !== WebSocket.CLOSED);
  await Promise.all(open.map((socket) => (socket.terminate(), once(socket, "close"))));
});
afterAll(() => deployment?.close());

const newClient = async (): Promise<string> =>
  (await deployment.grant({ host, accounts: null, permission: "read" })).accessToken;

/** A socket of a client, or the status that it is refused with. */
async function tryToOpen(token: string): Promise<WebSocket | number> {
  const socket = new WebSocket(`${deployment.wsUrl}/api/v1/stream/market-data`, {
    headers: { Authorization: `Bearer ${token}` },
    perMessageDeflate: true,
  });
  const refused = new Promise<number>((resolve) => {
    socket.once("unexpected-response", (_request, response: IncomingMessage) => {
      socket.terminate();
      resolve(z.int().parse(response.statusCode));
    });
  });
  socket.on("error", () => undefined);
  const outcome = await Promise.race([once(socket, "open").then(() => socket), refused]);
  if (outcome instanceof WebSocket) sockets.push(outcome);
  return outcome;
}

async function open(token: string): Promise<WebSocket> {
  const socket = await tryToOpen(token);
  if (socket instanceof WebSocket) return socket;
  throw new Error(`No WebSocket but HTTP ${socket}`);
}

test("the offer to compress is not taken", async () => {
  const socket = await open(await newClient());
  expect(socket.extensions).toBe("");
});

test("the first oversize message closes with 1009, and after some of them no socket opens", async () => {
  const token = await newClient();
  for (let message = 0; message < oversizeForgiven; message += 1) {
    const socket = await open(token);
    socket.send("x".repeat(100_000));
    const [code] = z.tuple([z.int(), z.unknown()]).parse(await once(socket, "close"));
    expect(code).toBe(1009);
  }
  expect(await tryToOpen(token)).toBe(429);
  await open(await newClient());
});

test("one client holds few sockets with unfinished messages, and another is served", async () => {
  const token = await newClient();
  for (let place = 0; place < places.ofGrant; place += 1) {
    (await open(token)).send("x".repeat(10_000), { fin: false });
  }
  expect(await tryToOpen(token)).toBe(429);
  await open(await newClient());
});

test("all clients of a host together hold a bounded number of sockets", async () => {
  const clients = Math.ceil(places.ofHost / places.ofGrant) + 1;
  let taken = 0;
  for (let client = 0; client < clients; client += 1) {
    const token = await newClient();
    while ((await tryToOpen(token)) instanceof WebSocket) taken += 1;
  }
  expect(taken).toBe(places.ofHost);
});
