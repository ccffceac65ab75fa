import { type Context, Hono } from "hono";
import { toErrorBody, TwsError } from "../shared/errors.ts";
import type { Caller } from "../shared/caller.ts";
import { wholeRequest } from "./access/whole-request.ts";
import { proofPaths } from "../shared/machine-key.ts";
import { accessPaths, ticketEndpoints } from "./rpc/access.ts";
import { callerOf, resourceMetadata } from "./auth/caller.ts";
import { accessOf, type Env } from "./config/bindings.ts";
import { type AccessSettings, parseEnv, type Settings } from "./config/settings.ts";
import { landingPage } from "./landing-page.ts";
import { complete, preflight, retryAfter } from "./http/headers.ts";
import { healthOfHops, misconfigured, plainHealth } from "./health.ts";
import { guardLocal } from "./http/local-guard.ts";
import { handleMcp } from "./mcp/endpoint.ts";
import { guardPublic } from "./http/public-guard.ts";
import { notConfigured } from "./not-configured.ts";
import { openAgentLink, openStream, watcherOf } from "./websockets.ts";
import { issueTicket } from "./auth/tickets.ts";
import { noteProven, proofIn, requireNotBlockedFor } from "./auth/proven-keys.ts";
import { securityText } from "./security-text.ts";
import { admitAddress, noteRefusal } from "./http/address-limits.ts";
import { addressOf } from "./http/client-address.ts";
import { resourceMetadataPath } from "./http/bearer-challenge.ts";

export { Access } from "./access/access.ts";
export { TwsHost } from "./host/host.ts";
export { McpSession } from "./session/session.ts";

declare global {
  // by this name tests see what this module exports
  namespace Cloudflare {
    interface GlobalProps {
      mainModule: typeof import("./worker.ts");
    }
  }
}

/** The runtime's own arguments travel as bindings, since the framework's type of the context knows less of it. */
interface Invocation {
  Bindings: { readonly env: Env; readonly ctx: ExecutionContext };
  Variables: { settings: Settings };
}

type Handler = (c: Context<Invocation>) => Response | Promise<Response>;

const mcpPath = "/api/v1/mcp";

/** What is asked within the machine or its network: an agent proves itself under any name, and health is nobody's. */
const anyName: ReadonlySet<string> = new Set(["/health", "/api/v1/agent"]);

const app = new Hono<Invocation>();

app.onError((error) => errorResponse(error));
app.notFound(() => nothingHere());

app.use(async (c, next) => {
  const parsed = parseEnv(c.env.env);
  // fail closed: what is not fully configured serves nothing
  if (!parsed.ok)
    return complete(
      c.req.path === "/health" ? misconfigured() : await notConfigured(c.req.raw, parsed.problems),
      null,
      false,
    );
  const { access, allowedOrigins } = parsed.settings;
  const isHttps = access !== null && isOwnHttps(c.req.raw, access);
  try {
    if (access === null) guardLocal(c.req.raw, allowedOrigins);
    else {
      guardPublic(c.req.raw, access, allowedOrigins, anyName.has(c.req.path));
      // MCP counts for itself, since a cancellation goes through whatever else was asked
      if (c.req.path !== mcpPath) admitAddress(addressOf(c.req.raw, access.publicUrl));
    }
  } catch (error) {
    return complete(errorResponse(error), null, isHttps);
  }
  c.set("settings", parsed.settings);
  await next();
  if (access !== null && c.res.status === 401) noteRefusal(addressOf(c.req.raw, access.publicUrl));
  c.res = complete(c.res, c.req.raw.headers.get("Origin"), isHttps);
  return undefined;
});

/** Whether this is asked under the public address, and that is https: of other names nothing is promised. */
function isOwnHttps(request: Request, { publicUrl }: AccessSettings): boolean {
  const { protocol, host } = new URL(publicUrl);
  return protocol === "https:" && (request.headers.get("Host") ?? new URL(request.url).host) === host;
}

/** What only a caller may have; asked before anything of the request is read. */
const forCaller =
  (handle: (c: Context<Invocation>, caller: Caller) => Response | Promise<Response>): Handler =>
  async (c) => {
    const caller = await callerOf(c.req.raw, c.env.env, c.get("settings"));
    return caller instanceof Response ? caller : await handle(c, caller);
  };

