import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { EmbeddedEdge } from "../local/embedded-edge.ts";
import { openPairingPage, startBareEdge } from "./rigs/owner-browser.ts";

/** Strangers who begin forms and never end them, over real sockets. */

/** Bodies of strangers that one Worker reads at a time; docs/security.md has the number. */
const mostUnderWay = 128;

let edge: EmbeddedEdge;
const sockets: Socket[] = [];
beforeAll(async () => {
  edge = await startBareEdge();
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => edge?.close());

/** Sends the head of a request and a part of its body. Resolves with the head of the answer. */
async function sendHalf(path: string, type: string): Promise<() => Promise<string>> {
  const { port, host } = new URL(edge.origin);
  const socket = connect(Number(port), "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => undefined);
  await once(socket, "connect");
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${host}`,
    `Origin: ${edge.origin}`,
    `Content-Type: ${type}`,
    "Content-Length: 1000",
  ];
  let heard = "";
  const answered = new Promise<string>((resolve) => {
    socket.on("data", (data) => {
      heard += data.toString();
      const end = heard.indexOf("\r\n\r\n");
      if (end >= 0) resolve(heard.slice(0, end));
    });
  });
  socket.write(`${head.join("\r\n")}\r\n\r\n{`);
  return () => answered;
}

test.each([
  ["/sign-in", "application/x-www-form-urlencoded"],
  ["/token", "application/x-www-form-urlencoded"],
  ["/register", "application/json"],
  ["/api/v1/pair", "application/json"],
])("many half-sent bodies at %s give way, and the owner still signs in", async (path, type) => {
  const more = 40;
  const halves: (() => Promise<string>)[] = [];
  for (let count = 0; count < mostUnderWay + more; count += 1) halves.push(await sendHalf(path, type));
  // the oldest is answered as soon as there are too many
  const answers: string[] = [];
  for (const half of halves.slice(0, more)) answers.push(await half());
  expect(new Set(answers.map((answer) => answer.split("\r\n", 1)[0]))).toEqual(
    new Set(["HTTP/1.1 429 Too Many Requests"]),
  );
  expect(answers.every((answer) => /^retry-after: 1$/im.test(answer))).toBe(true);
  const { page } = await openPairingPage(edge.origin);
  expect(await page()).not.toContain("The owner's passphrase");
});
