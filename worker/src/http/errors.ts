/** Turns whatever a handler throws into a problem document. */
import { HTTPException } from "hono/http-exception";
import type { HubContext } from "./bindings.ts";
import { errorFields, log } from "./log.ts";
import { ProblemError, problemResponse } from "./problems.ts";

const JSON_WANTED = "Send the body as JSON with the header `content-type: application/json`.";

function fromHttpException(error: HTTPException): ProblemError {
  switch (error.status) {
    case 400:
      return new ProblemError("malformed-json", { detail: `${error.message}. ${JSON_WANTED}` });
    case 415:
      return new ProblemError("unsupported-media-type", { detail: JSON_WANTED });
    default:
      return internal(error);
  }
}

function internal(cause: unknown): ProblemError {
  return new ProblemError("internal-error", {
    detail: "Something failed inside the hub. Try again; if it stays, report the request id.",
    cause,
  });
}

/** The problem that an error amounts to; an unexpected one is an internal error. */
export function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof HTTPException) return fromHttpException(error);
  return internal(error);
}

/** Hono's `onError`: logs what is the hub's own fault and answers a problem document. */
export function answerError(error: unknown, c: HubContext): Response {
  const problem = toProblem(error);
  const requestId = c.get("requestId");
  if (problem.status >= 500) {
    log(c.env, "error", "failure", {
      request_id: requestId,
      problem: problem.kind,
      ...errorFields(problem.cause ?? problem),
    });
  }
  return problemResponse(problem, requestId);
}

/** Hono's `notFound`. */
export function answerNotFound(c: HubContext): Response {
  const problem = new ProblemError("not-found", {
    detail: `There is no ${c.req.path}. GET / lists what there is.`,
  });
  return problemResponse(problem, c.get("requestId"));
}

/** For Hono's `methodNotAllowed` middleware. */
export function answerMethodNotAllowed(c: HubContext, methods: readonly string[]): Response {
  const allow = methods.join(", ");
  const problem = new ProblemError("method-not-allowed", {
    detail: `${c.req.path} takes ${allow}.`,
    headers: { allow },
  });
  return problemResponse(problem, c.get("requestId"));
}