const mcp = forCaller((c, caller) =>
  handleMcp(c.req.raw, c.env.env, c.env.ctx, caller, c.get("settings").access),
);
const landing: Handler = async (c) => c.text(await landingPage(c.req.raw, c.env.env, c.get("settings")));
const health: Handler = async (c) => {
  const caller = await callerOf(c.req.raw, c.env.env, c.get("settings"));
  if (!(caller instanceof Response)) return await healthOfHops(c.env.env, caller.hostId);
  // who brings a token here that is none may be guessing; who brings none only looks
  const { access } = c.get("settings");
  if (access !== null && c.req.raw.headers.has("Authorization")) {
    noteRefusal(addressOf(c.req.raw, access.publicUrl));
  }
  return await plainHealth(c.env.env);
};

route("/", { GET: landing, HEAD: landing });
route("/health", { GET: health, HEAD: health });
route(mcpPath, { POST: mcp, GET: mcp, DELETE: mcp });
route("/api/v1/agent", { GET: (c) => openAgentLink(c.req.raw, c.env.env, c.get("settings")) });
route("/api/v1/tickets", {
  POST: forCaller((c, caller) => issueTicket(c.req.raw, caller, c.env.env, c.get("settings"))),
});
for (const stream of ticketEndpoints) {
  route(`/api/v1/stream/${stream}`, {
    GET: async (c) => {
      const caller = await watcherOf(c.req.raw, stream, c.env.env, c.get("settings"));
      return caller instanceof Response ? caller : await openStream(c.req.raw, stream, c.env.env, caller);
    },
  });
}
for (const path of [resourceMetadataPath, "/.well-known/oauth-protected-resource"]) {
  route(path, { GET: withAccess((_, access) => resourceMetadata(access)) });
}
for (const [path, methods] of Object.entries(accessPaths)) {
  const handler = withAccess(path.startsWith("/api/v1/") ? toMachines : toAccess);
  route(path, Object.fromEntries(methods.map((method) => [method, handler])));
}
route("/.well-known/security.txt", { GET: (c) => securityText(c.get("settings")) });

/** What there is only with sign-in. */
function withAccess(
  handle: (c: Context<Invocation>, access: AccessSettings) => Response | Promise<Response>,
): Handler {
  return (c) => {
    const { access } = c.get("settings");
    return access === null ? nothingHere() : handle(c, access);
  };
}

/** To the object that knows who may come in, under the public address whatever the request calls it. */
async function toAccess(
  { req, env: { env } }: Context<Invocation>,
  { publicUrl }: AccessSettings,
): Promise<Response> {
  const whole = await wholeRequest(req.raw, publicUrl);
  return whole instanceof Response ? whole : await accessOf(env).fetch(whole);
}

/** The same for machines, which bring a proof: an address that was refused too often is not asked about. */
async function toMachines(c: Context<Invocation>, access: AccessSettings): Promise<Response> {
  const proof = proofIn(c.req.raw);
  requireNotBlockedFor(proof, addressOf(c.req.raw, access.publicUrl));
  const answer = await toAccess(c, access);
  if (answer.ok && c.req.path.startsWith(proofPaths.tokens)) noteProven(proof);
  return answer;
}

/** What `path` answers, by method; every other method is refused with the list of these. */
function route(path: string, handlers: Readonly<Record<string, Handler>>): void {
  const allow = [...Object.keys(handlers), "OPTIONS"].join(", ");
  app.all(path, (c) => {
    const { method } = c.req.raw;
    if (method === "OPTIONS") return preflight(allow);
    const handler = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
    return handler === undefined ? notAllowed(allow) : handler(c);
  });
}

function nothingHere(): Response {
  return errorResponse(
    new TwsError("unknown_resource", "There is nothing at this address.", {
      nextStep: "Read / for what there is.",
    }),
  );
}

function notAllowed(allow: string): Response {
  const error = new TwsError("invalid_input", "This address does not answer that method.", {
    nextStep: `Use one of: ${allow}.`,
  });
  return Response.json({ error: error.toBody() }, { status: 405, headers: { Allow: allow } });
}

function errorResponse(thrown: unknown): Response {
  const error = toErrorBody(thrown, (id, cause) => console.error(`internal error ${id}`, cause));
  const status = thrown instanceof TwsError ? thrown.status : 500;
  const headers = status === 401 ? { "WWW-Authenticate": "Bearer" } : retryAfter(error);
  return Response.json({ error }, { status, headers });
}

export default {
  fetch: (request, env, ctx) => app.fetch(request, { env, ctx }),
} satisfies ExportedHandler<Env>;
