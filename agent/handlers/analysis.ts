import type { analysisTools } from "../../shared/tools/analysis.ts";
import type { HandlerDeps } from "./handler-deps.ts";
import type { HandlersFor } from "./handlers-for.ts";
import { createRebalancePlanner } from "./rebalance.ts";
import { createRiskAssessor } from "./risk.ts";

export const createAnalysisHandlers = (
  deps: Pick<HandlerDeps, "session" | "orderBook" | "quotes" | "limits" | "now">,
) =>
  ({
    ibkr_plan_rebalance: createRebalancePlanner(deps),
    ibkr_assess_risk: createRiskAssessor(deps),
  }) satisfies HandlersFor<typeof analysisTools>;
