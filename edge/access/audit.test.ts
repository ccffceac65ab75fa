import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { hostOf } from "../config/bindings.ts";
import { connectAgent } from "../host/host.fixture.ts";
import { auditTrail, announceTrail } from "../host/audit.fixture.ts";
import { ownerBrowser } from "./machines/machine.fixture.ts";

test("the audit trail is shown newest first, page by page, and whether it is whole", async () => {
  const browser = await ownerBrowser();
  expect(await (await browser.get("/audit")).text()).toContain("There is nothing to show");
  const agent = await connectAgent(hostOf(env));
  await announceTrail(agent);
  const trail = await auditTrail(150, { client: `<script>alert(1)</script>` });
  for (const entries of [trail.slice(0, 100), trail.slice(100)]) {
    agent.send({ type: "audit", entries });
    await agent.expect("audited");
  }
  const page = await (await browser.get("/audit")).text();
  expect(page).toContain("The trail is whole: 150 entries");
  expect(page).toContain(trail.at(-1)?.hash);
  expect(page).not.toContain("<script");
  expect(page.indexOf("150 received")).toBeLessThan(page.indexOf("51 received"));
  const next = /href="(\/audit[^"]*)"\s*>\s*Older/.exec(page)?.[1]?.replaceAll("&amp;", "&") ?? "";
  expect(next).toBe("/audit?host=default&before=51");
  const older = await (await browser.get(next)).text();
  expect(older).toContain("1 received");
  expect(older).not.toContain("Older");

  agent.send({ type: "audit", entries: trail.slice(0, 1) });
  let broken = "";
  while (!broken.includes("The trail is broken")) broken = await (await browser.get("/audit")).text();
  expect(broken).toContain("150 received");

  await announceTrail(agent, "second");
  const [renewed] = await auditTrail(1, { outcome: "anew" });
  agent.send({ type: "audit", entries: renewed === undefined ? [] : [renewed] });
  await agent.expect("audited");
  const begun = await (await browser.get("/audit")).text();
  expect(begun).toMatch(
    new RegExp(
      `A new trail began at 2[^;]*; the one before ended with\\s+entry 150, [^/]*${trail.at(-1)?.hash}`,
    ),
  );
  expect(begun.indexOf("1 received")).toBeLessThan(begun.indexOf("150 received"));
  expect(begun).toContain("The trail is broken");

  for (const path of ["/audit?host=elsewhere", "/audit?before=0", "/audit?before=1e9", "/audit?before=x"]) {
    expect((await browser.get(path)).status).toBe(404);
  }
});
