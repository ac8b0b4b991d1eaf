/**
 * Every way in which the hub refuses or fails, as RFC 9457 problem documents.
 * A `type` never changes its meaning: clients may branch on it.
 */
import type { ContentfulStatusCode } from "hono/utils/http-status";

interface ProblemClass {
  readonly status: ContentfulStatusCode;
  readonly title: string;
}

export const PROBLEMS = {
  "malformed-json": { status: 400, title: "The body is not JSON" },
  "upload-broken-off": { status: 400, title: "The body broke off" },
  "invalid-lane": { status: 400, title: "There is no such lane" },
  unauthenticated: { status: 401, title: "A valid credential is needed" },
  "lane-forbidden": { status: 403, title: "Only an operator may choose a lane" },
  "not-found": { status: 404, title: "There is nothing at this address" },
  "unknown-table": { status: 404, title: "There is no such table" },
  "unknown-rollout": { status: 404, title: "There is no such rollout" },
  "unknown-file": { status: 404, title: "There is no such archive file" },
  "no-rollout-here": { status: 404, title: "This Worker does not keep the rollout" },
  "method-not-allowed": { status: 405, title: "This address does not take that method" },
  "not-acceptable": { status: 406, title: "There is no answer of that kind" },
  "archive-busy": { status: 409, title: "Another run works on the archive" },
  "rollout-active": { status: 409, title: "Another rollout is active" },
  "rollout-not-active": { status: 409, title: "The rollout has ended" },
  "rollout-wrong-phase": { status: 409, title: "The rollout is not in that phase" },
  "rollout-failing": { status: 409, title: "The canary fails" },
  "rollout-needs-approval": { status: 409, title: "The phase needs an approval" },
  "rollout-not-promoting": { status: 409, title: "The rollout is not at its promotion" },
  "rollout-not-safe": { status: 409, title: "It is not safe" },
  "rollout-out-of-order": { status: 409, title: "Something else comes first" },
  "webhook-key-missing": { status: 409, title: "The hub cannot sign webhooks" },
  "body-too-large": { status: 413, title: "The body is too large" },
  "unsupported-media-type": { status: 415, title: "The body is of a kind that is not taken here" },
  "idempotency-key-reused": { status: 422, title: "The idempotency key came with another request before" },
  "not-an-archive-file": { status: 422, title: "The object is no archive file, or a damaged one" },
  "too-dense": { status: 422, title: "Too much lies at one point of time" },
  invalid: { status: 422, title: "The input does not fit" },
  "internal-error": { status: 500, title: "The hub failed" },
  "unreadable-data": { status: 500, title: "Stored data cannot be read" },
  "canary-failed": { status: 502, title: "The canary gave no answer" },
  "not-configured": { status: 503, title: "The hub lacks a secret" },
  "queue-unavailable": { status: 503, title: "Records cannot be taken right now" },
  "object-missing": { status: 503, title: "An object of the archive is not there right now" },
  "archiver-unavailable": { status: 503, title: "The archiver cannot be reached" },
  "rollout-unavailable": { status: 503, title: "The rollout object cannot be reached" },
  "history-unavailable": { status: 503, title: "The history cannot be read right now" },
  "archiver-timeout": { status: 504, title: "The archiver did not answer in time" },
  "canary-timeout": { status: 504, title: "The canary did not answer in time" },
} as const satisfies Readonly<Record<string, ProblemClass>>;

export type ProblemKind = keyof typeof PROBLEMS;

export interface ProblemDetails {
  /** What happened this time, and how to mend it. Reaches the client. */
  readonly detail: string;
  /** Members beside those of RFC 9457. */
  readonly extensions?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Reaches the log only. */
  readonly cause?: unknown;
}

/** The stable identifier of a problem. */
export function problemType(kind: ProblemKind): string {
  return `urn:strata:problem:${kind}`;
}

/** Thrown by handlers and middleware; answered as a problem document. */
export class ProblemError extends Error {
  readonly kind: ProblemKind;
  readonly extensions: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(kind: ProblemKind, details: ProblemDetails) {
    super(details.detail, { cause: details.cause });
    this.name = "ProblemError";
    this.kind = kind;
    this.extensions = details.extensions ?? {};
    this.headers = details.headers ?? {};
  }

  get status(): ContentfulStatusCode {
    return PROBLEMS[this.kind].status;
  }
}

/** The answer that tells a client of a problem. */
export function problemResponse(problem: ProblemError, requestId: string): Response {
  const { status, title } = PROBLEMS[problem.kind];
  const document = {
    ...problem.extensions,
    type: problemType(problem.kind),
    title,
    status,
    detail: problem.message,
    request_id: requestId,
  };
  return new Response(JSON.stringify(document), {
    status,
    headers: {
      ...problem.headers,
      "content-type": "application/problem+json",
      "cache-control": "no-store",
    },
  });
}
