import { once } from "node:events";
import { createServer } from "node:https";
import { z } from "zod";
import type { Network } from "../../local/public-fetch.ts";
import { certificateFor } from "./certificate.ts";

/** The web of a test: some names, their addresses, and what they answer. Everything about it is real but where it is. */

export interface Site {
  /** What the name stands for, as a name server answers. */
  readonly addresses: readonly string[];
  /** By path. What is no string is answered as JSON. */
  readonly answers: Readonly<Record<string, unknown>>;
}

/** In place of an answer: 302 to this address. */
export const redirectTo = (address: string) => ({ redirectTo: address }) as const;
const Redirect = z.strictObject({ redirectTo: z.string() });

export interface PrivateWeb {
  readonly network: Network;
  /** Each address that was asked for, in order. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

export async function startPrivateWeb(sites: Readonly<Record<string, Site>>): Promise<PrivateWeb> {
  const { key, cert } = certificateFor(Object.keys(sites));
  const asked: string[] = [];
  const server = createServer({ key, cert }, ({ headers, url = "" }, response) => {
    asked.push(`https://${headers.host ?? ""}${url}`);
    const answer = sites[headers.host ?? ""]?.answers[url];
    const redirect = Redirect.safeParse(answer);
    if (redirect.success) response.writeHead(302, { Location: redirect.data.redirectTo }).end();
    else if (answer === undefined) response.writeHead(404).end();
    else {
      response.setHeader("Content-Type", typeof answer === "string" ? "text/plain" : "application/json");
      response.end(typeof answer === "string" ? answer : JSON.stringify(answer));
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = z.object({ port: z.int() }).parse(server.address());
  return {
    asked,
    network: {
      resolve(hostname, _, callback) {
        const addresses = sites[hostname]?.addresses ?? [];
        const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
        callback(found.length === 0 ? new Error(`${hostname} is not known`) : null, found);
      },
      gateway: { host: "127.0.0.1", port, authority: cert },
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
