import { eventStream } from "../http/event-stream.ts";
import { rpcCodes, rpcError } from "./message.ts";
import type { Exchange } from "./exchange.ts";
import { admitStream } from "./session-bounds.ts";
import { sessionOf } from "./session-store.ts";
import { openWatch } from "./resource-watch.ts";
import type { Session } from "../session/session-id.ts";
import { SessionFrame } from "../rpc/session.ts";

interface SessionExchange extends Exchange {
  readonly session: Session;
}

/**
 * The stream that a 2025-era client opens by GET, for the updates of what its session subscribes to. It ends here, in
 * the Worker: the session's object and the host's object sleep at the other ends of their WebSockets.
 */
export async function openSessionStream(exchange: SessionExchange): Promise<Response> {
  const { env, caller, session, request, canStream } = exchange;
  if (!canStream) return rpcError(406, rpcCodes.transport, "Accept must include text/event-stream.");
  const ended = admitStream(caller);
  const answer = await sessionOf(env, session)
    .fetch("https://session/stream", { headers: { Upgrade: "websocket" } })
    .catch((error: unknown) => {
      ended();
      throw error;
    });
  const socket = answer.webSocket;
  if (socket === null) ended();
  if (socket === null) throw new Error(`The session answered HTTP ${answer.status} in place of a WebSocket`);

  const stream = eventStream(() => {
    ended();
    watch.close();
    socket.close(1000);
  });
  const notifyUpdated = (uri: string) =>
    stream.send({ jsonrpc: "2.0", method: "notifications/resources/updated", params: { uri } });
  const watch = openWatch({ env, caller, onUpdated: notifyUpdated, onEnded: () => stream.end() });
  socket.addEventListener("message", ({ data }) => {
    watch.follow(SessionFrame.parse(JSON.parse(String(data))).uris);
  });
  // one that breaks may say error and nothing else
  socket.addEventListener("close", stream.end);
  socket.addEventListener("error", stream.end);
  request.signal.addEventListener("abort", stream.end, { once: true });
  socket.accept();
  return new Response(stream.readable, {
    headers: {
      "Content-Type": "text/event-stream",
      "Cache-Control": "no-cache, no-transform",
      "X-Accel-Buffering": "no",
    },
  });
}
