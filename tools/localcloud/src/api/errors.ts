import type { ContentfulStatusCode } from "hono/utils/http-status";

/**
 * Cloudflare's error codes, as its clients branch on them. Where a code was not
 * to be found in public, the product's general one stands.
 */
export const CODE = {
  UNKNOWN_ENDPOINT: 501,
  INTERNAL: 1101,
  MALFORMED_JSON: 6007,
  INVALID_REQUEST: 7400,
  NOT_AUTHENTICATED: 10000,
  INVALID_TOKEN: 9109,

  KV_KEY_NOT_FOUND: 10009,
  KV_INVALID: 10019,
  KV_NAMESPACE_NOT_FOUND: 10013,
  KV_TITLE_EXISTS: 10014,

  D1_NOT_FOUND: 7404,
  D1_SQL_ERROR: 7500,
  D1_NAME_EXISTS: 7502,

  R2_BUCKET_EXISTS: 10004,
  R2_INVALID_NAME: 10005,
  R2_BUCKET_NOT_FOUND: 10006,
  R2_KEY_NOT_FOUND: 10007,
  R2_BUCKET_NOT_EMPTY: 10008,
  R2_INVALID: 10001,

  QUEUE_NOT_FOUND: 11000,
  QUEUE_CONSUMER_NOT_FOUND: 11001,
  QUEUE_INVALID: 11003,
  QUEUE_HAS_CONSUMER: 11004,
  QUEUE_NAME_TAKEN: 11009,

  WORKER_INVALID: 10001,
  WORKER_NOT_FOUND: 10007,
  WORKER_NAME_REFUSED: 10016,
  /** The upload's metadata or its code: workerd's own sentence follows. */
  WORKER_VALIDATION: 10021,
  WORKER_TOO_LARGE: 10027,
  BINDING_NOT_FOUND: 10056,
  INVALID_INHERIT: 10057,
  CLASS_NOT_CONFIGURED: 10061,
  /** A new version lacks a class of which there are Durable Objects. */
  CLASS_DROPPED: 10064,
  /** A migration makes a class that the code does not export. */
  CLASS_NOT_EXPORTED: 10070,
  CLASS_EXISTS: 10074,
  MIGRATION_TAG_MISMATCH: 10079,
  SERVICE_NOT_FOUND: 10090,
  WORKER_IN_USE: 10091,
  CRON_INVALID: 10100,
  BOUND_KV_NOT_FOUND: 10041,
  BOUND_R2_NOT_FOUND: 10085,
  BOUND_SERVICE_NOT_FOUND: 10144,
  BOUND_D1_NOT_FOUND: 10181,
  /** A Durable Object migration came with `versions upload`, or a deployment goes back past one. */
  CLASS_LIFECYCLE: 10211,
  /** A secret cannot be edited while the latest version is not what is deployed. */
  LATEST_NOT_DEPLOYED: 10215,
  /** A rollback would change secrets; `?force=true` accepts that. */
  SECRETS_CHANGED: 10220,
  VERSION_NOT_FOUND: 10222,
} as const;

/** A refusal, in the API's terms: becomes `{success: false, errors: [{code, message}]}`. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: ContentfulStatusCode;
  readonly code: number;

  constructor(status: ContentfulStatusCode, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Something that Cloudflare has and the local cloud does not run. */
export function notImplemented(what: string): ApiError {
  return new ApiError(501, CODE.UNKNOWN_ENDPOINT, `the local cloud does not implement ${what}`);
}

export function workerNotFound(name: string): ApiError {
  return new ApiError(404, CODE.WORKER_NOT_FOUND, `This Worker does not exist on your account: ${name}`);
}
