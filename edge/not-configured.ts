import { html } from "hono/html";
import { TwsError } from "../shared/errors.ts";
import { page } from "./access/pages/layout.ts";

/** What an edge answers that is not fully configured: which variables are wrong, as a page for a browser and as JSON otherwise. */
export async function notConfigured(request: Request, problems: readonly string[]): Promise<Response> {
  const answer = wantsPage(request) ? await asPage(problems) : asJson(problems);
  answer.headers.append("Vary", "Accept");
  return answer;
}

const wantsPage = (request: Request): boolean =>
  /\btext\/html\b/i.test(request.headers.get("Accept") ?? "") &&
  (request.method === "GET" || request.method === "HEAD");

const asPage = (problems: readonly string[]): Promise<Response> =>
  page({
    title: "Not configured",
    status: 503,
    body: html`<p>This edge is not fully configured, so it serves nothing.</p>
      <ul>
        ${problems.map((problem) => html`<li>${problem}</li>`)}
      </ul>
      <p>
        Its owner corrects these variables and deploys it again. <code>docs/operating.md</code> has the
        commands, under “Deploying the edge”.
      </p>`,
  });

function asJson(problems: readonly string[]): Response {
  const error = new TwsError("forbidden", "This edge is not fully configured, so it serves nothing.", {
    nextStep: "The owner corrects the variables named in problems.",
  });
  return Response.json({ error: error.toBody(), problems }, { status: 503 });
}
