import { reset, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll } from "vitest";
import { signingObject } from "./rpc/session.ts";

/** Each file of tests begins with a deployment that nobody has used; the Worker itself goes on, as between two requests. */
beforeAll(async () => {
  // the Worker remembers for a while what it signs with
  const keeper = () => env.MCP_SESSION.getByName(signingObject);
  const secret = await keeper().signingSecret();
  await reset();
  await runInDurableObject(keeper(), (_, { storage }) => storage.put("secret", secret));
});
