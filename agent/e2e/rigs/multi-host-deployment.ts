import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHash, randomBytes } from "node:crypto";
import { z } from "zod";
import { type EmbeddedEdge, startEmbeddedEdge } from "../../local/embedded-edge.ts";
import { createLog } from "../../process/log.ts";
import { hashPassphrase } from "../../process/passphrase-hash.ts";
import { type Simulator, startSimulator } from "../../simulator/server.ts";
import { eventually } from "../clients/clients.ts";

/** One edge that asks everyone to sign in, and several TWS hosts behind it, each with an agent in a process of its own. */
export interface Deployment {
  readonly url: string;
  readonly wsUrl: string;
  readonly mcpUrl: string;
  /** What the edge keeps is below it, and the agents' keys. */
  readonly folder: string;
  /** What the edge and all programs have written, at the level debug. */
  readonly said: () => string;
  readonly owner: Owner;
  /** A TWS host with these accounts, paired and connected. */
  host(name: string, accounts: readonly string[]): Promise<DeploymentHost>;
  /** What the owner agrees to for a new client. */
  grant(choice: Choice): Promise<Grant>;
  /** The command line on the machine of a host. */
  run(host: DeploymentHost, args: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

export interface DeploymentHost {
  readonly name: string;
  readonly simulator: Simulator;
  readonly keyFile: string;
  /** The private half. */
  readonly privateKey: string;
  /** By which it was paired. */
  readonly code: string;
}

interface Choice {
  readonly host: DeploymentHost;
  /** Null is every account of the host. */
  readonly accounts: readonly string[] | null;
  readonly permission: "read" | "trade";
}

export interface Grant {
  readonly grantId: string;
  readonly clientId: string;
  /** Of the form in which the owner agreed. */
  readonly handle: string;
  readonly code: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

export interface Owner {
  readonly passphrase: string;
  readonly cookie: string;
  get(path: string): Promise<string>;
  /** A form of the page at `path`, with the token of the session. */
  submit(path: string, fields: Fields): Promise<Response>;
  revoke(grantId: string): Promise<void>;
}

type Fields = Readonly<Record<string, string | readonly string[]>>;

const main = join(import.meta.dirname, "../../main.ts");
const callback = "http://127.0.0.1:9/callback";

/** Its address must be known before it starts. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = z.object({ port: z.int() }).parse(probe.address());
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

export async function startDeployment(): Promise<Deployment> {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-deployment-"));
  const passphrase = `passphrase ${randomBytes(9).toString("base64url")}`;
  const heard: string[] = [];
  const children: ChildProcess[] = [];
  const simulators: Simulator[] = [];
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const edge: EmbeddedEdge = await startEmbeddedEdge({
    host: "127.0.0.1",
    port,
    variables: { AUTH: "on", PUBLIC_URL: url, OWNER_PASSPHRASE_HASH: hashPassphrase(passphrase, 1) },
    persistTo: join(folder, "edge"),
    log: createLog({ level: "debug", secrets: [], write: (line) => heard.push(line), now: Date.now }),
  });
  const owner = await signIn(url, passphrase);

  function start(args: readonly string[], env: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: folder,
      env: { EDGE_URL: url, LOG_LEVEL: "debug", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(child);
    const out: string[] = [];
    child.stdout.on("data", (data: Buffer) => out.push(data.toString()));
    child.stderr.on("data", (data: Buffer) => heard.push(data.toString()));
    return { child, out };
  }

  async function runWith(keyFile: string, args: readonly string[]): Promise<string> {
    const { child, out } = start(args, { TWS_EDGE_KEY: keyFile });
    await once(child, "close");
    if (child.exitCode !== 0) throw new Error(`${args.join(" ")}: exit ${child.exitCode}\n${heard.at(-1)}`);
    return out.join("");
  }

  async function host(name: string, accounts: readonly string[]): Promise<DeploymentHost> {
    const simulator = await startSimulator({ port: 0, seed: 7, accounts });
    simulators.push(simulator);
    const keyFile = join(folder, `${name}.json`);
    const offer = await (await owner.submit("/pair", { do: "offer", name })).text();
    const code = /--code ([\w-]+)/.exec(offer)?.[1] ?? "";
    await runWith(keyFile, ["pair", url, "--code", code]);
    const { out } = start(["agent"], {
      TWS_EDGE_KEY: keyFile,
      TWS_EDGE_JOURNAL: `${keyFile}.journal.db`,
      TWS_HOST: simulator.host,
      TWS_PORT: String(simulator.port),
    });
    const authorize = await authorizePath(await register(url), "");
    await eventually(
      () => owner.get(authorize),
      (page) => accounts.every((account) => page.includes(account)),
    );
    heard.push(...out);
    const { d: privateKey } = z.object({ d: z.string() }).parse(JSON.parse(readFileSync(keyFile, "utf8")));
    return { name, simulator, keyFile, privateKey, code };
  }

  return {
    url,
    wsUrl: url.replace("http", "ws"),
    mcpUrl: `${url}/api/v1/mcp`,
    folder,
    said: () => heard.join("\n"),
    owner,
    host,
    grant: (choice) => grant(url, owner, choice),
    run: (at, args) => runWith(at.keyFile, args),
    async close() {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const gone = once(child, "exit");
        child.kill("SIGTERM");
        await gone;
      }
      await edge.close();
      for (const simulator of simulators) await simulator.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const hidden = (page: string, name: string): string =>
  new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? "";

function form(fields: Fields): string {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of typeof value === "string" ? [value] : value) body.append(name, one);
  }
  return body.toString();
}

const post = (url: string, fields: Fields, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: "POST",
    redirect: "manual",
    headers: { "Content-Type": "application/x-www-form-urlencoded", ...headers },
    body: form(fields),
  });

async function signIn(url: string, passphrase: string): Promise<Owner> {
  const answer = await post(`${url}/sign-in`, { passphrase, next: "/grants" }, { Origin: url });
  const cookies = new Map<string, string>();
  const keep = (response: Response): Response => {
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      cookies.set(name, value);
    }
    return response;
  };
  keep(answer);
  const Cookie = () => [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const get = async (path: string) =>
    await keep(await fetch(`${url}${path}`, { headers: { Cookie: Cookie() } })).text();
  const submit = async (path: string, fields: Fields) => {
    const csrf = fields["csrf"] ?? hidden(await get(path), "csrf");
    return await post(`${url}${path}`, { ...fields, csrf }, { Origin: url, Cookie: Cookie() });
  };
  return {
    passphrase,
    get cookie() {
      return Cookie();
    },
    get,
    submit,
    async revoke(grantId) {
      await submit("/grants", { revoke: grantId });
    },
  };
}

async function register(url: string): Promise<string> {
  const answer = await fetch(`${url}/register`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({
      client_name: "A client",
      redirect_uris: [callback],
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    }),
  });
  return z.object({ client_id: z.string() }).parse(await answer.json()).client_id;
}

async function authorizePath(clientId: string, verifier: string): Promise<string> {
  const query = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: callback,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    code_challenge_method: "S256",
  });
  return `/authorize?${query.toString()}`;
}

async function grant(url: string, owner: Owner, { host, accounts, permission }: Choice): Promise<Grant> {
  const clientId = await register(url);
  const verifier = randomBytes(32).toString("base64url");
  const page = await owner.get(await authorizePath(clientId, verifier));
  // the radio button whose label begins with the host's name
  const hostId = new RegExp(`name="host" value="([^"]*)"[^>]*>\\s*${host.name}`).exec(page)?.[1] ?? "";
  const handle = hidden(page, "handle");
  const answer = await owner.submit("/authorize", {
    csrf: hidden(page, "csrf"),
    handle,
    decision: "allow",
    permission,
    toolset: "full",
    days: "1",
    host: hostId,
    ...(accounts === null ? { "every-account": "yes" } : { account: accounts }),
  });
  const code = new URL(answer.headers.get("Location") ?? "about:blank").searchParams.get("code") ?? "";
  const exchanged = await post(`${url}/token`, {
    grant_type: "authorization_code",
    client_id: clientId,
    code,
    code_verifier: verifier,
    redirect_uri: callback,
  });
  const tokens = z
    .object({ access_token: z.string(), refresh_token: z.string() })
    .parse(await exchanged.json());
  const [grantId = ""] = code.split(":", 1);
  const { access_token: accessToken, refresh_token: refreshToken } = tokens;
  return { grantId, clientId, handle, code, accessToken, refreshToken };
}
