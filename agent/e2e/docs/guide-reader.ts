import { z } from "zod";
import { errorKinds } from "../../../shared/errors.ts";
import { News } from "../../../shared/news.ts";
import { Portfolio } from "../../../shared/portfolio.ts";
import { prompts, strategies } from "../../../shared/prompts/index.ts";
import type { ToolDefinition } from "../../../shared/tools/define.ts";
import { tools } from "../../../shared/tools/index.ts";
import { connectModern, openSocket, post } from "../clients/clients.ts";
import type { Failing, Step } from "./guide.ts";
import type { System } from "../rigs/system.ts";

/** Does what a guide says, as its reader would: what one step answers, a later one may refer to. */
export interface GuideReader {
  /** Throws where the step does not go as the guide says. */
  follow(step: Step): Promise<void>;
  close(): Promise<void>;
}

export async function startGuideReader(system: System): Promise<GuideReader> {
  const { client, call } = await connectModern(system.mcpUrl);
  // so that the client has each output schema, and holds every answer to it
  await client.listTools();
  const answers: Answer[] = [];
  const keep = (value: unknown, ofStream = false) => void answers.push({ value, ofStream });

  async function read(uri: string): Promise<void> {
    const subscription = await client.listen({ resourceSubscriptions: [uri] });
    keep(textOf(await client.readResource({ uri })), true);
    await subscription.close();
  }

  async function talk(url: string, messages: readonly unknown[]): Promise<void> {
    const socket = await openSocket(here(url, system.wsUrl));
    await socket.next({ type: "connected" });
    for (const message of messages) {
      socket.send(message);
      const reply = await socket.next();
      if (reply["type"] === "error") throw new Error(JSON.stringify(reply));
      keep(reply);
    }
    socket.close();
  }

  async function request(method: string, params: unknown, fails: Failing | null): Promise<void> {
    const { reply } = await post(system.mcpUrl, method, params);
    if (fails !== null) {
      if (reply.error === undefined) throw new Error(`it did not fail: ${show(reply.result)}`);
      const { data } = Coded.safeParse(reply.error.data);
      if (fails.code !== null && data?.code !== fails.code) throw new Error(`it failed with ${data?.code}`);
      expectWords(reply.error.message, fails.words);
      return;
    }
    if (reply.error !== undefined) throw new Error(reply.error.message);
    const answer = contentOf(reply.result);
    failureOf(answer, null);
    keep(answer, method === "resources/read");
  }

  return {
    async follow(step) {
      switch (step.kind) {
        case "call": {
          const answer = await call(step.tool, Input.parse(fill(step.input, answers)));
          failureOf(answer, step.fails);
          if (step.fails === null) keep(answer);
          return;
        }
        case "request":
          return request(step.method, fill(step.params, answers), step.fails);
        case "curl": {
          if (here(step.url, system.url) !== system.mcpUrl) throw new Error(`no tools are at ${step.url}`);
          const { method, params } = Body.parse(fill(step.body, answers));
          return request(method, params, null);
        }
        case "connect":
          if (here(step.url, system.url) !== system.mcpUrl) throw new Error(`no tools are at ${step.url}`);
          return;
        case "read":
          return read(z.string().parse(fill(step.uri, answers)));
        case "talk":
          return talk(step.url, step.messages);
        case "excerpt":
          return expectExcerpt(step.value, answers.at(-1));
        case "text":
          return expectText(step.text, answers.at(-1));
        case "tool":
          if (!Object.hasOwn(tools, step.tool)) throw new Error(`there is no tool ${step.tool}`);
          return;
        case "word":
          if (!words.has(step.word)) throw new Error(`nothing is called ${step.word}`);
      }
    },
    close: () => client.close(),
  };
}

interface Answer {
  readonly value: unknown;
  /** What comes seldom may not have come yet to a stream. */
  readonly ofStream: boolean;
}

const Input = z.record(z.string(), z.unknown());
const Body = z.object({ jsonrpc: z.literal("2.0"), id: z.number(), method: z.string(), params: z.unknown() });
const Contents = z.object({ contents: z.tuple([z.object({ text: z.string() })]) });

const show = (value: unknown) => JSON.stringify(value).slice(0, 4_000);
const inJson = (text: string) => JSON.stringify(text).slice(1, -1);

/** An address of the guide's, at the place where the system under test listens. */
function here(url: string, origin: string): string {
  const { origin: documented, pathname } = new URL(url);
  if (!/^(?:http|ws):\/\/127\.0\.0\.1:8000$/.test(documented)) throw new Error(`nothing listens at ${url}`);
  return `${origin}${pathname}`;
}

const textOf = (result: unknown): unknown => JSON.parse(Contents.parse(result).contents[0].text);

/** What a reader looks at in a JSON-RPC result. */
function contentOf(result: Record<string, unknown> | undefined): unknown {
  if (result !== undefined && "structuredContent" in result) return result["structuredContent"];
  return result !== undefined && "contents" in result ? textOf(result) : result;
}

const Coded = z.object({ code: z.string() });

const Failure = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    tws: z.object({ code: z.number(), text: z.string() }).optional(),
  }),
});

