import { isLegacyRequest } from "@modelcontextprotocol/server";
import { isJsonObject, type JsonObject, rpcCodes, rpcError } from "./message.ts";

/** The one revision served that has batches; a client of a later one names it in a header. */
const batchVersion = "2025-03-26";

/** Maximum messages in one batch. */
const mostInBatch = 20;

/** The answer that refuses a batch as a whole; null for one that is served. */
export async function refuseBatch(
  request: Request,
  messages: readonly JsonObject[],
): Promise<Response | null> {
  const version = request.headers.get("mcp-protocol-version")?.trim() ?? batchVersion;
  if (version !== batchVersion)
    return refused(`Batches are served to clients of ${batchVersion} alone: send one message in each POST.`);
  if (messages.length === 0) return refused("A batch has at least one message.");
  if (messages.length > mostInBatch) return refused(`A batch has at most ${mostInBatch} messages.`);
  if (messages.some(({ method }) => method === "initialize"))
    return refused("initialize is sent alone: no session can be part of a batch.");
  for (const message of messages)
    if (!(await isLegacyRequest(request, message)))
      return refused(`A message of a batch claims another revision than ${batchVersion}.`);
  return null;
}

const refused = (message: string): Response => rpcError(400, rpcCodes.invalidRequest, message);

/** The answers to the messages of a batch as one; notifications have none, and of those alone there is no body. */
export async function joinAnswers(responses: readonly Response[]): Promise<Response> {
  const answers: JsonObject[] = [];
  for (const response of responses) {
    const body: unknown = response.status === 202 ? null : await response.json();
    if (isJsonObject(body)) answers.push(body);
  }
  return answers.length === 0 ? new Response(null, { status: 202 }) : Response.json(answers);
}
