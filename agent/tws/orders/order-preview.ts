import { EventName } from "@stoqey/ib";
import type { OrderState } from "@stoqey/ib";
import { z } from "zod";
import { TwsError } from "../../../shared/errors.ts";
import type { RequestContext, TwsNotice } from "../session/api.ts";
import { rejected, requireUpstream, writeOnce } from "./order-context.ts";
import type { OrderContext } from "./order-context.ts";
import { commissionOf, figureOf } from "../session/figures.ts";
import { noticeKind } from "../session/errors.ts";
import { toIbContract, toIbOrder } from "./order-wire.ts";
import type { OrderSpec } from "./order-wire.ts";

/** What is left of a subtraction is no money. */
const rounded = (value: number | null): number | null =>
  value === null ? null : Math.round(value * 1e4) / 1e4;
const figure = z
  .number()
  .or(z.nan())
  .or(z.literal([Infinity, -Infinity]))
  .optional();
const money = figure.transform((value) => rounded(figureOf(value)));
const fee = figure.transform((value) => rounded(commissionOf(value)));
const words = z
  .string()
  .optional()
  .transform((value) => (value === undefined || value === "" ? null : value));

const WireMargins = z.object({
  initMarginBefore: money,
  initMarginChange: money,
  initMarginAfter: money,
  maintMarginBefore: money,
  maintMarginChange: money,
  maintMarginAfter: money,
  equityWithLoanBefore: money,
  equityWithLoanChange: money,
  equityWithLoanAfter: money,
  commission: fee,
  minCommission: fee,
  maxCommission: fee,
  commissionCurrency: words,
  warningText: words,
});

interface MarginChange {
  readonly before: number | null;
  readonly change: number | null;
  readonly after: number | null;
}

/** What an order would do, in the account's base currency; null where TWS says nothing. */
export interface OrderPreview {
  readonly initMargin: MarginChange;
  readonly maintMargin: MarginChange;
  readonly equityWithLoan: MarginChange;
  readonly commission: number | null;
  readonly minCommission: number | null;
  readonly maxCommission: number | null;
  readonly commissionCurrency: string | null;
  readonly warnings: string[];
}

/**
 * Asks TWS what the order would do. TWS keeps nothing of it; the id it goes under is given to no order, so that a
 * late refusal cannot be taken for one. Throws order_rejected, timeout, cancelled and the offline errors.
 */
export async function previewOrder(
  orders: OrderContext,
  spec: OrderSpec,
  { timeoutMs, signal }: RequestContext,
): Promise<OrderPreview> {
  const { session } = orders;
  requireUpstream(session);
  const orderId = orders.ids.take();
  const warnings: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<OrderPreview>();
  const offline = () =>
    new TwsError("tws_offline", "The session with TWS ended during the preview; nothing was placed.");
  const onNotice = (notice: TwsNotice) => {
    if (notice.id !== orderId) return;
    if (noticeKind(notice) === "warning") warnings.push(notice.text);
    else reject(rejected("the order in a preview; nothing was placed", notice));
  };
  const offs = [
    session.on(EventName.openOrder, (id, _contract, order, state) => {
      // another client's order may have the same number
      if (id === orderId && order.whatIf === true) resolve(previewOf(state, warnings));
    }),
    session.onNotice(onNotice),
    session.onDisconnected(() => reject(offline())),
  ];
  const onAbort = () => reject(new TwsError("cancelled", "The preview was cancelled; nothing was placed."));
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(
    () =>
      reject(
        new TwsError("timeout", `TWS did not preview the order within ${timeoutMs} ms; nothing was placed.`),
      ),
    timeoutMs,
  );
  try {
    // what fails here fails the preview: an order that TWS only looks at can be asked about again
    await Promise.race([
      promise,
      writeOnce(orders, "account", signal, offline, (ib) => {
        ib.placeOrder(orderId, toIbContract(spec.contract), toIbOrder(spec, { whatIf: true }));
      }),
    ]);
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    for (const off of offs) off();
  }
}

function previewOf(state: OrderState, warnings: readonly string[]): OrderPreview {
  const told = WireMargins.parse(state);
  const { commission, minCommission, maxCommission, commissionCurrency, warningText } = told;
  return {
    initMargin: {
      before: told.initMarginBefore,
      change: told.initMarginChange,
      after: told.initMarginAfter,
    },
    maintMargin: {
      before: told.maintMarginBefore,
      change: told.maintMarginChange,
      after: told.maintMarginAfter,
    },
    equityWithLoan: {
      before: told.equityWithLoanBefore,
      change: told.equityWithLoanChange,
      after: told.equityWithLoanAfter,
    },
    commission,
    minCommission,
    maxCommission,
    commissionCurrency,
    warnings: warningText === null ? [...warnings] : [...warnings, warningText],
  };
}
