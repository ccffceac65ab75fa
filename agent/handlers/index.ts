import type { tools } from "../../shared/tools/index.ts";
import { createAccountHandlers } from "./account.ts";
import { createAnalysisHandlers } from "./analysis.ts";
import { createConnectionHandlers } from "./connection.ts";
import { createContractHandlers } from "./contracts.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";
import { createHistoryHandlers } from "./history.ts";
import { createMarketDataHandlers } from "./market-data.ts";
import { createOptionHandlers } from "./options.ts";
import { createOrderGroupHandlers } from "./order-groups.ts";
import { createNewsHandlers } from "./news.ts";
import { createOrderHandlers } from "./orders.ts";
import { createScannerHandlers } from "./scanner.ts";
import { createStreamHandlers } from "./streams.ts";
import { createWshHandlers } from "./wsh.ts";

/** Every tool that runs beside TWS; one without a handler does not compile. */
export type Handlers = HandlersFor<typeof tools>;

export const createHandlers = (deps: HandlerDeps): Handlers => ({
  ...createConnectionHandlers(deps),
  ...createContractHandlers(deps),
  ...createMarketDataHandlers(deps),
  ...createHistoryHandlers(deps),
  ...createOptionHandlers(deps),
  ...createAccountHandlers(deps),
  ...createOrderHandlers(deps),
  ...createOrderGroupHandlers(deps),
  ...createAnalysisHandlers(deps),
  ...createNewsHandlers(deps),
  ...createScannerHandlers(deps),
  ...createWshHandlers(deps),
  ...createStreamHandlers(deps),
});
