import { type LookupAddress, lookup } from "node:dns";
import { request as requestHttps } from "node:https";
import { BlockList, isIPv4, type LookupFunction } from "node:net";

/**
 * The web for the edge that runs in this process. The edge fetches the descriptions of clients from addresses that
 * strangers choose, and this machine stands in a network that is none of their business: every address that a name
 * stands for has to be public, and it is that address which is then connected to.
 */

const timeoutMs = 10_000;
/** Such a document has a few hundred bytes, and keys some thousand. */
const mostBytes = 128 * 1024;

const notPublic = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const) {
  notPublic.addSubnet(network, prefix, "ipv4");
}
const globalIpv6 = new BlockList();
globalIpv6.addSubnet("2000::", 3, "ipv6");
// these carry an IPv4 address within, or are for documents
for (const [network, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
] as const) {
  notPublic.addSubnet(network, prefix, "ipv6");
}

export const isPublicAddress = (address: string): boolean =>
  isIPv4(address)
    ? !notPublic.check(address, "ipv4")
    : globalIpv6.check(address, "ipv6") && !notPublic.check(address, "ipv6");

/** Every address of a name. */
type Resolve = (
  hostname: string,
  options: { readonly all: true },
  callback: (error: Error | null, addresses: LookupAddress[]) => void,
) => void;

/** The network under it: the internet, or what a test puts in its place. */
export interface Network {
  readonly resolve: Resolve;
  /** Where every public address is reached, and who may vouch for names there. Null on the internet. */
  readonly gateway: { readonly host: string; readonly port: number; readonly authority: string } | null;
}

const internet: Network = { resolve: lookup, gateway: null };

/** As Node looks names up, but only to public addresses. */
export const lookupPublic =
  ({ resolve, gateway }: Network): LookupFunction =>
  (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const found = addresses ?? [];
      if (error !== null || found.length === 0) {
        return callback(error ?? new Error(`${hostname} has no address`), "", 0);
      }
      if (!found.every(({ address }) => isPublicAddress(address))) {
        return callback(new Error(`${hostname} is not public`), "", 0);
      }
      const reached = gateway === null ? found : [{ address: gateway.host, family: 4 }];
      const [first = { address: "", family: 0 }] = reached;
      return options.all === true ? callback(null, reached) : callback(null, first.address, first.family);
    });
  };

export interface WebAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** All that is told of who asks. */
const headersToSend = ["accept", "user-agent"] as const;

/** GET over https; a redirect is an answer like any other. Rejects when the address is not public or says too much. */
export function getPublic(
  url: string,
  headers: Readonly<Record<string, string>>,
  network: Network = internet,
): Promise<WebAnswer> {
  const { gateway } = network;
  const { protocol, hostname, host } = new URL(url);
  const isLiteral = /^[\d.]+$|^\[/.test(hostname);
  if (protocol !== "https:" || (isLiteral && !isPublicAddress(hostname.replace(/^\[|\]$/g, "")))) {
    return Promise.reject(new Error("This address is not public"));
  }
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const sent = headersToSend.flatMap((name) =>
      headers[name] === undefined ? [] : [[name, headers[name]]],
    );
    const request = requestHttps(url, {
      headers: { ...Object.fromEntries(sent), host },
      lookup: lookupPublic(network),
      ...(gateway !== null && { port: gateway.port, ca: gateway.authority }),
      signal,
    });
    request.on("error", reject);
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > mostBytes) request.destroy(new Error("The answer is too large"));
        else chunks.push(chunk);
      });
      response.on("error", reject);
      response.on("end", () => {
        const named = Object.entries(response.headers).flatMap(([name, value]) =>
          typeof value === "string" ? [[name, value] as const] : [],
        );
        resolve({
          status: response.statusCode ?? 502,
          headers: Object.fromEntries(named),
          body: Buffer.concat(chunks),
        });
      });
    });
    request.end();
  });
}
