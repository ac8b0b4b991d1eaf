/**
 * The archiver's RPC service as its callers see it. Times are integer
 * milliseconds UTC, sizes are bytes. Expected refusals are values, not throws.
 */

/** One fault of an input, with a JSON Pointer to the value. */
export interface Fault {
  /** For example `/records/3/magnitude`. */
  readonly path: string;
  readonly message: string;
}

export interface IngestRequest {
  /** Tenant whose records these are, 1–128 characters of `A–Z a–z 0–9 _ . : -`. */
  readonly datasetId: string;
  readonly table: string;
  /** Period the records belong to, for example `2026_11_22`; derived from each record's time when absent. */
  readonly periodTag?: string | undefined;
  /**
   * Makes a retry safe: the same records under the same key are stored once,
   * for at least 15 days. Without one, every request is a new one.
   */
  readonly idempotencyKey?: string | undefined;
  /**
   * One request is one queue batch, accepted whole or refused whole: its
   * records encode to at most about 240 KB and fall into at most 100 periods.
   */
  readonly records: readonly unknown[];
}

export type IngestResult =
  | {
      readonly ok: true;
      readonly accepted: number;
      readonly messages: number;
      /** Encoded size of the records. */
      readonly bytes: number;
    }
  | { readonly ok: false; readonly reason: "unknown-table"; readonly tables: readonly string[] }
  | {
      readonly ok: false;
      readonly reason: "invalid";
      /** At most 100; `faultCount` is the whole number. */
      readonly faults: readonly Fault[];
      readonly faultCount: number;
    }
  | { readonly ok: false; readonly reason: "queue-unavailable"; readonly retryAfterSeconds: number };

export interface ReadRequest {
  readonly datasetId: string;
  readonly table: string;
  /** Inclusive. */
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** 1–10,000. A page that meets a bound of its own holds fewer records, even none, and still has a cursor. */
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export type ReadResult =
  | {
      readonly ok: true;
      /** In time order; records of one time in an order that does not change. */
      readonly records: readonly Readonly<Record<string, unknown>>[];
      /** Where to go on; `null` when there is nothing more. It is good for this query only. */
      readonly nextCursor: string | null;
      /** How many of `records` came from D1 and from R2. */
      readonly hot: number;
      readonly cold: number;
      /** R2 range requests made. */
      readonly rangeReads: number;
    }
  | { readonly ok: false; readonly reason: "unknown-table"; readonly tables: readonly string[] }
  | {
      readonly ok: false;
      readonly reason: "invalid";
      readonly faults: readonly Fault[];
      readonly faultCount: number;
    };

export interface ArchiveRunResult {
  /** `false` when another run holds the lease. */
  readonly ran: boolean;
  readonly files: number;
  readonly blocks: number;
  readonly records: number;
  /** Rows of `buffer_logs` that moved. */
  readonly hotRows: number;
  /** Bytes written to R2. */
  readonly coldBytes: number;
  /** Hot rows that were left because a bound of the run was reached. */
  readonly remaining: number;
}

export interface ArchiveStats {
  readonly hot: { readonly rows: number; readonly records: number; readonly bytes: number };
  readonly cold: {
    readonly files: number;
    readonly blocks: number;
    readonly records: number;
    readonly bytes: number;
  };
}

export interface ArchiverHealth {
  readonly version: { readonly id: string; readonly tag: string };
  readonly bindings: Readonly<Record<string, "ok" | string>>;
  readonly tables: readonly string[];
}

/** The `ArchiveService` entrypoint. */
export interface ArchiverApi {
  ingest(request: IngestRequest): Promise<IngestResult>;
  /** Throws when stored data is damaged or missing: a page is whole or not there. */
  read(request: ReadRequest): Promise<ReadResult>;
  archive(): Promise<ArchiveRunResult>;
  stats(): Promise<ArchiveStats>;
  health(): Promise<ArchiverHealth>;
  /** Names of the tables that take records, sorted; asks no storage. */
  tables(): Promise<readonly string[]>;
}
