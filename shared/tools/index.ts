import type { ToolDefinition } from "./define.ts";
import { accountTools } from "./account.ts";
import { analysisTools } from "./analysis.ts";
import { contractTools } from "./contracts.ts";
import { historyTools } from "./history.ts";
import { marketDataTools } from "./market-data.ts";
import { orderGroupTools } from "./order-groups.ts";
import { optionTools } from "./options.ts";
import { newsTools } from "./news.ts";
import { orderTools } from "./orders.ts";
import { scannerTools } from "./scanner.ts";
import { statusTools } from "./status.ts";
import { streamTools } from "./streams.ts";
import { wshTools } from "./wsh.ts";

/** Every tool, in the order in which clients see them. */
export const tools = {
  ...statusTools,
  ...contractTools,
  ...marketDataTools,
  ...historyTools,
  ...optionTools,
  ...accountTools,
  ...orderTools,
  ...analysisTools,
  ...orderGroupTools,
  ...newsTools,
  ...scannerTools,
  ...wshTools,
  ...streamTools,
} as const;

export type ToolName = keyof typeof tools;

export const isToolName = (name: string): name is ToolName => Object.hasOwn(tools, name);

/** Undefined for a name that is not a tool, whatever it is (`__proto__` included). */
export const findTool = (name: string): ToolDefinition | undefined =>
  isToolName(name) ? tools[name] : undefined;
