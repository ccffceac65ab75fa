import type { OwnerAnswer, OwnerRequest } from "../../shared/approval.ts";
import { toErrorBody } from "../../shared/errors.ts";
import type { AgentFrame, EdgeFrame } from "../../shared/protocol.ts";
import type { Log } from "../process/log.ts";
import type { Orders } from "../orders/orders.ts";

type OwnerFrame = Extract<EdgeFrame, { type: "owner" }>;

/** What the edge's pages for the owner may ask of the agent. Nothing here loosens a limit. */
export function createOwnerRequests(
  { approvals, killSwitch }: Pick<Orders, "approvals" | "killSwitch">,
  log: Log,
) {
  function apply(request: OwnerRequest): void {
    switch (request.kind) {
      case "owner":
        return;
      case "decide":
        return approvals.decide(request.approvalId, request.digest, request.decision, "page");
      case "freeze":
        killSwitch.freeze("page", request.reason);
        return;
      case "unfreeze":
        return killSwitch.unfreeze("page");
      default:
        request satisfies never;
    }
  }

  return {
    /** The answer to one frame; never throws. */
    answer({ id, request }: OwnerFrame): AgentFrame {
      try {
        apply(request);
        const output: OwnerAnswer = { approvals: approvals.pending(), at: approvals.place };
        log.info("owner", { kind: request.kind });
        return { type: "result", id, output: { ...output } };
      } catch (thrown) {
        const error = toErrorBody(thrown, (errorId, unexpected) =>
          log.error("owner.failed", { errorId, error: unexpected }),
        );
        return { type: "error", id, error };
      }
    },
  };
}