/** Throws where a tool's answer is an error that the guide does not announce, or not the announced one. */
function failureOf(answer: unknown, fails: Failing | null): void {
  const { data } = Failure.safeParse(answer);
  if (fails === null) {
    if (data !== undefined) throw new Error(show(data.error));
    return;
  }
  if (data === undefined) throw new Error(`it did not fail: ${show(answer)}`);
  const { code, message, tws } = data.error;
  if (code !== fails.code) throw new Error(`it failed with ${code}: ${message}`);
  expectWords(`${message} ${tws === undefined ? "" : `TWS code ${tws.code}: ${tws.text}`}`, fails.words);
}

function expectWords(message: string, words: string): void {
  const missing = words.split("…").find((part) => !message.includes(part.trim()));
  if (missing !== undefined) throw new Error(`"${message}" does not say "${missing}"`);
}

function expectExcerpt(excerpt: unknown, answer: Answer | undefined): void {
  const { value, ofStream } = answer ?? { value: null, ofStream: false };
  if (!objectsIn(value).some((part) => shows(excerpt, part, ofStream)))
    throw new Error(`the excerpt is not of this answer: ${show(value)}`);
}

function expectText(text: string, answer: Answer | undefined): void {
  const said = JSON.stringify(answer?.value ?? null);
  const missing = text.split(/\n|…/).find((part) => !said.includes(inJson(part.trim())));
  if (missing !== undefined) throw new Error(`the answer does not say: ${missing}`);
}

/** The value with each `<name>` in it taken from the last answer that has that name. */
function fill(value: unknown, answers: readonly Answer[]): unknown {
  if (typeof value === "string") {
    const [, name, index, row] = /^<(\w+)(?:\[(\d+)\])?(?: of (.+))?>$/.exec(value) ?? [];
    if (name === undefined) return value;
    for (const answer of answers.toReversed()) {
      const found = valueIn(answer.value, name, row ?? null);
      const chosen = index === undefined ? found : Array.isArray(found) ? at(found, Number(index)) : null;
      if (chosen !== null && chosen !== undefined) return chosen;
    }
    throw new Error(`no answer so far has ${value}`);
  }
  if (Array.isArray(value)) return value.map((item: unknown) => fill(item, answers));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one, answers)]));
}

const at = (list: readonly unknown[], index: number): unknown => list[index];

/** The first value of that name that is not null, in an object in which the row's word stands too. */
function valueIn(answer: unknown, name: string, row: string | null): unknown {
  return objectsIn(answer)
    .filter((part) => row === null || (!Array.isArray(part) && Object.values(part).includes(row)))
    .map((part) => Object.entries(part).find(([key]) => key === name)?.[1])
    .find((found) => found !== undefined && found !== null);
}

/** The answer and every object within it, outer ones first. */
function objectsIn(value: unknown): object[] {
  if (typeof value !== "object" || value === null) return [];
  return [value, ...Object.values(value).flatMap(objectsIn)];
}

/**
 * Whether all that the excerpt names is in the answer, and of the same kind; null stands for any plain value. Where a
 * list may be empty, the excerpt's rows need only be made of known words.
 */
function shows(excerpt: unknown, answer: unknown, mayBeEmpty: boolean): boolean {
  if (Array.isArray(excerpt)) {
    if (!Array.isArray(answer)) return false;
    if (answer.length === 0 && mayBeEmpty) return keysIn(excerpt).every((key) => words.has(key));
    return excerpt.every((row) => answer.some((one) => shows(row, one, mayBeEmpty)));
  }
  if (typeof excerpt === "object" && excerpt !== null) {
    if (typeof answer !== "object" || answer === null || Array.isArray(answer)) return false;
    const there = new Map(Object.entries(answer));
    return Object.entries(excerpt).every(
      ([key, value]) => there.has(key) && shows(value, there.get(key), mayBeEmpty),
    );
  }
  if (excerpt === null || answer === null) return typeof answer !== "object" || answer === null;
  return typeof excerpt === typeof answer;
}

const keysIn = (value: unknown): string[] =>
  objectsIn(value).flatMap((part) => (Array.isArray(part) ? [] : Object.keys(part)));

/** Everything that has a name: arguments, fields of answers, their fixed values, errors, prompts. */
const words: ReadonlySet<string> = new Set([
  "true",
  "false",
  "null",
  ...strategies,
  ...Object.values<ToolDefinition>(tools).flatMap(({ input, output }) => [
    ...wordsOf(z.toJSONSchema(input, { io: "input" })),
    ...wordsOf(z.toJSONSchema(output, { io: "output" })),
  ]),
  ...wordsOf(z.toJSONSchema(News)),
  ...wordsOf(z.toJSONSchema(Portfolio)),
  ...Object.keys(errorKinds),
  ...Object.entries(prompts).flatMap(([name, prompt]) => [name, ...Object.keys(prompt.arguments)]),
]);

function wordsOf(schema: unknown): string[] {
  return objectsIn(schema).flatMap((part) =>
    Object.entries(part).flatMap(([key, value]): string[] => {
      if (key === "properties") return Object.keys(Object(value));
      if (key === "enum" || key === "const") return [value].flat().map(String);
      return [];
    }),
  );
}
