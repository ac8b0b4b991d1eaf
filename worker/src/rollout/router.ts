/**
 * The lane router: the first middleware of the stable hub. It sends a client's
 * requests to the canary script or lets them pass, counts what both answer, and
 * never tries a request twice.
 */
import { isAdmin } from "../auth/index.ts";
import type { Env } from "../env.generated.ts";
import {
  DeadlineError,
  errorFields,
  log,
  ProblemError,
  REQUEST_ID_HEADER,
  within,
  type Clock,
  type HubContext,
  type HubMiddleware,
} from "../http/index.ts";
import { LANE_HEADER, VERSION_HEADER, type Lane } from "./contract.ts";
import { chooseLane, clientOf, trafficClass } from "./lane-choice.ts";
import { readView, rolloutObject, type RolloutNamespace } from "./object.ts";
import { Reporter, type Carrier } from "./reporter.ts";
import { watchStream } from "./stream-watch.ts";
import { ViewCache } from "./view-cache.ts";

/** Longest wait for the head of the canary's answer, in milliseconds. */
export const CANARY_TIMEOUT_MS = 30_000;

const UNKNOWN_VERSION = "unknown";

const ADMIN_PATH = /^\/admin(\/|$)/;

interface Lanes {
  readonly canary: Fetcher;
  readonly rollout: RolloutNamespace;
}

/** The bindings of the stable hub; any other Worker of the bundle does not route. */
function lanesOf({ LANE, CANARY, ROLLOUT }: Env): Lanes | null {
  return LANE === "stable" && CANARY !== undefined && ROLLOUT !== undefined
    ? { canary: CANARY, rollout: ROLLOUT }
    : null;
}

/** The lane that an operator asks for, if one does. */
async function forcedLane(c: HubContext): Promise<Lane | null> {
  const wanted = c.req.header(LANE_HEADER);
  if (wanted === undefined) return null;
  if (!(await isAdmin(c.req.raw.headers, c.env))) {
    throw new ProblemError("lane-forbidden", {
      detail: `\`${LANE_HEADER}\` needs the admin token as \`Authorization: Bearer <token>\`. Leave the header out to be sent by the rollout.`,
    });
  }
  if (wanted === "stable" || wanted === "canary") return wanted;
  throw new ProblemError("invalid-lane", {
    detail: `\`${LANE_HEADER}\` may be \`stable\` or \`canary\`, not ${JSON.stringify(wanted)}.`,
  });
}

/** The request as the canary gets it: same body, as a stream. */
function forwarded(c: HubContext, forced: boolean): Request {
  const request = new Request(c.req.raw);
  request.headers.set(REQUEST_ID_HEADER, c.get("requestId"));
  request.headers.delete(LANE_HEADER);
  // The admin token has done its work here.
  if (forced) request.headers.delete("authorization");
  return request;
}

function failure(cause: unknown, version: string): ProblemError {
  const details = {
    detail: "Whether the request took effect is not known; it was not tried again.",
    headers: { [LANE_HEADER]: "canary", [VERSION_HEADER]: version },
    cause,
  };
  return new ProblemError(cause instanceof DeadlineError ? "canary-timeout" : "canary-failed", details);
}

interface Canary {
  readonly fetcher: Fetcher;
  readonly forced: boolean;
  /** What it runs, for an answer that does not say it. */
  readonly version: string | null;
  /** Hears when an answer breaks off after its head. */
  readonly onBreak: () => void;
}

/** The answer's body, watched where it is made as it goes; one of a stated length is passed on as it is. */
function bodyOf(c: HubContext, answer: Response, onBreak: () => void): ReadableStream<Uint8Array> | null {
  if (answer.body === null || answer.headers.has("content-length")) return answer.body;
  return watchStream(answer.body, (error) => {
    log(c.env, "error", "canary-broke-off", { request_id: c.get("requestId"), ...errorFields(error) });
    onBreak();
  });
}

async function answerFromCanary(
  c: HubContext,
  { fetcher, forced, version, onBreak }: Canary,
): Promise<Response> {
  try {
    const answer = await within(CANARY_TIMEOUT_MS, fetcher.fetch(forwarded(c, forced)));
    const marked = new Response(bodyOf(c, answer, onBreak), answer);
    marked.headers.set(LANE_HEADER, "canary");
    if (!marked.headers.has(VERSION_HEADER)) marked.headers.set(VERSION_HEADER, version ?? UNKNOWN_VERSION);
    return marked;
  } catch (error) {
    throw failure(error, version ?? UNKNOWN_VERSION);
  }
}

function carrier(c: HubContext, rollout: RolloutNamespace): Carrier {
  return {
    send: async (report) => await rolloutObject(rollout).report(report),
    waitUntil: (work) => c.executionCtx.waitUntil(work),
  };
}

/** Routes between the lanes; put it before everything that could refuse a request. */
export function laneRouter(clock: Clock): HubMiddleware {
  const cache = new ViewCache(clock);
  const reporter = new Reporter(clock, (view, askedAt) => cache.learn(view, askedAt));

  return async (c, next) => {
    const lanes = lanesOf(c.env);
    if (lanes === null || ADMIN_PATH.test(c.req.path)) return await next();

    const forced = await forcedLane(c);
    if (forced === "stable") return await next();
    if (forced === "canary") {
      return await answerFromCanary(c, {
        fetcher: lanes.canary,
        forced: true,
        version: null,
        onBreak: () => {},
      });
    }

    const view = await cache.current(() => readView(lanes.rollout));
    if (view.id === null) return await next();

    const traffic = trafficClass(c.req.method);
    const lane = chooseLane(view, traffic, clientOf(c.req.raw.headers, c.get("requestId")));
    const count = (failed: boolean, again = false): void =>
      reporter.count(
        { rolloutId: view.id ?? "", phase: view.phase, lane, traffic, failed, again },
        carrier(c, lanes.rollout),
      );

    if (lane === "stable") {
      await next();
      count(c.res.status >= 500);
      return;
    }
    try {
      const answer = await answerFromCanary(c, {
        fetcher: lanes.canary,
        forced: false,
        version: view.canaryVersion,
        onBreak: () => count(true, true),
      });
      count(answer.status >= 500);
      return answer;
    } catch (error) {
      count(true);
      throw error;
    }
  };
}
