/** Calls of the archiver's RPC service, and its refusals as problems. */
import type { ArchiverApi } from "../../../archiver/src/contract.ts";
import { DeadlineError, invalid, ProblemError, within, type Fault } from "../http/index.ts";

/** Longest wait for one call unless told otherwise, in milliseconds. */
export const ARCHIVER_TIMEOUT_MS = 30_000;

/** Seconds after which a client may try again when nothing better is known. */
const RETRY_AFTER_SECONDS = 5;

type Refusal =
  | { readonly ok: false; readonly reason: "unknown-table"; readonly tables: readonly string[] }
  | {
      readonly ok: false;
      readonly reason: "invalid";
      readonly faults: readonly Fault[];
      readonly faultCount: number;
    }
  | { readonly ok: false; readonly reason: "queue-unavailable"; readonly retryAfterSeconds: number };

const retryAfter = (seconds: number) => ({ "retry-after": String(Math.max(1, Math.ceil(seconds))) });

/** Names of the RPC's fields as the HTTP API spells them. */
const HTTP_NAMES: readonly (readonly [rpc: string, http: string])[] = [
  ["/datasetId", "/dataset_id"],
  ["/periodTag", "/period_tag"],
];

function httpFault(fault: Fault): Fault {
  const name = HTTP_NAMES.find(([rpc]) => fault.path === rpc);
  return name === undefined ? fault : { ...fault, path: name[1] };
}

/** The problem that a refusal of the archiver is for the client. */
export function refusal(result: Refusal, table: string): ProblemError {
  switch (result.reason) {
    case "unknown-table":
      return new ProblemError("unknown-table", {
        detail: `There is no table ${JSON.stringify(table)}. There are: ${result.tables.join(", ")}.`,
        extensions: { tables: result.tables },
      });
    case "invalid":
      return invalid(result.faults.map(httpFault), result.faultCount);
    case "queue-unavailable":
      return new ProblemError("queue-unavailable", {
        detail:
          "The ingest queue did not confirm the records. Send the same request later; with the same `Idempotency-Key` they are stored once in any case.",
        headers: retryAfter(result.retryAfterSeconds),
      });
  }
}

/**
 * One call of the archiver, bounded in time.
 * @throws ProblemError `archiver-unavailable` or `archiver-timeout`
 */
export async function callArchiver<T>(
  archiver: ArchiverApi,
  call: (archiver: ArchiverApi) => Promise<T>,
  timeoutMs: number = ARCHIVER_TIMEOUT_MS,
): Promise<T> {
  try {
    return await within(timeoutMs, call(archiver));
  } catch (error) {
    if (error instanceof DeadlineError) {
      throw new ProblemError("archiver-timeout", {
        detail:
          "It is not known whether the archiver did what was asked. A write with an `Idempotency-Key` may be sent again.",
        cause: error,
      });
    }
    throw new ProblemError("archiver-unavailable", {
      detail:
        "The call of the archiver failed, and what it did before is not known. Try again later; a write with an `Idempotency-Key` is stored once in any case.",
      headers: retryAfter(RETRY_AFTER_SECONDS),
      cause: error,
    });
  }
}
