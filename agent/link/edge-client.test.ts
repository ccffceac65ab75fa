import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { PairAnswer } from "../../shared/machine-key.ts";
import { createEdgeClient } from "./edge-client.ts";
import { loadOrCreateKey } from "./machine-key.ts";

const after: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of after.splice(0)) await end();
});

/** Asks an edge that answers like this. */
async function ask<T>(answer: RequestListener, schema: z.ZodType<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "tws-edge-client-"));
  after.push(() => rm(folder, { recursive: true }));
  const server = createServer(answer).listen(0, "127.0.0.1");
  after.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  await once(server, "listening");
  const { port } = z.object({ port: z.int() }).parse(server.address());
  const key = await loadOrCreateKey(join(folder, "key.json"));
  const edge = createEdgeClient(`http://127.0.0.1:${port}`, key);
  return await edge.ask({ method: "POST", path: "/api/v1/pair", purpose: "pair", body: {} }, schema);
}

test("what an edge answers cannot write over the words of the key on the terminal", async () => {
  const answer = await ask((_, response) => {
    response.end(
      JSON.stringify({
        state: "waiting",
        code: "ABCD-EFGH\u001b[5A",
        pairUrl: "https://edge.example/pair\u009b2K\u202e",
        expiresAt: "2026-01-01T00:00:00.000Z",
        pollSecret: "secret",
      }),
    );
  }, PairAnswer);
  expect(answer).toMatchObject({ code: "ABCD-EFGH [5A", pairUrl: "https://edge.example/pair 2K " });
});

test("an answer without end is read no further than one of ours can be", async () => {
  let sent = 0;
  const asked = ask((_, response) => {
    const chunk = "x".repeat(65_536);
    const more = (): void => {
      while (!response.destroyed && sent < 64 * 1024 * 1024) {
        sent += chunk.length;
        if (!response.write(chunk)) return void response.once("drain", more);
      }
      response.end();
    };
    more();
  }, PairAnswer);
  await expect(asked).rejects.toThrow("is no edge that this release knows");
  expect(sent).toBeLessThan(16 * 1024 * 1024);
});
