import type { World } from "../model/world.ts";
import type { HandMadeOrder } from "./faults.ts";

/** Makes an order as somebody does in the window of TWS. False for a symbol of no stock. */
export function placeByHand({ universe, ledger }: World, order: HandMadeOrder): boolean {
  const { action, quantity, symbol, limitPrice = null } = order;
  const instrument = universe.listed.find((one) => one.symbol === symbol && one.secType === "STK");
  if (instrument === undefined) return false;
  ledger.placeByHand({
    instrument,
    routing: "SMART",
    action,
    quantity,
    orderType: limitPrice === null ? "MKT" : "LMT",
    limitPrice,
    auxPrice: null,
    tif: "DAY",
    outsideRth: false,
    account: ledger.accounts[0] ?? "",
    transmit: true,
    parentId: 0,
    ocaGroup: "",
    ocaType: 0,
    orderRef: "",
    whatIf: false,
    echo: {},
  });
  return true;
}
