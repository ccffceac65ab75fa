import { z } from "zod";
import { PairRequest, PollRequest, proofPaths, RotateRequest } from "../../../shared/machine-key.ts";
import { toErrorBody, TwsError } from "../../../shared/errors.ts";
import { bodySizes, readForm, textOf } from "../../http/body.ts";
import type { AccessSettings } from "../../config/settings.ts";
import type { Machines } from "./pairing.ts";
import type { MachineStore } from "./machine-store.ts";
import { createProofs, refusalError } from "./key-proofs.ts";
import type { ScriptTokens } from "./script-tokens.ts";
import type { Key } from "../../rpc/access.ts";
import { addressOf } from "../../http/client-address.ts";

/** What the command line of an agent's machine asks: pairing and script tokens. JSON in, JSON out, and a proof with each request. */

interface MachineApiOptions {
  readonly settings: AccessSettings;
  readonly store: MachineStore;
  readonly machines: Machines;
  readonly tokens: ScriptTokens;
}

export interface MachineApi {
  /** Null for an address that is not of this. */
  fetch(request: Request): Promise<Response> | null;
}

export function createMachineApi({ settings, store, machines, tokens }: MachineApiOptions): MachineApi {
  const { publicUrl } = settings;
  const proofs = createProofs({ publicUrl, store });

  async function pair(request: Request): Promise<Response> {
    const body = parse(PairRequest, await readJson(request, bodySizes.form, publicUrl));
    return Response.json(await machines.pair(body, bearerOf(request), addressOf(request, publicUrl)));
  }

  async function poll(request: Request): Promise<Response> {
    const { publicKey, pollSecret } = parse(PollRequest, await readJson(request, bodySizes.form, publicUrl));
    return Response.json(await machines.poll(publicKey, pollSecret, bearerOf(request)));
  }

  async function rotate(request: Request): Promise<Response> {
    const key = await prove(request, "rotate");
    const body = parse(RotateRequest, await readJson(request, bodySizes.form, publicUrl));
    return Response.json(await machines.rotate(key, body));
  }

  async function prove(request: Request, purpose: "tokens" | "rotate" = "tokens"): Promise<Key> {
    const proven = await proofs.prove(bearerOf(request), purpose, Date.now());
    if (!proven.ok) throw refusalError(proven, publicUrl);
    return proven;
  }

  async function register(request: Request): Promise<Response> {
    const key = await prove(request);
    const { token } = parse(
      z.object({ token: z.string().max(8_192) }),
      await readJson(request, bodySizes.largeForm, publicUrl),
    );
    return Response.json(await tokens.register(key, token), { status: 201 });
  }

  async function list(request: Request): Promise<Response> {
    return Response.json({ tokens: tokens.list(await prove(request)) });
  }

  async function revoke(request: Request, id: string): Promise<Response> {
    if (await tokens.revoke(await prove(request), id)) return new Response(null, { status: 204 });
    throw new TwsError("unknown_resource", "This machine has made no token with this id.", {
      nextStep: "tws-edge token list shows those it has made.",
    });
  }

  function handlerOf(request: Request): (() => Promise<Response>) | null {
    const { pathname } = new URL(request.url);
    const id = pathname.startsWith(`${proofPaths.tokens}/`)
      ? pathname.slice(proofPaths.tokens.length + 1)
      : null;
    if (id !== null) return request.method === "DELETE" ? () => revoke(request, id) : null;
    switch (`${request.method} ${pathname}`) {
      case `POST ${proofPaths.pair}`:
        return () => pair(request);
      case `POST ${proofPaths.pair}/poll`:
        return () => poll(request);
      case `POST ${proofPaths.rotate}`:
        return () => rotate(request);
      case `POST ${proofPaths.tokens}`:
        return () => register(request);
      case `GET ${proofPaths.tokens}`:
        return () => list(request);
      default:
        return null;
    }
  }

  async function answer(request: Request, handler: () => Promise<Response>): Promise<Response> {
    try {
      // the command line sends no Origin, so this is a page
      if (request.headers.has("Origin")) {
        throw new TwsError("forbidden", "Web pages cannot ask this: it is for the command line.");
      }
      return await handler();
    } catch (thrown) {
      const error = toErrorBody(thrown, (id, cause) => console.error(`internal error ${id}`, cause));
      const status = thrown instanceof TwsError ? thrown.status : 500;
      return Response.json({ error }, { status });
    }
  }

  return {
    fetch(request) {
      const handler = handlerOf(request);
      return handler === null ? null : answer(request, handler);
    },
  };
}

const bearerOf = (request: Request): string =>
  /^Bearer +(\S+) *$/i.exec(request.headers.get("Authorization") ?? "")?.[1] ?? "";

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new TwsError(
    "invalid_input",
    `The request is not valid: ${z.prettifyError(parsed.error).slice(0, 300)}`,
  );
}

/** Read no further than what a request of this kind can be. */
async function readJson(request: Request, mostBytes: number, publicUrl: string): Promise<unknown> {
  const body = await readForm(request, mostBytes, addressOf(request, publicUrl));
  if (!body.ok) {
    throw body.why === "too_large"
      ? new TwsError("too_large", "The request is too large.")
      : new TwsError("timeout", "The request was not all there in time.", { nextStep: "Send it again." });
  }
  try {
    return JSON.parse(textOf(body.bytes) ?? "");
  } catch {
    throw new TwsError("invalid_input", "The request is not JSON.");
  }
}
