import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { audit } from "./audit.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** What the audit says of a project with one package, by a registry that answers like this. */
async function auditAt(answer: RequestListener) {
  const folder = mkdtempSync(join(tmpdir(), "tws-edge-audit-"));
  closers.push(() => rmSync(folder, { recursive: true }));
  const project = { name: "audited", version: "1.0.0", dependencies: { thing: "1.0.0" } };
  const packages = { "": project, "node_modules/thing": { version: "1.0.0" } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(project));
  writeFileSync(
    join(folder, "package-lock.json"),
    JSON.stringify({ ...project, lockfileVersion: 3, packages }),
  );
  const server = createServer(answer).listen(0, "127.0.0.1");
  closers.push(() => server.close().closeAllConnections());
  await once(server, "listening");
  const address = server.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const cache = join(folder, "cache");
  return audit(folder, [`--registry=http://127.0.0.1:${port}`, `--cache=${cache}`, "--fetch-retries=0"]);
}

/** A registry that knows of one vulnerability, or of none. */
const registryWith =
  (severity: string | null): RequestListener =>
  ({ url }, response) => {
    const advisory = {
      id: 1,
      url: "https://advisories.example/1",
      title: "A fault",
      severity,
      vulnerable_versions: "*",
    };
    const isAsked = url?.includes("/advisories/bulk") === true;
    const found = severity === null ? {} : { thing: [advisory] };
    const known = { name: "thing", versions: { "1.0.0": { name: "thing", version: "1.0.0" } } };
    response.setHeader("Content-Type", "application/json").end(JSON.stringify(isAsked ? found : known));
  };

test("passes, and says so, where no package has a known vulnerability", async () => {
  expect(await auditAt(registryWith(null))).toEqual({
    words: "No package has a known vulnerability.",
    exitCode: 0,
  });
});

test("fails on a vulnerability, and tells of a low one without failing", async () => {
  expect(await auditAt(registryWith("high"))).toMatchObject({
    words: expect.stringContaining("1 high"),
    exitCode: 1,
  });
  expect(await auditAt(registryWith("low"))).toMatchObject({
    words: expect.stringContaining("1 low"),
    exitCode: 0,
  });
});

test("says that nothing was checked where the registry has no audit endpoint, and fails where it is broken", async () => {
  const refusal = (status: number) => auditAt((_, response) => void response.writeHead(status).end());
  expect(await refusal(405)).toMatchObject({
    words: expect.stringContaining("Not checked: the registry has no audit endpoint"),
    exitCode: 0,
  });
  expect(await refusal(500)).toMatchObject({ exitCode: 1 });
});
