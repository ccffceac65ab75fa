const [local, unknown] = ["local", "unknown"];

/** Whether this is the address of somebody, and not of all who come without one. */
export const isKnownAddress = (address: string): boolean => address !== local && address !== unknown;

/** Where a request comes from. Only Cloudflare's own header is believed, and on one's own computer not even that. */
export function addressOf(request: Request, publicUrl: string): string {
  if (publicUrl.startsWith("http:")) return local;
  const address = (request.headers.get("CF-Connecting-IP") ?? unknown).slice(0, 64);
  // whoever has one of these has all of its network
  return address.includes(":") && !address.includes(".") ? networkOf(address) : address;
}

/** The first 64 bits of an IPv6 address, of which `::` may leave out some. */
function networkOf(address: string): string {
  const [before = [], after = []] = address
    .split("::", 2)
    .map((groups) => groups.split(":").filter((group) => group !== ""));
  const leftOut = Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array.from({ length: leftOut }, () => "0"), ...after].slice(0, 4).join(":");
}
