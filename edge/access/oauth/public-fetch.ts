/**
 * SSRF guard: the OAuth library fetches the documents by which clients describe themselves, from addresses that
 * strangers choose. It follows redirects and asks nothing of the host, so `fetch` itself is held to public names here.
 * Names that resolve to a private address are refused by the network that workerd is given (`agent/local/embedded-edge.ts`), and
 * Cloudflare's reaches none.
 */

/** Whether `address` is https, by name or by a public IPv4 address. */
export function isPublic(address: string): boolean {
  const url = URL.parse(address);
  if (url?.protocol !== "https:" || url.username !== "" || url.password !== "") return false;
  const host = url.hostname.replace(/\.$/, "");
  // of addresses in brackets none is needed: a client has a domain
  if (host.startsWith("[")) return false;
  const bytes = /^\d+\.\d+\.\d+\.\d+$/.test(host) ? host.split(".").map(Number) : null;
  if (bytes !== null) return isPublicIpv4(bytes);
  return (
    host.includes(".") &&
    !/(^|\.)(localhost|local|internal|lan|home|arpa|intranet|corp|test|onion)$/.test(host)
  );
}

function isPublicIpv4([a = 0, b = 0]: readonly number[]): boolean {
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false;
  if (a === 100 && b >= 64 && b < 128) return false;
  if (a === 169 && b === 254) return false;
  if (a === 172 && b >= 16 && b < 32) return false;
  if (a === 192 && (b === 168 || b === 0)) return false;
  return !(a === 198 && (b === 18 || b === 19));
}

type Fetch = typeof fetch;

/** A `fetch` that goes to public addresses only, and to where it was sent: a redirect is an answer like any other. */
export const publicFetch =
  (original: Fetch): Fetch =>
  async (input, init) => {
    const address = input instanceof Request ? input.url : input instanceof URL ? input.href : input;
    if (!isPublic(address)) throw new TypeError("This address is not public.");
    return await original(input, { ...init, redirect: "manual" });
  };
