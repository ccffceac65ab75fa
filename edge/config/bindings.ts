import { defaultHostId } from "../../shared/caller.ts";
import type { AccessRpc } from "../rpc/access.ts";
import type { HostRpc } from "../rpc/host.ts";
import type { SessionRpc } from "../rpc/session.ts";
import type { Variables } from "./settings.ts";

/** The methods of an object that the runtime calls: `fetch` for its stub, `alarm` at the time that was set. */
interface Handlers extends Rpc.DurableObjectBranded {
  fetch(request: Request): Promise<Response>;
  alarm(): Promise<void>;
}

/** The objects that keep a contract, whichever class they are of. */
type ObjectsOf<Contract> = DurableObjectNamespace<Contract & Handlers>;

declare global {
  // the runtime's own name for the bindings; tests see them by it too
  namespace Cloudflare {
    interface Env extends Variables {
      TWS_HOST_OBJECT: ObjectsOf<HostRpc>;
      MCP_SESSION: ObjectsOf<SessionRpc>;
      ACCESS: ObjectsOf<AccessRpc>;
    }
  }
}

/** Bindings and variables, as the runtime gives them. */
export type Env = Cloudflare.Env;

/** The object of a TWS host. */
export const hostOf = (env: Env, hostId: string = defaultHostId) => env.TWS_HOST_OBJECT.getByName(hostId);

/** The object that knows who may come in. */
export const accessOf = (env: Env) => env.ACCESS.getByName("access");
