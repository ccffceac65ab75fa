import { z } from "zod";
import { portfolioChanges } from "../../shared/portfolio.ts";
import { parseFields, type StreamWords } from "./watcher-messages.ts";

const Account = z.object({ account: z.string().trim().max(50).default("") });

/** Figures and holdings, by account: each message is one row, since a whole account is long. */
export const portfolioWords: StreamWords = {
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

  tell({ name: account }, value, before, nextSeq) {
    if (value.kind !== "portfolio") return { messages: [], mark: null };
    const changes = portfolioChanges(before?.kind === "portfolio" ? before.data : null, value.data);
    const messages = changes.map(({ type, key, data }) => {
      const seq = nextSeq();
      const update = { type, data };
      const text = JSON.stringify({ type: "portfolio", account, timestamp: value.at, seq, update });
      return { part: key, seq, text };
    });
    return { messages, mark: null };
  },
};
