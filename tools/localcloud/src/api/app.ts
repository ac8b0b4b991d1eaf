import { Hono, type MiddlewareHandler } from "hono";
import type { Control } from "./control.ts";
import { type D1Imports, d1UploadRoutes } from "./d1-import.ts";
import { StoreRefusal } from "../runtime/contract.ts";
import { type D1Exports, d1DownloadRoutes } from "./d1-export.ts";
import { d1Routes } from "./d1.ts";
import { deploymentRoutes } from "./deployments.ts";
import { failure } from "./envelope.ts";
import { ApiError, CODE, notImplemented } from "./errors.ts";
import { faultRoutes } from "./fault-routes.ts";
import { Faults } from "./faults.ts";
import { identityRoutes } from "./identity.ts";
import { kvRoutes } from "./kv.ts";
import { localRoutes } from "./local.ts";
import { queueRoutes } from "./queues.ts";
import { r2Routes } from "./r2.ts";
import { scriptRoutes } from "./scripts.ts";
import { secretRoutes } from "./secrets.ts";
import { serviceRoutes } from "./services.ts";
import { tailRoutes, Tails } from "./tails.ts";
import { triggerRoutes } from "./triggers.ts";
import { versionRoutes } from "./versions.ts";
import { workerRoutes } from "./workers.ts";

/** Where Cloudflare's API is served. */
export const API_PATH = "/client/v4";

const MAX_UNKNOWN_CALLS = 1000;
const LOOPBACK_HOST = /^(127(\.\d+){3}|localhost|\[::1\])$/;

/** Every call bears the token that was chosen at start. */
function authenticate(control: Control): MiddlewareHandler {
  return async (c, next) => {
    const header = c.req.header("authorization");
    if (header === undefined) {
      throw new ApiError(401, CODE.NOT_AUTHENTICATED, "Authentication error");
    }
    if (header !== `Bearer ${control.apiToken}`) {
      throw new ApiError(401, CODE.INVALID_TOKEN, "Invalid access token");
    }
    await next();
  };
}

/** The token is good for one account only. */
function ownAccountOnly(control: Control): MiddlewareHandler {
  return async (c, next) => {
    if (c.req.param("account") !== control.accountId) {
      throw new ApiError(403, CODE.INVALID_TOKEN, "Unauthorized to access requested resource");
    }
    await next();
  };
}

/**
 * Keeps web pages out, of the API too, whose default token is public: a page of another
 * origin says so in `Origin`, one that rebinds a name to loopback says so in `Host`.
 */
function loopbackOnly(): MiddlewareHandler {
  return async (c, next) => {
    const origin = c.req.header("origin");
    const host = c.req.header("host");
    const hosts = [
      host === undefined ? new URL(c.req.url).hostname : hostOf(`http://${host}`),
      ...(origin === undefined ? [] : [hostOf(origin)]),
    ];
    if (!hosts.every((host) => LOOPBACK_HOST.test(host))) {
      throw new ApiError(403, CODE.NOT_AUTHENTICATED, "only loopback may call this");
    }
    await next();
  };
}

/** The code of the product whose store refused a key, a value or an option. */
function storeCode(path: string): number {
  return path.includes("/r2/") ? CODE.R2_INVALID : CODE.KV_INVALID;
}

function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).hostname : origin;
}

/** What the API shares with the server that it is reached through. */
export interface Connections {
  readonly faults: Faults;
  readonly tails: Tails;
}

export function connections(control: Control): Connections {
  return { faults: new Faults(), tails: new Tails(control) };
}

/** The whole HTTP surface: Cloudflare's API under `/client/v4`, the local cloud's own under `/__local` and `/__faults`. */
export function createApi(control: Control, { faults, tails } = connections(control)): Hono {
  const app = new Hono();
  const imports: D1Imports = new Map();
  const exports: D1Exports = new Map();

  app.onError((error, c) => {
    if (error instanceof ApiError) {
      return failure(c, error);
    }
    if (error instanceof StoreRefusal) {
      return failure(c, new ApiError(400, storeCode(c.req.path), error.message));
    }
    control.log(`${c.req.method} ${c.req.path} failed: ${error.stack ?? error.message}`);
    return failure(c, new ApiError(500, CODE.INTERNAL, `Internal error: ${error.message}`));
  });

  app.notFound((c) => {
    const call = `${c.req.method} ${c.req.path}`;
    control.log(`not implemented: ${call}`);
    control.unknownCalls.push({ method: c.req.method, path: c.req.path, at: control.now() });
    control.unknownCalls.splice(0, control.unknownCalls.length - MAX_UNKNOWN_CALLS);
    return failure(c, notImplemented(call));
  });

  app.use(loopbackOnly());
  app.route("/", d1UploadRoutes(imports));
  app.route("/", d1DownloadRoutes(control, exports));
  app.route("/", localRoutes(control));
  app.route("/", faultRoutes(faults));

  app.use(`${API_PATH}/*`, authenticate(control));
  app.use(`${API_PATH}/accounts/:account/*`, ownAccountOnly(control));
  app.route(API_PATH, identityRoutes(control));

  const account = new Hono();
  for (const routes of [
    kvRoutes(control),
    d1Routes(control, imports, exports),
    r2Routes(control),
    queueRoutes(control),
    scriptRoutes(control),
    serviceRoutes(control),
    versionRoutes(control),
    deploymentRoutes(control),
    secretRoutes(control),
    triggerRoutes(control),
    tailRoutes(control, tails),
    workerRoutes(control),
  ]) {
    account.route("/", routes);
  }
  app.route(`${API_PATH}/accounts/:account`, account);
  return app;
}
