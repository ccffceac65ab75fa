import { once } from "node:events";
import { createServer } from "node:net";
import { z } from "zod";
import { parseStartConfig } from "../../config/config.ts";
import { type EmbeddedEdge, startEmbeddedEdge } from "../../local/embedded-edge.ts";
import { type Local, type LocalOptions, startLocal } from "../../local/local.ts";
import { createLog } from "../../process/log.ts";
import { hashPassphrase } from "../../process/passphrase-hash.ts";

/** An edge that asks everyone to sign in, and its owner, whose browser is played by plain requests. */

export const passphrase = "correct horse battery staple";

/** Free a moment ago: the public address has to be known before the edge listens on it. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = z.object({ port: z.int() }).parse(probe.address());
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Edge, agent and simulator as `AUTH=on OWNER_PASSPHRASE=… npm start` runs them. */
export async function startWithSignIn(options: Partial<Omit<LocalOptions, "config">> = {}): Promise<Local> {
  const config = parseStartConfig({
    AUTH: "on",
    OWNER_PASSPHRASE: passphrase,
    SERVER_PORT: String(await freePort()),
  });
  return await startLocal({ config, persistTo: null, ...options });
}

/** The edge alone, as it is deployed: no agent comes with it, and each needs a key. */
export async function startBareEdge(): Promise<EmbeddedEdge> {
  const port = await freePort();
  return await startEmbeddedEdge({
    host: "127.0.0.1",
    port,
    variables: {
      AUTH: "on",
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      OWNER_PASSPHRASE_HASH: hashPassphrase(passphrase, 1),
    },
    persistTo: null,
    log: createLog({
      level: "error",
      secrets: [],
      write: (line) => process.stderr.write(line),
      now: Date.now,
    }),
  });
}

/** The value of a hidden field of a page. */
export const hidden = (page: string, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1]?.replaceAll("&amp;", "&") ?? "";

/** What the owner chooses on the consent page; the rest stays as the page proposes it. */
export interface Choice {
  readonly permission: "read" | "trade";
  readonly decision?: "allow" | "deny";
}

/** A browser that keeps cookies and shows every page before it sends a form. */
function createBrowser(origin: string) {
  const cookies = new Map<string, string>();
  return async (url: string, form?: Record<string, string>): Promise<Response> => {
    const response = await fetch(url, {
      redirect: "manual",
      headers: {
        Cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; "),
        ...(form && { Origin: origin }),
      },
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      cookies.set(name, value);
    }
    return response;
  };
}

/** The consent page as the owner sees it who was sent to `address` by a client and has signed in. */
export async function openConsent(address: URL) {
  const { origin } = address;
  const send = createBrowser(origin);
  const next = hidden(await (await send(address.href)).text(), "next");
  const signedIn = await send(`${origin}/sign-in`, { passphrase, next });
  const answer = await send(signedIn.headers.get("Location") ?? "");
  const page = await answer.text();
  return {
    page,
    status: answer.status,
    answer: ({ permission, decision = "allow" }: Choice) =>
      send(`${origin}/authorize`, {
        csrf: hidden(page, "csrf"),
        handle: hidden(page, "handle"),
        decision,
        permission,
        toolset: "full",
        days: "1",
        host: "default",
        "every-account": "yes",
      }),
  };
}

/** What the owner does in their browser from the address where a client sends them to the one that leads back. */
export async function consent(address: URL, choice: Choice): Promise<URL> {
  const { answer, page } = await openConsent(address);
  const location = (await answer(choice)).headers.get("Location");
  if (location === null) throw new Error(`No way back from: ${page}`);
  return new URL(location);
}

/** The page for machines, as the signed-in owner uses it. */
export async function openPairingPage(origin: string) {
  const send = createBrowser(origin);
  await send(`${origin}/sign-in`, { passphrase, next: "/pair" });
  const page = async () => await (await send(`${origin}/pair`)).text();
  return {
    page,
    submit: async (fields: Readonly<Record<string, string>>) =>
      await send(`${origin}/pair`, { csrf: hidden(await page(), "csrf"), ...fields }),
  };
}
