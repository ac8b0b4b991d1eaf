/** Calls of the archiver's RPC service, and its refusals as problems. */
import type {
  ArchiveBusy,
  ArchiverApi,
  IngestResult,
  InvalidInput,
  QueueUnavailable,
  ReadResult,
  UnknownTable,
  Unreadable,
} from "../../../archiver/src/contract.ts";
import { DeadlineError, invalid, ProblemError, within, type Fault } from "../http/index.ts";

/** Longest wait for one call unless told otherwise, in milliseconds. */
export const ARCHIVER_TIMEOUT_MS = 30_000;

/** Seconds after which a client may try again when nothing better is known. */
const RETRY_AFTER_SECONDS = 5;

type Refused<T> = Extract<T, { readonly ok: false }>;

/** A `Retry-After` header. */
export function retryAfter(seconds: number): Readonly<Record<"retry-after", string>> {
  return { "retry-after": String(Math.max(1, Math.ceil(seconds))) };
}

/** Names of the RPC's fields as the HTTP API spells them. A container is the whole body. */
const HTTP_NAMES: Readonly<Record<string, string>> = {
  "/datasetId": "/dataset_id",
  "/periodTag": "/period_tag",
  "/idempotencyKey": "/idempotency-key",
  "/container": "",
};

const httpFault = (fault: Fault): Fault => ({ ...fault, path: HTTP_NAMES[fault.path] ?? fault.path });

function invalidInput({ faults, faultCount }: InvalidInput): ProblemError {
  return invalid(faults.map(httpFault), faultCount);
}

function unknownTable({ tables }: UnknownTable, table: string): ProblemError {
  return new ProblemError("unknown-table", {
    detail: `There is no table ${JSON.stringify(table)}. There are: ${tables.join(", ")}.`,
    extensions: { tables },
  });
}

/** Exactly what to send again. */
function resend({ accepted, of }: QueueUnavailable, keyed: boolean): string {
  if (keyed) return "Send the same request with the same `Idempotency-Key` again: nothing is stored twice.";
  if (accepted === 0) return "Send the same request again.";
  return `Send only the last ${of - accepted} again, those from \`/records/${accepted}\` on: the others would be stored twice. With an \`Idempotency-Key\` a whole request may be sent again.`;
}

function queueUnavailable(result: QueueUnavailable, keyed: boolean): ProblemError {
  const { accepted, of, retryAfterSeconds } = result;
  const taken =
    accepted === 0 ? `none of the ${of} records` : `the first ${accepted} of ${of} records and no others`;
  return new ProblemError("queue-unavailable", {
    detail: `The ingest queue took ${taken}. ${resend(result, keyed)}`,
    extensions: { accepted, of },
    headers: retryAfter(retryAfterSeconds),
  });
}

/** The problem that a refused upload is for the client. */
export function ingestRefusal(
  result: Refused<IngestResult>,
  { table, idempotencyKey }: { readonly table: string; readonly idempotencyKey?: string | undefined },
): ProblemError {
  switch (result.reason) {
    case "unknown-table":
      return unknownTable(result, table);
    case "invalid":
      return invalidInput(result);
    case "queue-unavailable":
      return queueUnavailable(result, idempotencyKey !== undefined);
    case "idempotency-key-reused":
      return new ProblemError("idempotency-key-reused", {
        detail:
          "Another request came under this `Idempotency-Key` within the last 30 days; nothing was done. Send this one under a key of its own.",
      });
  }
}

/** What mends stored data that cannot be read. Asking again does not. */
const MEND = {
  "block-damaged": "An operator finds all that is damaged with `npm run archive:verify`.",
  "unknown-schema":
    "An operator releases an archiver that has the schema, and looks for more with `npm run archive:verify`.",
} as const;

function unreadable({ code, detail }: Unreadable): ProblemError {
  switch (code) {
    case "block-damaged":
    case "unknown-schema":
      return new ProblemError("unreadable-data", {
        detail: `Stored data cannot be read, and nothing is given in its stead: ${detail}. ${MEND[code]}`,
        extensions: { code },
      });
    case "too-dense":
      return new ProblemError("too-dense", {
        detail: `A page cannot hold what lies at one point of time: ${detail}. Narrow the range with \`from\` and \`to\`; if that does not help, an operator merges the files with \`npm run archive:compact\`.`,
      });
    case "object-missing":
      return new ProblemError("object-missing", {
        detail: `The archive changes while it is read: ${detail}. Try again; if it stays, an operator finds the file with \`npm run archive:verify\`.`,
        headers: retryAfter(RETRY_AFTER_SECONDS),
      });
  }
}

/** The problem that a refused read is for the client. */
export function readRefusal(result: Refused<ReadResult>, table: string): ProblemError {
  switch (result.reason) {
    case "unknown-table":
      return unknownTable(result, table);
    case "invalid":
      return invalidInput(result);
    case "unreadable":
      return unreadable(result);
  }
}

/** The problem that a refused operation of the archive is for the operator. */
export function operationRefusal(result: InvalidInput | ArchiveBusy): ProblemError {
  if (result.reason === "invalid") return invalidInput(result);
  return new ProblemError("archive-busy", {
    detail: "Another run works on the archive; nothing was done. Try again when it is over.",
    headers: retryAfter(result.retryAfterSeconds),
  });
}

/**
 * One call of the archiver, bounded in time. A page's body may take longer than its head.
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
