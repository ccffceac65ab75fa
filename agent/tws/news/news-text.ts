import { Parser } from "htmlparser2";

const headlineCharacters = 500;

/** Control and format characters have no place in a text and can hide things in it. */
const clean = (text: string): string => text.replaceAll(/(?![\t\n])[\p{Cc}\p{Cf}]/gu, "");

/** One line of outside text, capped. */
export function lineOf(text: string, characters: number): string {
  return clean(text.replaceAll(/\s/g, " ")).replaceAll(/ +/g, " ").trim().slice(0, characters);
}

/** A headline without the providers' own marks ahead of it ("{A:800015:L:en}!"). */
export function headlineOf(text: string): string {
  return lineOf(text.replace(/^\{[^}]{0,200}\}!?/, ""), headlineCharacters);
}

const dropped = new Set(["script", "style", "head", "title", "noscript", "template", "iframe", "svg"]);
const blocks = new Set(
  "p div br h1 h2 h3 h4 h5 h6 li ul ol table tr pre blockquote section article header footer hr".split(" "),
);

/** The words of an HTML page, without its markup, scripts and styles; blocks are lines, table cells are parted by tabs. */
export function plainText(html: string): string {
  let text = "";
  let hidden = 0;
  // what comes without markup has its lines already
  const spaces = /<[a-z!/]/i.test(html) ? /[ \t\r\n\f]+/g : /[ \t\r\f]+/g;
  const parser = new Parser({
    onopentagname(name) {
      if (dropped.has(name)) hidden += 1;
      if (blocks.has(name)) text += name === "p" ? "\n\n" : "\n";
      if (name === "li") text += "- ";
    },
    ontext(data) {
      if (hidden === 0) text += data.replaceAll(spaces, " ");
    },
    onclosetag(name) {
      if (dropped.has(name)) hidden -= 1;
      if (name === "td" || name === "th") text += "\t";
      else if (blocks.has(name) && name !== "br") text += "\n";
    },
  });
  parser.end(html);
  return clean(text)
    .split("\n")
    .map((line) => line.trim())
    .join("\n")
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
}
