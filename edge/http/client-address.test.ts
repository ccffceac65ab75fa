import { expect, test } from "vitest";
import { addressOf } from "./client-address.ts";

const publicUrl = "https://tws.example";

test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8:1:2::6", "2001:db8:1:2"],
  ["2001:db8::a:b:c:d", "2001:db8:0:0"],
  ["2001:db8::1", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
  ["::ffff:203.0.113.7", "::ffff:203.0.113.7"],
])("whoever comes from %s counts as %s", (address, network) => {
  const request = new Request(publicUrl, { headers: { "CF-Connecting-IP": address } });
  expect(addressOf(request, publicUrl)).toBe(network);
});
