import { limitNames } from "./limits.ts";
import type { Bounds, Finding } from "./limits.ts";
import type { Usage } from "../journal/usage.ts";
import type { Assessment } from "./proposed-order.ts";
import { amountText, isAbove } from "./amounts.ts";

type Asked = Pick<Assessment, "orders" | "messages" | "value" | "currency">;

const minuteMs = 60_000;

/** How orders stand to the limits that they share with others: of the day, the minute and the account. */
export function sharedFindings(
  bounds: Bounds,
  asked: Asked,
  usage: Usage,
  /** Orders of the account that work now; called only when there is a limit to them. */
  openOrders: () => number,
): Finding[] {
  return [
    ...dayFindings(bounds, asked, usage),
    ...minuteFindings(bounds, asked, usage),
    ...openFindings(bounds, asked, openOrders),
  ];
}

function dayFindings({ dayValue }: Bounds, { value, currency }: Asked, usage: Usage): Finding[] {
  if (dayValue === null) return [];
  if (value === null) throw new Error("Orders were not valued, and the value of the day is limited.");
  const total = usage.value + value;
  const words = (amount: number): string => `${amountText(amount)} ${currency}`;
  return [
    {
      name: limitNames.dayValue,
      limit: words(dayValue),
      asked: words(total),
      // what adds nothing is no burden, even where the limit has been lowered meanwhile
      ok: value === 0 || !isAbove(total, dayValue),
      sentence: `Orders may come to ${words(dayValue)} a day: today's come to ${words(usage.value)}, and this would add ${words(value)}.`,
    },
  ];
}

function minuteFindings({ ordersPerMinute }: Bounds, { messages }: Asked, usage: Usage): Finding[] {
  const total = usage.ordersInMinute + messages;
  return [
    {
      name: limitNames.ordersPerMinute,
      limit: String(ordersPerMinute),
      asked: String(total),
      ok: total <= ordersPerMinute,
      sentence: `${ordersPerMinute} orders may be placed or changed in a minute, and this would make ${total}.`,
      // more than a whole minute's worth never fits
      ...(messages <= ordersPerMinute && { retryAfterMs: minuteMs }),
    },
  ];
}

function openFindings({ openOrders }: Bounds, { orders }: Asked, count: () => number): Finding[] {
  if (openOrders === null) return [];
  const total = count() + orders;
  return [
    {
      name: limitNames.openOrders,
      limit: String(openOrders),
      asked: String(total),
      ok: orders === 0 || total <= openOrders,
      sentence: `${openOrders} orders may work at once in an account, and this would make ${total}.`,
    },
  ];
}
