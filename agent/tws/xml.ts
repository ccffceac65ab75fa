/** One element of a document: its path from the root, its attributes and its own text. */
export interface XmlElement {
  readonly path: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Null when it has none but that of its children. */
  readonly text: string | null;
}

interface Open {
  readonly path: string;
  readonly attributes: Record<string, string>;
  readonly index: number;
  text: string;
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decoded(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,5}));/gi, (whole, decimal, hex, name) => {
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    if (name === undefined) return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    return entities[String(name)] ?? whole;
  });
}

const tag = /<(\/?)([A-Za-z_][\w.:-]*)((?:\s+[\w.:-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>/y;
const attribute = /([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
/** What is passed over, by how it begins and ends; a doctype with a body of its own is not read. */
const asides = [
  ["<!--", "-->"],
  ["<?", "?>"],
  ["<!DOCTYPE", ">"],
] as const;
const cdata = ["<![CDATA[", "]]>"] as const;

/**
 * Every element that has text or attributes, in the order of the document; null when the text is not well-formed XML.
 * No entity is expanded but the five of XML itself, so a document cannot grow by being read.
 */
export function readXml(xml: string): XmlElement[] | null {
  const found: (XmlElement | null)[] = [];
  const open: Open[] = [];
  let at = 0;
  let roots = 0;

  const addText = (text: string): boolean => {
    const parent = open.at(-1);
    if (parent !== undefined) parent.text += text;
    return parent !== undefined || text.trim() === "";
  };
  const close = (element: Open): void => {
    const { path, attributes, index } = element;
    const text = element.text.trim().replaceAll(/\s+/g, " ");
    const hasAny = text !== "" || Object.keys(attributes).length > 0;
    found[index] = hasAny ? { path, attributes, text: text === "" ? null : text } : null;
  };

  const openTag = (name: string, attributes: string, isEmpty: boolean): boolean => {
    const parent = open.at(-1);
    if (parent === undefined && (roots += 1) > 1) return false;
    const element: Open = {
      path: parent === undefined ? name : `${parent.path}/${name}`,
      attributes: Object.fromEntries(
        [...attributes.matchAll(attribute)].map(([, key = "", double, single = ""]) => [
          key,
          decoded(double ?? single),
        ]),
      ),
      index: found.length,
      text: "",
    };
    found.push(null);
    if (isEmpty) close(element);
    else open.push(element);
    return true;
  };
  const closeTag = (name: string): boolean => {
    const element = open.pop();
    if (element?.path.split("/").at(-1) !== name) return false;
    close(element);
    return true;
  };
  /** Where what begins here ends; -1 when it is no XML. */
  const step = (from: number): number => {
    const [begin, end] = cdata;
    if (xml.startsWith(begin, from)) {
      const until = xml.indexOf(end, from);
      return until >= 0 && addText(xml.slice(from + begin.length, until)) ? until + end.length : -1;
    }
    const aside = asides.find(([start]) => xml.startsWith(start, from));
    if (aside !== undefined) {
      const until = xml.indexOf(aside[1], from);
      const isBare = aside[1] !== ">" || !xml.slice(from, until).includes("[");
      return until >= 0 && isBare ? until + aside[1].length : -1;
    }
    tag.lastIndex = from;
    const match = tag.exec(xml);
    if (match === null) return -1;
    const [whole, slash, name = "", attributes = "", empty] = match;
    const isFine = slash === "/" ? closeTag(name) : openTag(name, attributes, empty === "/");
    return isFine ? from + whole.length : -1;
  };

  for (let next = xml.indexOf("<"); next >= 0; next = xml.indexOf("<", at)) {
    if (!addText(decoded(xml.slice(at, next)))) return null;
    at = step(next);
    if (at < 0) return null;
  }
  const isWhole = open.length === 0 && roots === 1 && xml.slice(at).trim() === "";
  return isWhole ? found.filter((element) => element !== null) : null;
}
