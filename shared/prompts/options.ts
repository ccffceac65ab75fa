import {
  call,
  checkAccess,
  confirm,
  definePrompt,
  ifStepsFail,
  later,
  marketRules,
  points,
  preface,
  steps,
} from "./define.ts";

export const strategies = ["covered_call", "protective_put", "collar", "iron_condor"] as const;
export type Strategy = (typeof strategies)[number];

interface Plan {
  readonly aim: string;
  /** Of the expiration, in days from now. */
  readonly days: readonly [number, number];
  readonly choose: readonly string[];
  readonly size: readonly string[];
  /** In the order of placing: at no moment is a short option uncovered. */
  readonly legs: readonly Leg[];
  readonly figures: string;
  readonly failures: readonly string[];
}

interface Leg {
  readonly action: "BUY" | "SELL";
  readonly right: "C" | "P";
  readonly what: string;
}

const perShares = "floor(shares held and not yet covered by short calls ÷ multiplier)";

const plans: Readonly<Record<Strategy, Plan>> = {
  covered_call: {
    aim: "sell calls on shares that are held, for income, giving up what lies above the strike",
    days: [25, 45],
    choose: [
      "Call: the strike nearest a delta of 0.30, above the price of now and above the average cost of the shares.",
      "The mid price must be at least 0.5 % of the share price, or it is not worth the risk: say so and stop.",
    ],
    size: [
      `Contracts = ${perShares}. With none, stop: the shares must be bought first, and that is for the user to ask.`,
      "Shares that already stand behind a short call or a working sell order do not count.",
    ],
    legs: [{ action: "SELL", right: "C", what: "call" }],
    figures:
      "premium received, most that can be gained = (strike − price now) × shares + premium, break-even = price now − premium per share, yield for the period and a year",
    failures: ["The shares must stay while the call is open: warn before any later sale of them."],
  },
  protective_put: {
    aim: "buy puts on shares that are held, so that the loss below the strike is bounded",
    days: [60, 120],
    choose: [
      "Put: the strike nearest a delta of −0.25, usually 5 to 10 % below the price of now.",
      "The cost must be at most 3 % of the value protected; otherwise take a lower strike, or show what a collar would cost.",
    ],
    size: [
      "Contracts = floor(shares held ÷ multiplier), less long puts already held. With none, stop and say so.",
    ],
    legs: [{ action: "BUY", right: "P", what: "put" }],
    figures:
      "premium paid, most that can be lost = (price now − strike) × shares + premium, break-even = price now + premium per share, cost for a year in percent",
    failures: [
      "Not filled: the shares are unprotected as before. Say so; do not chase the ask by more than a tenth of the spread without asking.",
    ],
  },
  collar: {
    aim: "buy puts and pay for them with calls sold, on shares that are held",
    days: [45, 90],
    choose: [
      "Put: the strike nearest a delta of −0.25, below the price of now.",
      "Call: above the price of now and the average cost, the strike whose bid comes nearest to what the put costs.",
      "Both of the same expiration and multiplier. The net cost should be at most 0.5 % of the share price.",
    ],
    size: [`Contracts = ${perShares}, the same number of both.`],
    legs: [
      { action: "BUY", right: "P", what: "put" },
      { action: "SELL", right: "C", what: "call" },
    ],
    figures:
      "net cost or credit, most that can be lost = (price now − put strike) × shares + net cost, most that can be gained = (call strike − price now) × shares − net cost",
    failures: [
      "The put filled but the call did not: the shares are protected and nothing is uncovered. Ask whether to lower the call's limit, wait, or keep the put alone.",
    ],
  },
  iron_condor: {
    aim: "sell a put spread and a call spread around the price, for a credit, with a bounded loss",
    days: [30, 50],
    choose: [
      "Short put: delta nearest −0.16. Short call: delta nearest 0.16. Long put and long call: the same distance further out, near 2 % of the price, on strikes that exist.",
      "Both wings equally wide. Credit = bids of the shorts − asks of the longs; it must be at least a quarter of the width, otherwise stop and say so.",
      "No earnings or dividend before expiration, as far as the calendar shows: say if you cannot know.",
    ],
    size: [
      "Largest loss per contract = (width − credit) × multiplier. Contracts = floor(0.02 × net liquidation ÷ largest loss); below 1, do not trade.",
      "The account needs permission for spreads; the preview of a short leg shows its margin as if it stood alone, until the longs are held.",
    ],
    legs: [
      { action: "BUY", right: "P", what: "long put" },
      { action: "BUY", right: "C", what: "long call" },
      { action: "SELL", right: "P", what: "short put" },
      { action: "SELL", right: "C", what: "short call" },
    ],
    figures:
      "credit, largest loss, both break-evens = short strikes ∓ credit, credit ÷ largest loss, range that keeps the whole credit",
    failures: [
      "A long leg does not fill: cancel it, place no short leg, and offer to sell the long that filled.",
      "A long is filled but its short is not: the loss is bounded by what the long cost. Ask whether to lower the short's limit, or to sell the long again.",
      "Never leave a short leg without its long: if a long is gone, buy the short back first.",
    ],
  },
};

