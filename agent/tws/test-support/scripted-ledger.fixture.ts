import type { Execution, LedgerEvent, Order, OrderRequest } from "../../simulator/model/ledger.ts";
import type { World } from "../../simulator/model/world.ts";
import { createWorld } from "../../simulator/world.ts";

type Tell = (event: LedgerEvent) => void;

interface Script {
  /** Instead of what the simulator would do with the order; `proceed` does that after all. */
  readonly onPlace?: (request: OrderRequest, tell: Tell, proceed: () => void) => void;
  readonly onCancel?: (orderId: number, tell: Tell, proceed: () => void) => void;
  readonly nextValidId?: () => number;
  /** What TWS lists as working, beside what really is; called each time it is asked. */
  readonly openOrders?: () => readonly Order[];
  /** What TWS lists as executed, beside what it really is. */
  readonly executions?: () => readonly Execution[];
}

/** For tests: a simulated world whose TWS answers orders as the script says, in that order. */
export function scriptedWorld(script: Script): World {
  const world = createWorld({ seed: 1, now: Date.now });
  const { ledger } = world;
  const listeners = new Set<Tell>();
  const tell: Tell = (event) => {
    for (const listener of listeners) listener(event);
  };
  return {
    ...world,
    ledger: {
      ...ledger,
      nextValidId: (clientId) => script.nextValidId?.() ?? ledger.nextValidId(clientId),
      place(request) {
        const proceed = () => ledger.place(request);
        if (script.onPlace === undefined) proceed();
        else script.onPlace(request, tell, proceed);
      },
      cancel(clientId, orderId) {
        const proceed = () => ledger.cancel(clientId, orderId);
        if (script.onCancel === undefined) proceed();
        else script.onCancel(orderId, tell, proceed);
      },
      openOrders: () => [...ledger.openOrders(), ...(script.openOrders?.() ?? [])],
      executions: () => [...ledger.executions(), ...(script.executions?.() ?? [])],
      listen(listener) {
        listeners.add(listener);
        const off = ledger.listen(listener);
        return () => {
          listeners.delete(listener);
          off();
        };
      },
    },
  };
}

/** The order as TWS shows it. */
export const shown = (
  request: OrderRequest,
  status: Order["status"],
  change: Partial<Order> = {},
): Order => ({
  request,
  permId: 5_000 + request.orderId,
  status,
  filled: 0,
  remaining: request.quantity,
  avgFillPrice: 0,
  lastFillPrice: 0,
  whyHeld: "",
  commission: null,
  warningText: "",
  completedAt: null,
  completedStatus: "",
  ...change,
});

/** A fill of the order; `version` 2 corrects 1. */
export const fill = (order: Order, shares: number, price: number, version = 1): Execution => ({
  execId: `0000e0d5.6a3f2b1c.01.0${version}`,
  at: Date.now(),
  order,
  exchange: "ISLAND",
  side: order.request.action === "BUY" ? "BOT" : "SLD",
  shares,
  price,
  cumQty: shares,
  avgPrice: price,
  commission: 1,
  commissionCurrency: "USD",
  realizedPnl: null,
});

export const refusal = (request: OrderRequest, code: number, text: string): LedgerEvent => ({
  type: "error",
  clientId: request.clientId,
  orderId: request.orderId,
  code,
  text,
});
