import { expect, test } from "vitest";
import { getPublic, isPublicAddress, lookupPublic, type Network } from "./public-fetch.ts";

test.each([
  "127.0.0.1",
  "10.1.2.3",
  "100.64.0.1",
  "169.254.169.254",
  "172.31.0.1",
  "192.168.1.1",
  "0.0.0.0",
  "255.255.255.255",
  "::1",
  "::",
  "fe80::1",
  "fd00::1",
  "::ffff:127.0.0.1",
  "64:ff9b::7f00:1",
  "2002:7f00:1::",
])("%s is not public", (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each(["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700:4700::1111"])("%s is public", (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

type Resolve = Network["resolve"];

/** A name server that knows one name. */
const named =
  (...addresses: string[]): Resolve =>
  (_hostname, _options, callback) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );

const lookedUp = (resolve: Resolve) =>
  new Promise((done) => {
    lookupPublic({ resolve, gateway: null })("client.example", { all: false }, (error, address) =>
      done(error?.message ?? address),
    );
  });

test("a name is used only if every address that it stands for is public", async () => {
  expect(await lookedUp(named("8.8.8.8", "1.1.1.1"))).toBe("8.8.8.8");
  expect(await lookedUp(named("8.8.8.8", "127.0.0.1"))).toBe("client.example is not public");
  expect(await lookedUp(named("::1"))).toBe("client.example is not public");
});

test.each([
  "https://localhost:1/",
  "https://127.0.0.1:1/",
  "https://[::1]:1/",
  "http://8.8.8.8/",
  "file:///etc/passwd",
])("%s is not fetched", async (url) => {
  await expect(getPublic(url, {})).rejects.toThrow(/not public/);
});
