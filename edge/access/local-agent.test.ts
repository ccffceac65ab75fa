import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { subprotocol } from "../../shared/protocol.ts";
import worker from "../worker.ts";

/** The agent in one process with its edge: `npm start` with sign-in gives both a token of that run. */

const token = "a-token-of-one-run-of-the-edge";

async function dial(headers: Record<string, string>, variables: Partial<Cloudflare.Env> = {}) {
  const request = new Request<unknown, IncomingRequestCfProperties>("https://tws.example/api/v1/agent", {
    headers: { Upgrade: "websocket", "Sec-WebSocket-Protocol": subprotocol, ...headers },
  });
  const response = await worker.fetch(request, { ...env, ...variables }, createExecutionContext());
  response.webSocket?.accept();
  response.webSocket?.close();
  return response.status;
}

test("the agent of the same process is let in by the token of this run", async () => {
  const variables = { LOCAL_AGENT_TOKEN: token };
  expect(await dial({ Authorization: `Bearer ${token}` }, variables)).toBe(101);
  expect(await dial({ Authorization: `Bearer ${token}-` }, variables)).toBe(401);
  expect(await dial({}, variables)).toBe(401);
});

test("that token lets in nobody from elsewhere, as on a deployed edge everybody is", async () => {
  const headers = { Authorization: `Bearer ${token}`, "CF-Connecting-IP": "203.0.113.7" };
  expect(await dial(headers, { LOCAL_AGENT_TOKEN: token })).toBe(401);
});

test.each([
  ["without such a token", {}],
  ["with one that is too short to be one of ours", { LOCAL_AGENT_TOKEN: "short" }],
])("an edge %s takes keys only", async (_, variables) => {
  expect(await dial({ Authorization: `Bearer ${token}` }, variables)).toBe(401);
  expect(await dial({ Authorization: "Bearer short" }, variables)).toBe(401);
});
