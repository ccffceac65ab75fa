import type { Faults, HandMadeOrder, StreamKind } from "./faults.ts";
import type { ListEndFault } from "./list-end-faults.ts";
import { parseOrderFaults } from "./order-faults.ts";
import { parsePermissions } from "./permissions.ts";
import { isRequestKind, requestKinds } from "./scripted-replies.ts";
import type { Reply } from "./scripted-replies.ts";

/** In lines of a terminal's width. */
function wrapped(names: readonly string[], indent: string): string {
  let text = "";
  let width = 0;
  for (const name of names) {
    if (width + name.length > 74) {
      text += `\n${indent}`;
      width = 0;
    }
    text += width === 0 ? name : ` ${name}`;
    width += name.length + 1;
  }
  return text;
}

/** For --help: what `playScenario` takes. */
export const scenariosHelp = `Scenarios, for --scene and --input:

  the connection
    drop                 cuts every connection
    restart              the daily restart: cuts everyone off, and all subscriptions are gone
    refuse on|off        stops listening, or listens again
    mute on|off          accepts and reads, but neither acts nor answers
    slow-hello <ms>      delays the answer to each hello; 0 ends it
    ghosts <ms>          keeps the ids of clients that leave taken for so long (326); 0 ends it
    rollback-ids <n>     makes nextValidId lower than it should be; 0 ends it
    announce <code> [text]
                         a system message to every client. 1100 and 2110 stop the ticks, 1101 and 1102 start them
                         again, and 1101 forgets all subscriptions to data
  answers
    permissions [<name>=<value>,…]
                         what the account may see from now on; what is left out is allowed
                           quotes=live|delayed|delayed-off|none|api|part|competing
                                        354 and 10167, 10168, 10186, 10089, 10090, 10197
                           history=allowed|none|pacing
                                        162
                           depth=no 10092, ticks=no 10189, fundamentals=no 10358, news=no 10276, calendar=no 10276
    reply <request> refuse <code> [text]
                         answers each request of a kind with an error, and nothing else
    reply <request> remark <code> [text]
                         the error first, then the usual answer
    reply <request> ignore
                         says nothing
    reply <request> answer
                         answers as usual again
    end <stream> <code> [text]
                         ends what streams: marketData marketDepth tickByTick realTimeBars historicalData. 316 is
                         for books, 10225 for bars, 10197 for quotes that another session has taken
    list-ends late <ms>|lost|in-time
                         the ends of lists come late, and what follows of the same list behind them; or never
    reset-depth          317: every book of market depth starts anew
  orders
    orders [<word>,…]    what goes wrong with orders, in the words of --order-faults
    answer-dialogs accept|decline
                         somebody answers the dialogs that hold orders
    begin-day            the lists of ended orders and fills begin anew
    correct <execId> <price>
                         the exchange corrects the price of a fill
    by-hand BUY|SELL <quantity> <symbol> [limit]
                         somebody makes an order in the window of TWS; client 0 gets an id for it
    refuse-late <orderId> [reason]
                         201 for an order that works, long after it was taken, and no status
    park <orderId> [whyHeld]
                         sets an order that works Inactive, as while shares to borrow are looked for (locate)
    wake <orderId>       lets it work again

  Without a text, TWS's usual words. <request> is one of
    ${wrapped(requestKinds, "    ")}
`;

const streams: readonly StreamKind[] = [
  "marketData",
  "marketDepth",
  "tickByTick",
  "realTimeBars",
  "historicalData",
];

function number(words: readonly string[], at: number, name: string): number {
  const value = Number(words[at]);
  if (words[at] === undefined || !Number.isFinite(value) || value < 0)
    throw new Error(`${words[0]} needs ${name}.`);
  return value;
}

function onOff([scenario, word]: readonly string[]): boolean {
  if (word !== "on" && word !== "off") throw new Error(`${scenario} needs on or off.`);
  return word === "on";
}

