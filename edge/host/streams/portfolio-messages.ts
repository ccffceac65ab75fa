import { z } from "zod";
import { portfolioChanges } from "../../../shared/portfolio.ts";
import type { DataMessage } from "./flow-control.ts";
import { createLastValueCache } from "./last-value.ts";
import type { Value } from "./topics.ts";
import { parseFields, type StreamMessages } from "./watcher-protocol.ts";

const Account = z.strictObject({ account: z.string().trim().max(50).default("") });

/** Figures and holdings, by account: each message is one row, since a whole account is long. */
export const portfolioMessages: StreamMessages = {
  stream: "portfolio",
  example: '{"action":"subscribe","account":"DU123456"}',

  subscribe(fields) {
    const { account } = parseFields(Account, fields);
    return { tool: "ibkr_start_portfolio_resource", input: { account }, name: null };
  },

  nameOf: ({ resourceId }) => resourceId,

  unsubscribe(fields) {
    const { account } = parseFields(Account, fields);
    return {
      isMeant: ({ name }) => account === "" || name.toUpperCase() === account.toUpperCase(),
      subject: { account },
    };
  },

  subject: ({ name }) => ({ account: name }),

  listing: (all) => ({ accounts: all.map(({ account }) => account) }),

  encode({ name }, value, before, nextSeq) {
    // a watcher that has just come is told everything, the others what has changed
    const messages = encodedRows(value, before === null ? `all of ${name}` : name, () =>
      rows(name, value, before, nextSeq),
    );
    return { messages, mark: null };
  },
};

const encodedRows = createLastValueCache<readonly DataMessage[]>();

function rows(account: string, value: Value, before: Value | null, nextSeq: () => number): DataMessage[] {
  if (value.kind !== "portfolio") return [];
  const changes = portfolioChanges(before?.kind === "portfolio" ? before.data : null, value.data);
  return changes.map(({ type, key, data }) => {
    const seq = nextSeq();
    const update = { type, data };
    const text = JSON.stringify({ type: "portfolio", account, timestamp: value.at, seq, update });
    return { part: key, seq, text };
  });
}
