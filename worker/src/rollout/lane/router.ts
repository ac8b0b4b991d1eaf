/**
 * The lane router: the first middleware of the stable hub. It sends a client's
 * requests to the canary script or lets them pass, and counts what both answer
 * in the same way. A request that fails is never tried twice, but for a read
 * that the stable lane answers in the canary's place.
 */
import type { Next } from "hono";
import { isAdmin } from "../../auth/index.ts";
import type { Env } from "../../env.generated.ts";
import {
  DeadlineError,
  errorFields,
  log,
  ofLength,
  ProblemError,
  reportedNumbers,
  statedLength,
  watchStream,
  type Clock,
  type HubContext,
  type HubMiddleware,
} from "../../http/index.ts";
import { FALLBACK_HEADER, LANE_HEADER, type Lane } from "../contract.ts";
import { readView, rolloutObject, type RolloutNamespace } from "../object/stub.ts";
import type { RolloutView } from "../view.ts";
import { CanaryCall, discard, type CanaryAnswer } from "./canary.ts";
import { chooseLane, clientGroup, clientOf, trafficClass } from "./lane-choice.ts";
import { Observation } from "./observation.ts";
import { Reporter, type Carrier } from "./reporter.ts";
import { routePattern } from "./route-pattern.ts";
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
  const call = new CanaryCall(c, canary, { upload, forced: true, version: null });
  try {
    return (await call.answer()).response;
  } catch (error) {
    throw call.problem(error);
  }
}

/** The same answer, its body watched as it goes; but one that reading would decode, with a length of before that. */
function watched(c: HubContext, answer: Response, lane: Lane, observation: Observation): Response {
  const length = statedLength(answer.headers);
  if (answer.body === null || (length === null && answer.headers.has("content-length"))) return answer;
  const onBreak = (error: unknown): void => {
    log(c.env, "error", "answer-broke-off", { request_id: c.get("requestId"), lane, ...errorFields(error) });
    observation.brokeOff();
  };
  return new Response(ofLength(watchStream(answer.body, { onBreak }, length), length), answer);
}

async function answerFromStable(c: HubContext, next: Next, observation: Observation): Promise<void> {
  try {
    await next();
  } catch (error) {
    observation.failed();
    throw error;
  }
  observation.began(c.res, reportedNumbers(c));
  const answer = watched(c, c.res, "stable", observation);
  if (answer === c.res) return;
  // Set anew and not over the old one, whose headers would all be copied once more.
  c.res = undefined;
  c.res = answer;
}

/** What came of a call of the canary. */
type Outcome =
  | { readonly kind: "answer"; readonly answer: CanaryAnswer }
  | { readonly kind: "exception"; readonly error: unknown };

async function outcomeOf(call: CanaryCall, observation: Observation): Promise<Outcome> {
  try {
    const answer = await call.answer();
    observation.began(answer.response, answer.numbers);
    return { kind: "answer", answer };
  } catch (error) {
    observation.failed(error instanceof DeadlineError);
    return { kind: "exception", error };
  }
}

/** The canary's answer, whatever it is. */
async function answerFromCanary(call: CanaryCall, observation: Observation): Promise<Response> {
  const outcome = await outcomeOf(call, observation);
  if (outcome.kind === "exception") throw call.problem(outcome.error);
  return outcome.answer.response;
}

/** Why the stable lane answers in the canary's place, in the words of `FALLBACK_HEADER`. */
type FallbackReason = "error" | "exception" | "overdue";

/** The canary's answer to a read, or why it is not used; then nothing of it is left behind. */
async function goodAnswerFromCanary(
  c: HubContext,
  call: CanaryCall,
  observation: Observation,
): Promise<Response | FallbackReason> {
  const coming = outcomeOf(call, observation);
  if ((await observation.over) === "overdue") {
    call.abandon();
    return "overdue";
  }
  const outcome = await coming;
  if (outcome.kind === "exception") {
    log(c.env, "error", "canary-exception", {
      request_id: c.get("requestId"),
      ...errorFields(outcome.error),
    });
    return "exception";
  }
  const { response } = outcome.answer;
  if (response.status < 500) return response;
  c.executionCtx.waitUntil(discard(response));
  return "error";
}

function carrier(c: HubContext, rollout: RolloutNamespace): Carrier {
  return {
    send: async (report) => await rolloutObject(rollout).report(report),
    waitUntil: (work) => c.executionCtx.waitUntil(work),
  };
}

/** Whether the stable lane could answer this request a second time: a safe method, and no body that is used up. */
function canFallBack(c: HubContext, view: RolloutView): boolean {
  return view.fallbackReads && trafficClass(c.req.method) === "read" && c.req.raw.body === null;
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
    if (forced === "canary") return await forcedCanary(c, lanes.canary, clock);

    const view = await cache.current(() => readView(lanes.rollout));
    const { id: rolloutId, phase } = view;
    if (rolloutId === null || phase === 0) return await next();

    const traffic = trafficClass(c.req.method);
    const client = clientOf(c.req.raw.headers, c.get("requestId"));
    const lane = chooseLane(view, traffic, client);
    const group = clientGroup(client);
    const key = { lane, traffic, route: routePattern(c) };
    const fallsBack = lane === "canary" && canFallBack(c, view);
    const upload = new Upload(c.req.raw, clock);
    const observation = new Observation({
      clock,
      request: c.req.raw,
      upload,
      overdueMs: view.overdueMs,
      fallsBack,
      note: (delta) =>
        reporter.count({ rolloutId, phase }, key, { ...delta, group }, carrier(c, lanes.rollout)),
    });
    c.executionCtx.waitUntil(observation.counted);

    if (lane === "stable") {
      c.req.raw = upload.request();
      return await answerFromStable(c, next, observation);
    }

    const call = new CanaryCall(c, lanes.canary, { upload, forced: false, version: view.canaryVersion });
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