function handMadeOrderIn(words: readonly string[]): HandMadeOrder {
  const [, action, , symbol = ""] = words;
  if (action !== "BUY" && action !== "SELL") throw new Error("by-hand needs BUY or SELL.");
  const limit = words[4] === undefined ? {} : { limitPrice: number(words, 4, "a limit") };
  return { action, quantity: number(words, 2, "a quantity"), symbol, ...limit };
}

function requireWorking(isWorking: boolean, [, orderId]: readonly string[]): void {
  if (!isWorking) throw new Error(`No order ${orderId} works.`);
}

/** The code and TWS's words for it, from the word at `at` on. */
function error(words: readonly string[], at: number): { readonly code: number; readonly text?: string } {
  const code = number(words, at, "a code");
  const text = words.slice(at + 1).join(" ");
  return text === "" ? { code } : { code, text };
}

function replyIn(words: readonly string[]): Reply | null {
  const [, , does] = words;
  if (does === "answer") return null;
  if (does === "ignore") return { does };
  if (does === "refuse" || does === "remark") return { does, ...error(words, 3) };
  throw new Error("reply needs refuse, remark, ignore or answer.");
}

function listEndsIn(words: readonly string[]): ListEndFault {
  const [, how] = words;
  if (how === "late") return { lateMs: number(words, 2, "milliseconds") };
  if (how === "lost") return { isLost: true };
  if (how === "in-time") return {};
  throw new Error("list-ends needs late, lost or in-time.");
}

/** Does what a line says; resolves when it is done. Throws an Error that says what is wrong with the line. */
export async function playScenario(faults: Faults, line: string): Promise<void> {
  const words = line.trim().split(/\s+/);
  const [scenario, subject = ""] = words;
  switch (scenario) {
    case "drop":
      return faults.dropConnections();
    case "restart":
      return faults.restart();
    case "refuse":
      return faults.refuse(onOff(words));
    case "read-only":
      return faults.readOnly(onOff(words));
    case "mute":
      return faults.mute(onOff(words));
    case "slow-hello":
      return faults.slowHello(number(words, 1, "milliseconds"));
    case "ghosts":
      return faults.ghostClients(number(words, 1, "milliseconds"));
    case "rollback-ids":
      return faults.rollbackNextValidId(number(words, 1, "a count"));
    case "announce": {
      const { code, text } = error(words, 1);
      return faults.announce(code, text);
    }
    case "permissions":
      return faults.permissions(parsePermissions(subject));
    case "reply": {
      if (!isRequestKind(subject)) throw new Error(`reply does not know the request '${subject}'.`);
      return faults.reply(subject, replyIn(words));
    }
    case "end": {
      const kind = streams.find((name) => name === subject);
      if (kind === undefined) throw new Error(`end does not know the stream '${subject}'.`);
      const { code, text } = error(words, 2);
      return faults.endStreams(kind, code, text);
    }
    case "list-ends":
      return faults.listEnds(listEndsIn(words));
    case "reset-depth":
      return faults.resetDepth();
    case "orders":
      return faults.orders(parseOrderFaults(subject));
    case "answer-dialogs":
      if (subject !== "accept" && subject !== "decline")
        throw new Error("answer-dialogs needs accept or decline.");
      return faults.answerDialogs(subject === "accept");
    case "begin-day":
      return faults.beginDay();
    case "correct":
      if (!faults.correctExecution(subject, number(words, 2, "a price")))
        throw new Error(`There is no fill '${subject}' of today.`);
      return;
    case "by-hand":
      if (!faults.placeByHand(handMadeOrderIn(words))) throw new Error(`There is no stock '${words[3]}'.`);
      return;
    case "refuse-late":
      return requireWorking(
        faults.refuseLate(number(words, 1, "an order id"), words.slice(2).join(" ")),
        words,
      );
    case "park":
      return requireWorking(faults.park(number(words, 1, "an order id"), words[2] ?? ""), words);
    case "wake":
      return requireWorking(faults.park(number(words, 1, "an order id"), null), words);
    default:
      throw new Error(`There is no scenario '${scenario}'.`);
  }
}
