import { modeOf } from "../../shared/status.ts";
import { type Failure, jsonOf, plain } from "./output.ts";
import type { OpenJournal } from "./open-journal.ts";
import { createJournal, type Intent } from "../journal/journal.ts";

export const ordersHelp = `tws-edge orders unknown: orders of which it is not known whether TWS has them.

  tws-edge orders unknown
  tws-edge orders unknown --json     the same as a JSON array

For each it says what is being done, and where to look in TWS.
`;

export const ordersOptions = { json: { type: "boolean" } } as const;

/** Intents that may have reached TWS, and that TWS has not answered for. */
export function listUnknown(
  { file, path, isTaken, now, out, note }: OpenJournal,
  { json }: { readonly json?: boolean },
): Failure {
  const intents = createJournal(file, now)
    .unfinished()
    .filter(({ state }) => state === "sending" || state === "unknown");
  if (json === true) {
    out(jsonOf(intents, 2));
    return null;
  }
  if (intents.length === 0) {
    note(`Of every order it is known what became of it (journal: ${path}).`);
    return null;
  }
  for (const intent of intents) linesOf(intent).forEach(out);
  out("");
  out(
    isTaken
      ? "The agent that runs looks for them among the open orders, completed orders and executions of TWS."
      : "No agent runs with this journal. When it starts, it looks for them at TWS before it takes any new order.",
  );
  out(
    "Do not place them again meanwhile. To look yourself: show the column Order Ref in TWS's lists of orders and",
  );
  out(
    "trades, and find the reference there. An order that you do not want is cancelled in TWS like any other.",
  );
  return null;
}

function linesOf({
  intentId,
  kind,
  tool,
  account,
  client,
  grantId,
  sentAt,
  legs,
  outcome,
}: Intent): string[] {
  const sent = sentAt === null ? "not known when" : new Date(sentAt).toISOString();
  return [
    `${intentId}  ${kind} by ${plain(tool)}  ${modeOf(account).toUpperCase()} account ${plain(account)}  sent ${sent}`,
    `  For ${plain(client)} (grant ${plain(grantId)})`,
    ...legs.map(
      ({ leg, orderId, clientId, orderRef }) =>
        `  ${plain(leg)}: order ${orderId} of client ${clientId}, reference ${plain(orderRef)}`,
    ),
    ...(outcome === null ? [] : [`  ${plain(outcome.message)}`]),
  ];
}
