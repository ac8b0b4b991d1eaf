/** How a lane answers one request while it is observed. */
import type { Next } from "hono";
import {
  DeadlineError,
  errorFields,
  log,
  ofLength,
  reportedNumbers,
  statedLength,
  watchStream,
  type HubContext,
} from "../../http/index.ts";
import type { Lane } from "../contract.ts";
import { discard, type CanaryAnswer, type CanaryCall } from "./canary.ts";
import type { Observation } from "./observation.ts";

/** An answer that broke off in the middle of its body. */
export function bodyBroke(c: HubContext, lane: Lane, observation: Observation, error: unknown): void {
  log(c.env, "error", "answer-broke-off", { request_id: c.get("requestId"), lane, ...errorFields(error) });
  observation.brokeOff();
}

/** The same answer, its body watched as it goes; but one that reading would decode, with a length of before that. */
export function watched(c: HubContext, answer: Response, lane: Lane, observation: Observation): Response {
  const length = statedLength(answer.headers);
  if (answer.body === null || (length === null && answer.headers.has("content-length"))) return answer;
  const onBreak = (error: unknown): void => bodyBroke(c, lane, observation, error);
  return new Response(ofLength(watchStream(answer.body, { onBreak }, length), length), answer);
}

export async function answerFromStable(c: HubContext, next: Next, observation: Observation): Promise<void> {
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
export async function answerFromCanary(call: CanaryCall, observation: Observation): Promise<Response> {
  const outcome = await outcomeOf(call, observation);
  if (outcome.kind === "exception") throw call.problem(outcome.error);
  return outcome.answer.response;
}

/** Why the stable lane answers in the canary's place, in the words of `FALLBACK_HEADER`. */
export type FallbackReason = "error" | "exception" | "overdue";

/** The canary's answer to a read, or why it is not used; then nothing of it is left behind. */
export async function goodAnswerFromCanary(
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
