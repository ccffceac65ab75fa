import { parseTopic } from "../../../shared/events.ts";
import { createLastValueCache } from "./last-value.ts";
import type { Value } from "./topics.ts";
import { parseSelector, type StreamMessages, wrong } from "./watcher-protocol.ts";

/** Quotes, by instrument. */
export const marketDataMessages: StreamMessages = {
  stream: "market_data",
  example: '{"action":"subscribe","symbol":"AAPL"}',

  subscribe(fields) {
    const selector = parseSelector(fields);
    if (selector.symbol === undefined && selector.conId === undefined) {
      throw wrong("Name the instrument by symbol or by conId.");
    }
    return {
      tool: "ibkr_start_market_data_resource",
      input: selector,
      name: selector.symbol?.toUpperCase() ?? null,
    };
  },

  // the symbol of a bond is that of its issuer's stock
  nameOf: ({ contract, resourceId }) =>
    contract?.secType === "BOND" ? resourceId : (contract?.symbol ?? resourceId),

  unsubscribe(fields) {
    const selector = parseSelector(fields);
    const symbol = selector.symbol?.toUpperCase();
    const { conId } = selector;
    if (symbol === undefined && conId === undefined) {
      throw wrong("Name the instrument by symbol or by conId.");
    }
    return {
      isMeant: ({ topic, name }) => (conId === undefined ? name === symbol : conIdOf(topic) === conId),
      subject: { symbol: symbol ?? String(conId) },
    };
  },

  subject: ({ topic, name }) => ({ symbol: name, conId: conIdOf(topic) }),

  listing: (all) => ({ symbols: all.map(({ symbol }) => symbol) }),

  encode({ topic, name }, value) {
    if (value.kind !== "quote") return { messages: [], mark: null };
    return { messages: [{ part: "", seq: value.seq, text: textOf(name, topic, value) }], mark: null };
  },
};

const texts = createLastValueCache<string>();

/** Built once for each value and name of the instrument, however many watch it. */
const textOf = (symbol: string, topic: string, value: Value): string =>
  texts(value, symbol, () => {
    const { seq, at, data } = value;
    return JSON.stringify({ type: "market_data", symbol, conId: conIdOf(topic), timestamp: at, seq, data });
  });

/** Of a topic about one instrument. */
export function conIdOf(name: string): number | null {
  const topic = parseTopic(name);
  return topic?.kind === "quote" || topic?.kind === "tick-news" ? topic.conId : null;
}
