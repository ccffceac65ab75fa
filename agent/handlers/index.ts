import type { tools } from "../../shared/tools/index.ts";
import { createAccountHandlers } from "./account.ts";
import { createConnectionHandlers } from "./connection.ts";
import { createContractHandlers } from "./contracts.ts";
import type { HandlerDeps } from "./deps.ts";
import type { HandlersFor } from "./handlers-for.ts";
import { createHistoryHandlers } from "./history.ts";
import { createMarketDataHandlers } from "./market-data.ts";
import { createOrderHandlers } from "./orders.ts";
import { createStreamHandlers } from "./streams.ts";

/** Every tool that runs beside TWS; one without a handler does not compile. */
export type Handlers = HandlersFor<typeof tools>;

export const createHandlers = (deps: HandlerDeps): Handlers => ({
  ...createConnectionHandlers(deps),
  ...createContractHandlers(deps),
  ...createMarketDataHandlers(deps),
  ...createHistoryHandlers(deps),
  ...createAccountHandlers(deps),
  ...createOrderHandlers(deps),
  ...createStreamHandlers(deps),
});
