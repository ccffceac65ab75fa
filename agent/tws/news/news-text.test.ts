import { expect, test } from "vitest";
import { headlineOf, plainText } from "./news-text.ts";
import { scannerCatalog } from "../scanner/scanner-catalog.ts";
import { eventsIn, eventTypesIn } from "./wsh-json.ts";

test("an article keeps its words and lines and loses its markup, scripts and styles", () => {
  const html = `<html><head><title>t</title><style>p{}</style></head><body><h1>Up &amp; away</h1>
    <p>One <b>bold</b>
    word.<br>Next&nbsp;line.</p><ul><li>a</li><li>b</li></ul><script>alert("<p>no</p>")</script>
    <table><tr><td>x</td><td>1</td></tr></table><!-- hidden --></body></html>`;
  expect(plainText(html)).toBe("Up & away\n\nOne bold word.\nNext\u00A0line.\n\n- a\n\n- b\n\nx\t1");
});

test("an article without markup keeps its lines, and one with broken markup its words", () => {
  expect(plainText("First.\nSecond & third.\n\n\n\nLast.")).toBe("First.\nSecond & third.\n\nLast.");
  expect(plainText("<p>open <b>never closed <p>again")).toContain("never closed");
});

test("outside text carries no control characters, and headlines are one short line", () => {
  expect(headlineOf("{A:800015:L:en:K:n/a:C:0.98}!Apple\u202E \n\u0007 rises")).toBe("Apple rises");
  expect(headlineOf("x".repeat(900))).toHaveLength(500);
  expect(plainText("a\u001B[31mb\u200B")).toBe("a[31mb");
});

test("scanner parameters are found wherever they stand, and those without a code are passed over", () => {
  const whole = `<ScanParameterResponse><New><ScanTypeList><ScanType><scanCode>A</scanCode>
     <displayName>A &amp; B</displayName><instruments>STK, FUT.US</instruments>
     <Column><displayName>inner</displayName></Column></ScanType>
     <ScanType><displayName>no code</displayName></ScanType></ScanTypeList></New></ScanParameterResponse>`;
  expect(scannerCatalog(whole)).toEqual({
    scanCodes: [{ code: "A", name: "A & B", instruments: ["STK", "FUT.US"], group: null }],
    instruments: [],
    locations: [],
    filters: [],
  });
  // part of a list would pass for all of it
  expect(scannerCatalog(whole.slice(0, -30))).toBeNull();
});

test("event types and events are read from each layout TWS has had, and nothing else is made of them", () => {
  const types = [{ tag: "wshe_ed", name: "Earnings Date" }];
  const read = [{ tag: "wshe_ed", name: "Earnings Date", fields: [] }];
  expect(eventTypesIn(JSON.stringify({ meta_data: { event_types: types } }))).toEqual(read);
  expect(eventTypesIn(JSON.stringify({ event_types: types }))).toEqual(read);
  for (const bad of ["", "{", "[]", '{"meta_data":1}'])
    expect(() => eventTypesIn(bad)).toThrow(expect.objectContaining({ code: "tws_error" }));
  expect(eventsIn("", new Map())).toEqual([]);
  expect(() => eventsIn("{}", new Map())).toThrow(expect.objectContaining({ code: "tws_error" }));
  const data = { note: `a\u0007${"b".repeat(900)}`, deep: { x: [1] }, amount: 0.26, none: null };
  const [event] = eventsIn(
    JSON.stringify([{ event_type: "wshe_ed", index_date: "20270128", data }]),
    new Map(),
  );
  expect(event).toEqual({
    eventType: "wshe_ed",
    name: null,
    date: "2027-01-28",
    data: { note: `a${"b".repeat(299)}`, deep: '{"x":[1]}', amount: 0.26, none: null },
  });
});
