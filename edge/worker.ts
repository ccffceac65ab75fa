import { type Context, Hono } from "hono";
import { toErrorBody, TwsError } from "../shared/errors.ts";
import { ownerOfLocalMode } from "../shared/scopes.ts";
import { type Env, parseEnv, type Settings } from "./env.ts";
import { frontPage } from "./front.ts";
import { complete, preflight } from "./headers.ts";
import { healthOfHops, misconfigured } from "./health.ts";
import { guardLocal } from "./local-guard.ts";
import { handleMcp } from "./mcp.ts";
import { openAgentLink, openStream } from "./stream.ts";

export { TwsHost } from "./host/host.ts";
export { McpSession } from "./session.ts";

/** The runtime's own arguments travel as bindings, since the framework's type of the context knows less of it. */
interface Invocation {
  Bindings: { readonly env: Env; readonly ctx: ExecutionContext };
  Variables: { settings: Settings };
}

type Handler = (c: Context<Invocation>) => Response | Promise<Response>;

const app = new Hono<Invocation>();

app.onError((error) => errorResponse(error));
app.notFound(() =>
  errorResponse(
    new TwsError("unknown_resource", "There is nothing at this address.", {
      nextStep: "Read / for what there is.",
    }),
  ),
);

app.use(async (c, next) => {
  const parsed = parseEnv(c.env.env);
  // fail closed: what is not fully configured serves nothing
  if (!parsed.ok)
    return complete(c.req.path === "/health" ? misconfigured() : notReady(parsed.problems), null);
  try {
    guardLocal(c.req.raw, parsed.settings.allowedOrigins);
  } catch (error) {
    return complete(errorResponse(error), null);
  }
  c.set("settings", parsed.settings);
  await next();
  c.res = complete(c.res, c.req.raw.headers.get("Origin"));
  return undefined;
});

const mcp: Handler = (c) => handleMcp(c.req.raw, c.env.env, c.env.ctx, ownerOfLocalMode);
const front: Handler = async (c) => c.text(await frontPage(c.req.raw, c.env.env, c.get("settings")));
const health: Handler = (c) => healthOfHops(c.env.env);

route("/", { GET: front, HEAD: front });
route("/health", { GET: health, HEAD: health });
route("/api/v1/mcp", { POST: mcp, GET: mcp, DELETE: mcp });
route("/api/v1/agent", { GET: (c) => openAgentLink(c.req.raw, c.env.env, c.get("settings")) });
for (const stream of ["market-data", "portfolio", "news"] as const) {
  route(`/api/v1/stream/${stream}`, {
    GET: (c) => openStream(c.req.raw, stream, c.env.env, ownerOfLocalMode),
  });
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

function notAllowed(allow: string): Response {
  const error = new TwsError("invalid_input", "This address does not answer that method.", {
    nextStep: `Use one of: ${allow}.`,
  });
  return Response.json({ error: error.toBody() }, { status: 405, headers: { Allow: allow } });
}

function notReady(problems: readonly string[]): Response {
  const error = new TwsError("forbidden", "This edge is not fully configured, so it serves nothing.", {
    nextStep: "The owner corrects the variables named in problems.",
  });
  return Response.json({ error: error.toBody(), problems }, { status: 503 });
}

function errorResponse(thrown: unknown): Response {
  const error = toErrorBody(thrown, (id, cause) => console.error(`internal error ${id}`, cause));
  const status = thrown instanceof TwsError ? thrown.status : 500;
  return Response.json(
    { error },
    { status, headers: status === 401 ? { "WWW-Authenticate": "Bearer" } : {} },
  );
}

export default {
  fetch: (request, env, ctx) => app.fetch(request, { env, ctx }),
} satisfies ExportedHandler<Env>;
