import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { ToolDefinition } from "../../shared/tools/define.ts";
import { type ToolName, tools } from "../../shared/tools/index.ts";
import { type CallTool, connectModern, eventually, plainCaller } from "./clients/clients.ts";
import { startSystem, type System } from "./rigs/system.ts";
import { type Known, lookAround, type ToolCalls, toolCalls } from "./docs/tool-calls.ts";

let system: System;
let call: CallTool;
let known: Known;
let close: () => Promise<void>;
beforeAll(async () => {
  system = await startSystem();
  const modern = await connectModern(system.mcpUrl);
  // so that the client has each output schema, and holds every answer to it
  await modern.client.listTools();
  call = modern.call;
  close = () => modern.client.close();
  known = await lookAround(call);
});
afterAll(async () => {
  await close();
  await system.close();
});

const Failure = z.object({
  error: z.object({
    code: z.string(),
    message: z.string().min(10),
    nextStep: z.string().min(10),
    retryable: z.boolean(),
  }),
});

const all: readonly [string, ToolCalls][] = Object.entries(toolCalls);
const isToolName = (name: string): name is ToolName => Object.hasOwn(tools, name);
const toolOf = (name: string): ToolDefinition => {
  if (!isToolName(name)) throw new Error(name);
  return tools[name];
};

describe.for(all)("%s", ([name, { good, bad }]) => {
  test("answers a good call by its own schema, within the bound", async () => {
    const result = await call(name, good(known));
    expect(result).not.toHaveProperty("error");
    toolOf(name).output.parse(result);
    expect(JSON.stringify(result).length).toBeLessThanOrEqual(20_000);
    // the others need TWS again
    if (name === "ibkr_disconnect") await call("ibkr_connect");
  });

  test("says what is wrong with a bad call, and what to do", async () => {
    const [input, code] = bad;
    const { error } = Failure.parse(await call(name, input));
    expect(error.code).toBe(code);
  });
});

test("with TWS away every tool that asks it says so, and with the agent away so does every tool it runs", async () => {
  const plain = plainCaller(system.mcpUrl);
  await system.simulator.faults.refuse(true);
  system.simulator.faults.dropConnections();
  await eventually(
    () => plain("ibkr_get_status"),
    (status) => status["is_connected"] === false,
  );
  const asking = all.filter(
    ([name, { answersWithoutTws }]) => toolOf(name).runs === "agent" && !answersWithoutTws,
  );
  const answers = await Promise.all(
    asking.map(async ([name, { good }]) => [name, await plain(name, good(known))] as const),
  );
  const codes = answers.map(([name, answer]) => [name, Failure.safeParse(answer).data?.error.code ?? answer]);
  expect(
    codes
      .filter(([, code]) => code !== "tws_offline")
      .map(([name, code]) => [name, typeof code === "string" ? code : "answered"]),
  ).toEqual([]);

  system.agent.kill();
  await eventually(
    () => plain("ibkr_get_current_time"),
    (answer) => Failure.safeParse(answer).data?.error.code === "agent_offline",
  );
  const agentTools = all.filter(([name]) => toolOf(name).runs === "agent");
  const offline = await Promise.all(
    agentTools.map(async ([name, { good }]) => [name, await plain(name, good(known))] as const),
  );
  const offlineCodes = offline.map(([name, answer]) => [
    name,
    Failure.safeParse(answer).data?.error.code ?? answer,
  ]);
  expect(
    offlineCodes
      .filter(([, code]) => code !== "agent_offline")
      .map(([name, code]) => [name, typeof code === "string" ? code : "answered"]),
  ).toEqual([]);
  expect(await plain("ibkr_get_status")).toMatchObject({ is_connected: false });
});
