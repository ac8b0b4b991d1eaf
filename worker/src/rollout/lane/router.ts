/**
 * The lane router: the first middleware of the stable hub. It sends a client's
 * requests to the canary script or lets them pass, and counts what both answer
 * in the same way. A request that fails is never tried twice, but for a read
 * that the stable lane answers in the canary's place. Before phase 1 the canary gets
 * copies of reads only (`mirror.ts`).
 */
import { isAdmin } from "../../auth/index.ts";
import type { Env } from "../../env.generated.ts";
import { log, ProblemError, type Clock, type HubContext, type HubMiddleware } from "../../http/index.ts";
import { COPY_HEADER, FALLBACK_HEADER, LANE_HEADER, type Lane } from "../contract.ts";
import { readView, rolloutObject, type RolloutNamespace } from "../object/stub.ts";
import { CanaryCall } from "./canary.ts";
import { answerFromCanary, answerFromStable, goodAnswerFromCanary, watched } from "./lane-answers.ts";
import { chooseLane, clientGroup, clientOf, isRepeatable, trafficClass } from "./lane-choice.ts";
import { Mirror } from "./mirror.ts";
import { Observation } from "./observation.ts";
import { Reporter, type Carrier } from "./reporter.ts";
import { routePattern } from "./route-pattern.ts";
import type { Delta, SeriesKey } from "./tally.ts";
import { Upload } from "./upload.ts";
import { ViewCache } from "./view-cache.ts";

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

/** The canary's answer as it is, good or bad: an operator wants to see it. */
async function forcedCanary(c: HubContext, canary: Fetcher, clock: Clock): Promise<Response> {
  const upload = new Upload(c.req.raw, clock);
  const call = new CanaryCall(c, canary, { upload, purpose: "forced", version: null });
  try {
    return (await call.answer()).response;
  } catch (error) {
    throw call.problem(error);
  }
}

function carrier(c: HubContext, rollout: RolloutNamespace): Carrier {
  return {
    send: async (report) => await rolloutObject(rollout).report(report),
    waitUntil: (work) => c.executionCtx.waitUntil(work),
  };
}

/** The request without the mark of a copy: that is the router's to give. */
function noCopy(request: Request): Request {
  const own = new Request(request);
  own.headers.delete(COPY_HEADER);
  return own;
}

/** Routes between the lanes; put it before everything that could refuse a request. */
export function laneRouter(clock: Clock): HubMiddleware {
  const cache = new ViewCache(clock);
  const reporter = new Reporter(clock, (view, askedAt) => cache.learn(view, askedAt));
  const mirror = new Mirror(clock);

  return async (c, next) => {
    const lanes = lanesOf(c.env);
    if (lanes === null || ADMIN_PATH.test(c.req.path)) return await next();

    if (c.req.raw.headers.has(COPY_HEADER)) c.req.raw = noCopy(c.req.raw);
    const forced = await forcedLane(c);
    if (forced === "stable") return await next();
    if (forced === "canary") return await forcedCanary(c, lanes.canary, clock);

    const view = await cache.current(() => readView(lanes.rollout));
    const { id: rolloutId, phase } = view;
    if (rolloutId === null || (phase === 0 && !mirror.takes(view, c.req.raw))) return await next();

    const traffic = trafficClass(c.req.method);
    const client = clientOf(c.req.raw.headers, c.get("requestId"));
    const group = clientGroup(client);
    const note = (key: SeriesKey, delta: Delta): void =>
      reporter.count({ rolloutId, phase }, key, { ...delta, group }, carrier(c, lanes.rollout));
    if (phase === 0) {
      const key = { traffic, route: routePattern(c) };
      return await mirror.answer(c, next, { view, canary: lanes.canary, key, note });
    }

    const lane = chooseLane(view, traffic, client);
    const key = { lane, traffic, route: routePattern(c) };
    const fallsBack = lane === "canary" && view.fallbackReads && isRepeatable(c.req.raw);
    const upload = new Upload(c.req.raw, clock);
    const observation = new Observation({
      clock,
      request: c.req.raw,
      upload,
      overdueMs: view.overdueMs,
      fallsBack,
      note: (delta) => note(key, delta),
    });
    c.executionCtx.waitUntil(observation.counted);

    if (lane === "stable") {
      c.req.raw = upload.request();
      return await answerFromStable(c, next, observation);
    }

    const call = new CanaryCall(c, lanes.canary, {
      upload,
      purpose: "answer",
      version: view.canaryVersion,
    });
    const answer = fallsBack
      ? await goodAnswerFromCanary(c, call, observation)
      : await answerFromCanary(call, observation);
    if (typeof answer !== "string") return watched(c, answer, lane, observation);

    log(c.env, "warn", "canary-fallback", { request_id: c.get("requestId"), reason: answer, ...key });
    try {
      await next();
    } catch (error) {
      observation.stoodIn(false);
      throw error;
    }
    observation.stoodIn(c.res.status < 500);
    c.res.headers.set(FALLBACK_HEADER, answer);
  };
}
