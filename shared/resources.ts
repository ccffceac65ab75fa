/** The resources of SPEC: what can be read and subscribed to by URI. */
export type ResourceUri = { readonly kind: "market-data"; readonly id: string } | { readonly kind: "status" };

export const statusUri = "ibkr://status";

export const marketDataUri = (id: string): string => `ibkr://market-data/${encodeURIComponent(id)}`;

/** Null for a URI that names none of our resources. */
export function parseResourceUri(uri: string): ResourceUri | null {
  if (uri === statusUri) return { kind: "status" };
  const marketData = /^ibkr:\/\/market-data\/([^/?#]{1,100})$/.exec(uri);
  if (marketData?.[1] === undefined) return null;
  try {
    return { kind: "market-data", id: decodeURIComponent(marketData[1]).toUpperCase() };
  } catch {
    return null;
  }
}

interface ResourceTemplate {
  readonly uriTemplate: string;
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly mimeType: string;
}

export const resourceTemplates: readonly ResourceTemplate[] = [
  {
    uriTemplate: "ibkr://market-data/{id}",
    name: "market-data",
    title: "Live quote",
    description:
      "The latest quote of an instrument whose stream was started with ibkr_start_market_data_resource. Subscribe for updates.",
    mimeType: "application/json",
  },
];

export const fixedResources = [
  {
    uri: statusUri,
    name: "status",
    title: "Connection health",
    description: "Health of every hop from here to the market-data farms, as ibkr_get_status gives it.",
    mimeType: "application/json",
  },
] as const;
