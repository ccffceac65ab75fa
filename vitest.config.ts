import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** The variables under which the edge asks everyone to sign in; the passphrase is "correct horse battery staple". */
const signIn = {
  AUTH: "on",
  PUBLIC_URL: "https://tws.example",
  SECURITY_CONTACT: "mailto:security@tws.example",
  OWNER_PASSPHRASE_HASH: "pbkdf2$100000$ZTHFPZwUdN6T4MWs2fU7Rw$sxx3Xn-fOGv44ucyiBmat78Ex10JoemsFh3ZQJL_sMA",
};

/** The web as the edge's tests see it: every address describes an application, but one that sends elsewhere. */
function web({ url }: { readonly url: string }): Response {
  if (url === "https://app.example/moved.json") {
    return Response.redirect("https://app.example/inside.json", 302);
  }
  return Response.json({
    client_id: url.replace("/inside.json", "/moved.json"),
    client_name: "Described application",
    redirect_uris: ["https://app.example/callback", "https://client.example/callback"],
    token_endpoint_auth_method: "none",
  });
}

/** Files that run a minute and more, the longest first. */
const longest = [/chaos\/randomised-run/, /crash-matrix/, /journal-commands/, /e2e\/(load|guides|confirmed)/];

/** On a fresh checkout no times are known, and the longest files would come last, each alone. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const index = longest.findIndex((pattern) => pattern.test(moduleId));
      return index === -1 ? longest.length : index;
    };
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other));
  }
}

/** Two runtimes: the edge's tests run inside workerd, with sign-in or without it, and everything else on Node. */
export default defineConfig({
  test: {
    // most tests wait for sockets and programs: three at a time keep two cores busy
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // a deployment that is forgotten between two files cuts off what the first has left under way, and nothing else does
    onUnhandledError: ({ message }) => message !== "Application called deleteAllDurableObjects().",
    projects: [
      {
        test: {
          name: "node",
          environment: "node",
          // no module of ours keeps anything between tests, and reading them all anew for each file takes half the time
          isolate: false,
          include: ["shared/**/*.test.ts", "agent/**/*.test.ts", "docs/**/*.test.ts"],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        plugins: [cloudflareTest({ wrangler: { configPath: "./wrangler.toml" } })],
        test: {
          name: "workerd",
          isolate: false,
          setupFiles: ["edge/deployment.fixture.ts"],
          include: ["edge/**/*.test.ts"],
          exclude: ["edge/access/**"],
          testTimeout: 30_000,
        },
      },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: { bindings: signIn, outboundService: web },
          }),
        ],
        test: {
          name: "access",
          isolate: false,
          setupFiles: ["edge/deployment.fixture.ts"],
          include: ["edge/access/**/*.test.ts"],
          testTimeout: 30_000,
        },
      },
    ],
  },
});
