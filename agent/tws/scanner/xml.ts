import { Parser } from "htmlparser2";

/** One element of a document: its path from the root, its attributes and its own text. */
export interface XmlElement {
  readonly path: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Null when it has none but that of its children. */
  readonly text: string | null;
}

interface XmlVisitor {
  opened(name: string, attributes: Readonly<Record<string, string>>): void;
  /** In pieces. */
  text(piece: string): void;
  closed(name: string): void;
}

/** TWS's own documents have a dozen levels; the parser's time grows with their square. */
const deepest = 100;

/**
 * Goes through a document from its root to its end; false when it is not well-formed, and then it may have stopped
 * anywhere. No entity is expanded but the five of XML itself, so a document cannot grow by being read.
 */
export function walkXml(xml: string, visitor: XmlVisitor): boolean {
  let isBroken = false;
  let roots = 0;
  let depth = 0;
  /** `<a/>`, whose end the parser makes up. */
  let isEmpty = false;
  let isRaw = false;
  const refuse = (): void => {
    isBroken = true;
    parser.pause();
  };
  const parser = new Parser(
    {
      onopentag(name, attributes) {
        if (isBroken) return;
        if (depth === 0) roots += 1;
        depth += 1;
        isEmpty = xml[parser.endIndex - 1] === "/";
        if (roots > 1 || depth > deepest) refuse();
        else visitor.opened(name, attributes);
      },
      onattribute(_name, _value, quote) {
        if (quote !== '"' && quote !== "'") refuse();
      },
      oncdatastart() {
        isRaw = true;
      },
      oncdataend() {
        isRaw = false;
      },
      ontext(piece) {
        if (isBroken) return;
        const isBareBracket = !isRaw && piece.startsWith("<") && xml[parser.startIndex] === "<";
        if (isBareBracket || (depth === 0 && piece.trim() !== "")) refuse();
        else if (depth > 0) visitor.text(piece);
      },
      onclosetag(name, isMadeUp) {
        if (isBroken) return;
        if (depth === 0 || (isMadeUp && !isEmpty)) {
          refuse();
          return;
        }
        isEmpty = false;
        depth -= 1;
        visitor.closed(name);
      },
    },
    { xmlMode: true },
  );
  parser.end(xml);
  return !isBroken && roots === 1 && depth === 0;
}

interface Open {
  readonly path: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly index: number;
  text: string;
}

/** Every element that has text or attributes, in the order of the document; null when it is not well-formed. */
export function readXml(xml: string): XmlElement[] | null {
  const found: (XmlElement | null)[] = [];
  const open: Open[] = [];
  const isWhole = walkXml(xml, {
    opened(name, attributes) {
      const parent = open.at(-1);
      const path = parent === undefined ? name : `${parent.path}/${name}`;
      open.push({ path, attributes, index: found.length, text: "" });
      found.push(null);
    },
    text(piece) {
      const element = open.at(-1);
      if (element !== undefined) element.text += piece;
    },
    closed() {
      const element = open.pop();
      if (element === undefined) return;
      const { path, attributes, index } = element;
      const text = element.text.trim().replaceAll(/\s+/g, " ");
      const hasAny = text !== "" || Object.keys(attributes).length > 0;
      found[index] = hasAny ? { path, attributes, text: text === "" ? null : text } : null;
    },
  });
  return isWhole ? found.filter((element) => element !== null) : null;
}