const isStrategy = (text: string): text is Strategy => strategies.some((one) => one === text);

const legSteps = ({ legs }: Plan, symbol: string): string[] =>
  legs.flatMap(({ action, right, what }) => [
    `${call("ibkr_place_option_order", { symbol, expiration: later("expiration"), strike: later(`strike of the ${what}`), right, action, quantity: later("contracts"), orderType: "LMT", limitPrice: later("middle of bid and ask, on a tick"), account: later("account"), idempotencyKey: later("a new key of yours for each leg") })}, then ${call("ibkr_wait_for_order", { orderId: later("orderId"), until: "filled", timeoutSeconds: 45 })}. Not filled: move the limit a quarter of the spread towards the other side with ${call("ibkr_modify_order", { orderId: later("orderId"), limitPrice: later("new limit") })}, at most twice, never past what was confirmed; then cancel with ${call("ibkr_cancel_order", { orderId: later("orderId") })} and stop.`,
  ]);

function optionsText(symbol: string, strategy: Strategy): string {
  const plan = plans[strategy];
  const [least, most] = plan.days;
  return [
    preface,
    `Prepare and place the strategy ${strategy} on ${symbol}: ${plan.aim}.`,
    steps("Look", [
      checkAccess,
      `${call("ibkr_get_contract_details", { symbol })}: keep the conId of the underlying.`,
      `${call("ibkr_get_quotes", { contracts: later(`[{"conId": conId}]`) })}: price now. ${marketRules}`,
      `${call("ibkr_get_positions", { account: later("account") })}, ${call("ibkr_get_open_orders", {})}, ${call("ibkr_get_account_summary", { account: later("account") })}: shares and options of ${symbol} that are held or being ordered, average cost, net liquidation, buying power.`,
    ]),
    steps("Choose", [
      `${call("ibkr_get_option_chain_params", { underlyingConId: later("conId"), exchange: "SMART" })}: the expiration nearest the middle of ${least} to ${most} days from today; prefer a monthly one. Keep the multiplier.`,
      `${call("ibkr_get_option_chain", { conId: later("conId"), symbol, expiration: later("expiration"), strikeRange: 10, withQuotes: true })}; more strikes by minStrike and maxStrike if the deltas asked for lie outside. Use only rows with a bid, an ask and a delta, and a spread of at most 10 % of the middle (or 0.10).`,
      ...plan.choose,
    ]),
    points("Size", [
      ...plan.size,
      "An option order of this server is at most what the user confirms; when in doubt, one contract.",
    ]),
    steps("Check before", [
      ...plan.legs.map(
        ({ action, right, what }) =>
          `${call("ibkr_preview_order", { symbol, secType: "OPT", expiration: later("expiration"), strike: later(`strike of the ${what}`), right, action, quantity: later("contracts"), orderType: "LMT", limitPrice: later("middle"), account: later("account") })}: margin and commission.`,
      ),
      `Work out and show: ${plan.figures}. Commissions of all legs included.`,
      confirm,
    ]),
    steps("Place, one leg after the other", legSteps(plan, symbol)),
    steps("Check afterwards", [
      `${call("ibkr_get_executions", { symbol, account: later("account") })} and ${call("ibkr_get_positions", { account: later("account") })}: every leg with the contracts meant, real prices, the figures above again from them.`,
      `${call("ibkr_get_open_orders", {})}: nothing left working. Say when to look again: at half of the most that can be gained, at twice the premium lost, and a week before expiration.`,
    ]),
    ifStepsFail([
      ...plan.failures,
      "order_rejected for permission: the account may not trade this; stop and say so.",
    ]),
  ].join("\n\n");
}

export const optionPrompts = {
  execute_options_strategy: definePrompt({
    title: "Place an options strategy",
    description: `Chooses contracts, sizes, checks, places and verifies an options strategy: ${strategies.join(", ")}.`,
    arguments: {
      symbol: { description: "Underlying", default: "AAPL", kind: "symbol" },
      strategy_type: { description: strategies.join(", "), default: "covered_call", kind: "strategy" },
    },
    text: ({ symbol, strategy_type }) =>
      optionsText(symbol, isStrategy(strategy_type) ? strategy_type : "covered_call"),
  }),
} as const;
