import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { ErrorBody } from "../../shared/errors.ts";

/** Longer answers than this are no refusal of ours. */
const mostBytes = 16 * 1024;

const EdgeError = z.object({ error: ErrorBody });

/** Why an edge did not open a WebSocket: in its own words if it gave any, else by the status. Never rejects. */
export async function readEdgeError(response: IncomingMessage): Promise<string> {
  const status = response.statusCode ?? 0;
  try {
    let text = "";
    response.setEncoding("utf8");
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > mostBytes) break;
    }
    const words = edgeErrorIn(text);
    return words === null ? explainStatus(status) : `${words.message} ${words.nextStep}`;
  } catch {
    return explainStatus(status);
  }
}

/** The sentence and the next step of an error that the edge answered; null for anything else. */
export function edgeErrorIn(text: string): { readonly message: string; readonly nextStep: string } | null {
  try {
    const { message, nextStep } = EdgeError.parse(JSON.parse(text)).error;
    return { message: plain(message), nextStep: plain(nextStep) };
  } catch {
    return null;
  }
}

/** It goes to a terminal. */
export const plain = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, " ").slice(0, 1_000);

export function explainStatus(status: number): string {
  switch (status) {
    case 401:
      return "The edge does not accept this agent. Pair this machine with it (tws-edge pair https://your-edge), or, where it asks for no sign-in, set the same AGENT_TOKEN on both sides.";
    case 403:
      return "The edge forbids this agent to connect. Check EDGE_URL.";
    case 404:
      return "There is no edge at this address. Check EDGE_URL.";
    case 426:
      return "The edge does not speak this agent's protocol version. Update the older of the two.";
    default:
      return status >= 300 && status < 400
        ? `The address redirects (HTTP ${status}), which an agent does not follow. Set EDGE_URL to the final address.`
        : `The edge answered HTTP ${status} instead of opening a WebSocket.`;
  }
}
