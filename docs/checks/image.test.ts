import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildImage } from "./image.ts";

const images: string[] = [];
afterAll(() => {
  for (const folder of images) rmSync(dirname(folder), { recursive: true });
});

function imageOf(target: string, args: Readonly<Record<string, string>> = {}): string {
  const folder = buildImage(target, args);
  images.push(folder);
  return folder;
}

const isForTests = (path: string): boolean =>
  /\.(?:test|fixture)\.ts$|(?:^|\/)(?:e2e|test-support|corpus)\//.test(path);

const filesOf = (image: string): string[] =>
  ["agent", "shared", "edge"]
    .filter((room) => existsSync(join(image, room)))
    .flatMap((room) =>
      readdirSync(join(image, room), { recursive: true, encoding: "utf8" }).map((path) => `${room}/${path}`),
    );

/** Runs a command in an image until it ends, or until it has said what is waited for. */
async function run(image: string, args: readonly string[], env: Record<string, string> = {}, until?: RegExp) {
  const child = spawn(process.execPath, ["agent/main.ts", ...args], {
    cwd: image,
    env: { HOME: join(image, ".tws-edge"), ...env },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (until?.test(said) === true) child.kill("SIGTERM");
    });
  }
  await once(child, "close");
  return { said, exitCode: child.exitCode };
}

/** A port on which nothing listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return address !== null && typeof address === "object" ? address.port : 0;
}

describe("the image of the agent", () => {
  let image = "";
  beforeAll(() => {
    image = imageOf("agent");
  });

  test("has neither tests nor what they need, nor the simulator, nor the edge", () => {
    expect(filesOf(image)).toContain("agent/main.ts");
    expect(
      filesOf(image).filter((path) => isForTests(path) || /^(?:agent\/simulator|edge)\b/.test(path)),
    ).toEqual([]);
  });

  test("explains itself", async () => {
    const { said, exitCode } = await run(image, ["--help"]);
    expect([said, exitCode]).toEqual([expect.stringContaining("Usage:"), 0]);
  });

  test("keeps trying an edge and a TWS that do not answer, until it is ended", async () => {
    const port = await closedPort();
    const env = {
      EDGE_URL: `http://127.0.0.1:${port}`,
      AGENT_TOKEN: "a-token-of-sixteen-letters",
      TWS_HOST: "127.0.0.1",
      TWS_PORT: String(port),
      TWS_EDGE_JOURNAL: join(image, ".tws-edge/journal.db"),
    };
    const { said, exitCode } = await run(image, ["agent"], env, /Not connected to TWS at/);
    expect([said, exitCode]).toEqual([expect.stringContaining(`agent for ws://127.0.0.1:${port}`), 0]);
  });

  test.for([
    ["sim", "The simulator is not in this image. Build it with --build-arg SIMULATOR=yes"],
    ["agent", "TWS_HOST and TWS_PORT are not set, and there is no simulator in this image"],
    ["start", "There is no edge in this image"],
  ] as const)("says plainly what is missing for `%s`", async ([command, words]) => {
    const env = { EDGE_URL: "http://127.0.0.1:9", AGENT_TOKEN: "a-token-of-sixteen-letters" };
    const { said, exitCode } = await run(image, [command], env);
    expect([said.trim().split("\n"), exitCode]).toEqual([[expect.stringContaining(words)], 1]);
  });

  test("has the simulator where it is asked for", async () => {
    const { said, exitCode } = await run(imageOf("agent", { SIMULATOR: "yes" }), ["sim", "--help"]);
    expect([said, exitCode]).toEqual([expect.stringContaining("--port"), 0]);
  });
});

test("the image for trying out runs all of it without what only tests need", async () => {
  const image = imageOf("local");
  expect(filesOf(image).filter(isForTests)).toEqual([]);
  const { said, exitCode } = await run(image, ["start"], { SERVER_PORT: "0" }, /MCP server {2}http/);
  expect([said, exitCode]).toEqual([expect.stringContaining("Connected to the simulator"), 0]);
});

describe("docker-compose.yml", () => {
  const compose = readFileSync(new URL("../../docker-compose.yml", import.meta.url), "utf8");
  const [, listed = ""] = /^services:\n((?: .*\n|\n)+)/m.exec(compose) ?? [];
  const services = [...listed.matchAll(/^ {2}(\w+):\n((?: {4}.*\n)+)/gm)];

  test("confines each service", () => {
    expect(services.map(([, name]) => name)).toEqual(["agent", "local"]);
    for (const [, , text] of services) expect(text).toMatch(/^ {4}<<: \*confined$/m);
    const [, confined = ""] = /^x-confined: &confined\n((?: {2}.*\n)+)/m.exec(compose) ?? [];
    expect(confined.split("\n").map((line) => line.trim())).toEqual(
      expect.arrayContaining([
        "user: node",
        "cap_drop: [ALL]",
        'security_opt: ["no-new-privileges:true"]',
        "read_only: true",
        "tmpfs: [/tmp]",
      ]),
    );
  });

  test("gives none the network of its machine or more rights, and publishes on loopback alone", () => {
    expect(listed).not.toMatch(/network_mode|privileged|cap_add|pid:|ipc:|docker\.sock|user: root/);
    const published = services.flatMap(([, , text = ""]) => [...text.matchAll(/^ {4}ports: (.*)$/gm)]);
    expect(published.map(([, ports = ""]) => ports)).toEqual([
      expect.stringMatching(/^\["127\.0\.0\.1:[^,]*"\]$/),
    ]);
  });
});
