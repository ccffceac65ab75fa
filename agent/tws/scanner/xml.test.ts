import { expect, test } from "vitest";
import { scannerCatalog } from "./scanner-catalog.ts";
import { readXml } from "./xml.ts";

test("reads elements with their paths, attributes and own text, in the order of the document", () => {
  const xml = `<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment with <tags> --><!DOCTYPE report>
<A x='1 > 0'><B y="a &amp; b">one
  two</B><C/><D z="&quot;&#65;&#x42;"/><E><![CDATA[<raw> & ]]>rest</E>&lt;tail&gt;</A>
`;
  expect(readXml(xml)).toEqual([
    { path: "A", attributes: { x: "1 > 0" }, text: "<tail>" },
    { path: "A/B", attributes: { y: "a & b" }, text: "one two" },
    { path: "A/D", attributes: { z: '"AB' }, text: null },
    { path: "A/E", attributes: {}, text: "<raw> & rest" },
  ]);
});

test.each([
  ["", "nothing"],
  ["words", "no element"],
  ["<a><b></a></b>", "crossed elements"],
  ["<a>", "an open element"],
  ["<a/><b/>", "two roots"],
  ["<a>1 < 2</a>", "a bare bracket"],
  ["<a/>rest", "text behind the end"],
  ['<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "entities of its own"],
  ["<a x=1/>", "bare attributes"],
])("takes %j for no document: %s", (xml) => {
  expect(readXml(xml)).toBeNull();
});

test("expands no entity but those of XML itself", () => {
  expect(readXml("<a>&nbsp;&amp;lt;&#0;</a>")).toEqual([
    { path: "a", attributes: {}, text: "&nbsp;&lt;\ufffd" },
  ]);
});

test("reads a hundred levels and refuses more", () => {
  const nested = (levels: number) => `${"<a>".repeat(levels)}x${"</a>".repeat(levels)}`;
  expect(readXml(nested(100))).toHaveLength(1);
  expect(readXml(nested(101))).toBeNull();
  const startedAt = performance.now();
  expect(readXml("<a>".repeat(700_000))).toBeNull();
  expect(scannerCatalog("<Instrument>".repeat(200_000))).toBeNull();
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});

test("tells an element that ends itself from one that is never ended", () => {
  expect(readXml("<a><b c='d'/></a>")).toEqual([{ path: "a/b", attributes: { c: "d" }, text: null }]);
  expect(readXml("<a><b/>")).toBeNull();
  expect(readXml("<a>1/")).toBeNull();
  expect(readXml("<a><b></a>")).toBeNull();
  expect(readXml("<a/")).toBeNull();
});

test("reads two megabytes in a moment, also of hostile ones", () => {
  const startedAt = performance.now();
  expect(readXml(`<a>${"<b c='d'>e</b>".repeat(150_000)}</a>`)).toHaveLength(150_000);
  expect(readXml("<a ".repeat(300_000))).toBeNull();
  expect(readXml(`<a ${"b='c' ".repeat(100_000)}`)).toBeNull();
  expect(readXml("<!--".repeat(300_000))).toBeNull();
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});
