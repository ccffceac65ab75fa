import type { ScannerParameter, scannerSections } from "../../../shared/tools/scanner.ts";
import { lineOf } from "../news/news-text.ts";
import { walkXml } from "./xml.ts";

type Section = (typeof scannerSections)[number];

export type ScannerCatalog = Readonly<Record<Section, readonly ScannerParameter[]>>;

/** Elements that are rows of the catalog, and what of them is the code and the name. */
const rowsOf: Readonly<
  Record<string, { readonly section: Section; readonly code: string; readonly name: string }>
> = {
  Instrument: { section: "instruments", code: "type", name: "name" },
  Location: { section: "locations", code: "locationCode", name: "displayName" },
  ScanType: { section: "scanCodes", code: "scanCode", name: "displayName" },
  RangeFilter: { section: "filters", code: "id", name: "name" },
  SimpleFilter: { section: "filters", code: "id", name: "name" },
  TripleComboFilter: { section: "filters", code: "id", name: "name" },
};

interface Open {
  readonly kind: string;
  /** The depth of its own children, whose text is its fields. */
  readonly depth: number;
  readonly fields: Map<string, string>;
}

/**
 * Reads what TWS says can be scanned. The document is large and its layout grows with every version, so only the
 * rows we know are taken from it, wherever they stand. Null when it is not well-formed.
 */
export function scannerCatalog(xml: string): ScannerCatalog | null {
  const found = new Map<Section, Map<string, ScannerParameter>>();
  const open: Open[] = [];
  /** Filters by instrument, as the instruments name them. */
  const filtersOf = new Map<string, readonly string[]>();
  let depth = 0;
  let field = "";
  let text = "";

  const finish = ({ kind, fields }: Open): void => {
    const row = rowsOf[kind];
    const code = fields.get(row?.code ?? "") ?? "";
    if (row === undefined || code === "") return;
    if (kind === "Instrument") filtersOf.set(code, listOf(fields.get("filters")));
    const isLocation = kind === "Location";
    const group = isLocation
      ? open.findLast((outer) => outer.kind === kind)?.fields.get(row.code)
      : fields.get("category");
    const rows = found.get(row.section) ?? new Map<string, ScannerParameter>();
    found.set(row.section, rows);
    const name = fields.get(row.name) ?? fields.get("displayName") ?? code;
    // what stands in several lists is one thing
    rows.set(code, {
      code,
      name: name.slice(0, 120),
      instruments: listOf(fields.get("instruments")),
      group: group ?? null,
    });
  };

  const isWhole = walkXml(xml, {
    opened(name) {
      depth += 1;
      field = name;
      text = "";
      if (Object.hasOwn(rowsOf, name)) open.push({ kind: name, depth: depth + 1, fields: new Map() });
    },
    text(piece) {
      text += piece;
    },
    closed(name) {
      const row = open.at(-1);
      if (row?.kind === name && row.depth === depth + 1) {
        open.pop();
        finish(row);
      } else if (row?.depth === depth && field === name && !row.fields.has(name)) {
        row.fields.set(name, lineOf(text, fieldCharacters));
      } else if (row !== undefined && field === name && name === "displayName" && !row.fields.has("name")) {
        // a filter's name stands with its first value
        row.fields.set("name", lineOf(text, fieldCharacters));
      }
      field = "";
      text = "";
      depth -= 1;
    },
  });
  if (!isWhole) return null;

  const filterInstruments = new Map<string, string[]>();
  for (const [instrument, filters] of filtersOf)
    for (const filter of filters)
      filterInstruments.set(filter, [...(filterInstruments.get(filter) ?? []), instrument]);
  const rows = (section: Section): ScannerParameter[] => [...(found.get(section)?.values() ?? [])];
  return {
    instruments: rows("instruments"),
    locations: rows("locations"),
    scanCodes: rows("scanCodes"),
    filters: rows("filters").map((row) => ({ ...row, instruments: filterInstruments.get(row.code) ?? [] })),
  };
}

/** An instrument names some two hundred filters in one field. */
const fieldCharacters = 20_000;

const listOf = (text: string | undefined): string[] =>
  (text ?? "")
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
