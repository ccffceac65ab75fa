import {
  call,
  checkAccess,
  confirm,
  definePrompt,
  ifStepsFail,
  later,
  marketRules,
  preface,
  steps,
} from "./define.ts";

/** 0 is the caller's way to leave a price to the procedure. */
const isGiven = (price: string): boolean => Number(price) > 0;

const price = (name: string, given: string, derived: string): string =>
  `${name}: ${isGiven(given) ? `${given}, as given` : derived}`;

export const orderPrompts = {
  execute_bracket_order: definePrompt({
    title: "Place a bracket order",
    description: "An entry with take profit and stop loss, sized by risk, checked before and followed after.",
    arguments: {
      symbol: { description: "Symbol to trade", default: "AAPL", kind: "symbol" },
      entry_price: { description: "Limit of the entry; 0: derive it", default: "0", kind: "price" },
      take_profit: { description: "Limit of the profit exit; 0: derive it", default: "0", kind: "price" },
      stop_loss: { description: "Stop of the loss exit; 0: derive it", default: "0", kind: "price" },
    },
    text: ({ symbol, entry_price, take_profit, stop_loss }) =>
      [
        preface,
        `Prepare and place a bracket order for ${symbol}. It buys, unless the user says short or the prices given say so (take profit below entry, stop above it).`,
        steps("Look", [
          checkAccess,
          `${call("ibkr_get_contract_details", { symbol })}: keep conId and minTick; the market must be open, or the user must want the order to wait.`,
          `${call("ibkr_get_quotes", { contracts: later(`[{"conId": conId}]`) })}. ${marketRules}`,
          `${call("ibkr_get_account_summary", { account: later("account") })}, ${call("ibkr_get_positions", { account: later("account") })}, ${call("ibkr_get_open_orders", {})}: net liquidation, buying power, what is held and working in ${symbol}. If there is an order on the same side already, ask first.`,
          `${call("ibkr_get_historical_data", { conId: later("conId"), duration: "1 M", barSize: "1 day" })}: ATR = mean of the last 14 true ranges, where the true range is the largest of high − low, |high − previous close| and |low − previous close|.`,
        ]),
        steps("Prices (round each to minTick)", [
          price(
            "Entry",
            entry_price,
            "the ask for a purchase, the bid for a short sale, at the time of placing",
          ),
          price("Stop loss", stop_loss, "entry − 2 × ATR (short: entry + 2 × ATR)"),
          price(
            "Take profit",
            take_profit,
            "entry + 2 × |entry − stop loss| (short: entry − 2 × the same), a reward of twice the risk",
          ),
          "They must stand in order: stop loss < entry < take profit (short: the reverse). If given prices do not, stop and ask. Stop and ask as well if the entry given is more than 5 % from the market, or reward ÷ risk is below 1.",
        ]),
        steps("Size", [
          "Risk at most 1 % of net liquidation: quantity = floor(0.01 × net liquidation ÷ |entry − stop loss|), in the currency of the account.",
          "At most 20 % of net liquidation in this symbol, what is held included, and at most half of the buying power. Take the smallest; below 1, do not trade and say why.",
          `${call("ibkr_preview_order", { conId: later("conId"), action: later("BUY or SELL"), quantity: later("quantity"), orderType: "LMT", limitPrice: later("entry"), account: later("account") })}: margin after and commission. Halve the quantity if equity with loan after would not cover initial margin after by a fifth; stop at a grave warning.`,
          confirm,
        ]),
        steps("Place and follow", [
          `${call("ibkr_place_bracket_order", { conId: later("conId"), action: later("BUY or SELL"), quantity: later("quantity"), entryPrice: later("entry"), takeProfitPrice: later("take profit"), stopLossPrice: later("stop loss"), account: later("account"), idempotencyKey: later("a new key of yours") })}: keep the three order ids.`,
          `${call("ibkr_wait_for_order", { orderId: later("parentOrderId"), until: "filled", timeoutSeconds: 30 })}. Not filled after two minutes: ask whether to wait, to change it with ${call("ibkr_modify_order", { orderId: later("parentOrderId"), limitPrice: later("new limit") })}, or to cancel.`,
          `${call("ibkr_get_open_orders", {})}: once the entry is filled, take profit and stop loss must both be working for the whole quantity.`,
          `${call("ibkr_get_executions", { symbol })} and ${call("ibkr_get_positions", { account: later("account") })}: price paid, commission, position. Report entry, exits, money at risk and reward ÷ risk.`,
        ]),
        ifStepsFail([
          `Filled but an exit is missing: the position is unprotected. Say so at once and place the missing exit after a yes: ${call("ibkr_place_order", { conId: later("conId"), action: later("the other side"), quantity: later("filled quantity"), orderType: "STP", auxPrice: later("stop loss"), tif: "GTC", account: later("account") })}; if that fails too, offer to close the position.`,
          `order_rejected: show TWS's reason; correct tick or size and ask again. To withdraw: ${call("ibkr_cancel_order", { orderId: later("parentOrderId") })} takes the exits along.`,
        ]),
      ].join("\n\n"),
  }),
} as const;
