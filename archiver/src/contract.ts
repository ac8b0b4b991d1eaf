/**
 * The archiver's RPC service as its callers see it. Times are integer
 * milliseconds UTC, sizes are bytes. Expected refusals are values, not throws.
 */
import type { BackgroundOrder, BackgroundTally } from "./background/contract.ts";

export type * from "./background/contract.ts";

/** One fault of an input, with a JSON Pointer to the value. */
export interface Fault {
  /** For example `/records/3/magnitude`. */
  readonly path: string;
  readonly message: string;
}

/** The input is wrong; nothing was done. */
export interface InvalidInput {
  readonly ok: false;
  readonly reason: "invalid";
  /** At most 100; `faultCount` is the whole number. */
  readonly faults: readonly Fault[];
  readonly faultCount: number;
}

/** The table takes no records; `tables` do. */
export interface UnknownTable {
  readonly ok: false;
  readonly reason: "unknown-table";
  readonly tables: readonly string[];
}

/** Another run works on the archive; nothing was done. */
export interface ArchiveBusy {
  readonly ok: false;
  readonly reason: "archive-busy";
  readonly retryAfterSeconds: number;
}

/** What an operation took of D1, R2 and the CPU: what it is billed by. */
export interface Spend {
  /** D1 statements, each of a batch counted. */
  readonly d1Queries: number;
  readonly d1RowsRead: number;
  readonly d1RowsWritten: number;
  /** R2 operations that change or list: put, list, each step of a multipart upload. Deleting is free. */
  readonly r2ClassA: number;
  /** R2 operations that read: get, head. */
  readonly r2ClassB: number;
  readonly r2BytesRead: number;
  readonly r2BytesWritten: number;
  /** Bytes of records that were compressed, and that were decompressed. */
  readonly compressedBytes: number;
  readonly decompressedBytes: number;
}

/** Whose records they are and where they belong. */
interface IngestTarget {
  /** Tenant whose records these are, 1–128 characters of `A–Z a–z 0–9 _ . : -`. */
  readonly datasetId: string;
  readonly table: string;
  /** Period the records belong to, for example `2026_11_22`; derived from each record's time when absent. */
  readonly periodTag?: string | undefined;
  /**
   * Makes a retry safe: the same request under the same key is stored once and
   * answered as it was the first time, for 30 days. Without one, every request
   * is a new one.
   */
  readonly idempotencyKey?: string | undefined;
}

export interface IngestRecords extends IngestTarget {
  readonly records: readonly unknown[];
}

export interface IngestContainer extends IngestTarget {
  /** An Avro object container file whose writer schema is a published version of the table's. */
  readonly container: Uint8Array;
}

export type IngestRequest = IngestRecords | IngestContainer;

export interface Ingested {
  readonly ok: true;
  readonly accepted: number;
  readonly messages: number;
  /** Encoded size of the records. */
  readonly bytes: number;
  /** The idempotency key was known: this is the answer of the first request. */
  readonly replayed: boolean;
}

/** The queue refused. The first `accepted` of `of` records are in it, the others are not. */
export interface QueueUnavailable {
  readonly ok: false;
  readonly reason: "queue-unavailable";
  readonly retryAfterSeconds: number;
  readonly accepted: number;
  readonly of: number;
}

/** The idempotency key came with another request before. */
export interface KeyReused {
  readonly ok: false;
  readonly reason: "idempotency-key-reused";
}

export type IngestResult = Ingested | UnknownTable | InvalidInput | QueueUnavailable | KeyReused;

/** `json`: one array of records. `ndjson`: one record a line. `ocf`: an Avro object container file in the newest schema. */
export type ReadFormat = "json" | "ndjson" | "ocf";

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
  readonly format: ReadFormat;
  /** Entity tags that the caller has, as `If-None-Match` lists them. */
  readonly ifNoneMatch?: string | undefined;
}

/** What a page is made of. */
export interface PageInfo {
  /** Where to go on; `null` when there is nothing more. It is good for this query only. */
  readonly nextCursor: string | null;
  /** How many records came from D1 and from R2. */
  readonly hot: number;
  readonly cold: number;
  /** R2 range requests made, and the bytes that they brought. */
  readonly rangeReads: number;
  readonly coldBytes: number;
  /** Blocks of the range whose object is lost (see `ArchiveStats`); their records are not in the page. */
  readonly lostBlocks: number;
}

export interface Page extends PageInfo {
  readonly ok: true;
  readonly modified: true;
  /** The records in the format asked for, in time order; records of one time in an order that does not change. */
  readonly body: ReadableStream<Uint8Array>;
  /** Strong entity tag, with its quotes; `null` where none can be given. */
  readonly etag: string | null;
}

/** The caller has this page already. */
export interface PageNotModified {
  readonly ok: true;
  readonly modified: false;
  readonly etag: string;
}

/** What the index promises cannot be read. No record is given in its stead. */
export interface Unreadable {
  readonly ok: false;
  readonly reason: "unreadable";
  /**
   * `object-missing`: the object that the index names is not there at this
   * moment. `too-dense`: more than a page may load lies at one place of time.
   */
  readonly code: "block-damaged" | "unknown-schema" | "too-dense" | "object-missing";
  /** Names the file and the block. */
  readonly detail: string;
}

export type ReadResult = Page | PageNotModified | UnknownTable | InvalidInput | Unreadable;

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
  /** Hot rows older than the hot window that were left because a bound of the run was reached. */
  readonly remaining: number;
  readonly spent: Spend;
}

export interface CompactionRequest {
  /** Merge periods that are still open, too. */
  readonly force?: boolean | undefined;
}

export interface CompactionResult {
  /** `false` when another run holds the lease. */
  readonly ran: boolean;
  /** Merges that were done, and that were left because a bound was reached. */
  readonly merges: number;
  readonly remaining: number;
  readonly records: number;
  readonly filesBefore: number;
  readonly filesAfter: number;
  readonly blocksBefore: number;
  readonly blocksAfter: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly spent: Spend;
}

/** What was cleared away. */
export interface RetentionResult {
  /** `false` when another run holds the lease. */
  readonly ran: boolean;
  /** Files past their expiry. */
  readonly expiredFiles: number;
  readonly expiredRecords: number;
  /** Files that a compaction or an erasure has replaced and whose grace is over. */
  readonly replacedFiles: number;
  readonly deletedBytes: number;
  /** Objects that no file of the manifest names. */
  readonly orphans: number;
  /** Files whose object was found missing; reads go on without them and say so. */
  readonly lostFiles: number;
  /** Ids of archived messages and idempotency keys that were forgotten. */
  readonly forgotten: number;
  readonly spent: Spend;
}

/** What became of an erasure. */
export interface ErasureReceipt {
  readonly id: string;
  readonly datasetId: string;
  /** From the first answer on no read finds anything; `running` until no object holds anything either. */
  readonly state: "running" | "done";
  readonly requestedAt: number;
  readonly completedAt: number | null;
  readonly hotRows: number;
  readonly hotRecords: number;
  readonly coldBlocks: number;
  readonly coldRecords: number;
  readonly deadLetters: number;
  /** Files that were written again without the dataset, that were deleted, and that are still to be done. */
  readonly filesRewritten: number;
  readonly filesDeleted: number;
  readonly filesLeft: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

export type EraseResult =
  | { readonly ok: true; readonly receipt: ErasureReceipt }
  | InvalidInput
  | ArchiveBusy;

/** `index`: what the database says, and each object's size and checksum. `full`: every byte of every object as well. */
export type VerifyDepth = "index" | "full";

export interface VerifyRequest {
  readonly depth: VerifyDepth;
  readonly cursor?: string | undefined;
}

/** One thing that is not as it should be. */
export interface IntegrityFault {
  /** Which check, for example `sync-marker`. */
  readonly check: string;
  /** The file, row or object that it is about. */
  readonly subject: string;
  readonly detail: string;
}

/** The files of one call; together the pages cover the archive. */
export type VerifyResult =
  | {
      readonly ok: true;
      readonly files: number;
      readonly blocks: number;
      readonly records: number;
      readonly bytes: number;
      /** At most 100; `faultCount` is the whole number. */
      readonly faults: readonly IntegrityFault[];
      readonly faultCount: number;
      readonly nextCursor: string | null;
    }
  | InvalidInput;

/**
 * The index is made again from the bucket alone, in two steps: scans read every
 * object, page by page; `apply` puts what they found in the index's place at once.
 */
export type ReindexRequest =
  | { readonly step: "scan"; readonly cursor?: string | undefined }
  | { readonly step: "apply"; readonly dryRun: boolean };

export type ReindexResult =
  | {
      readonly ok: true;
      readonly step: "scan";
      /** Objects of this call. */
      readonly objects: number;
      /** Objects that are no archive file, or are damaged. */
      readonly faults: readonly IntegrityFault[];
      readonly nextCursor: string | null;
    }
  | {
      readonly ok: true;
      readonly step: "apply";
      readonly applied: boolean;
      /** Of the new index. */
      readonly files: number;
      readonly blocks: number;
      readonly records: number;
      /** What the index had before: its live files. */
      readonly now: { readonly files: number; readonly blocks: number; readonly records: number };
      /** What stands as lost in the new index: files whose object is gone or damaged, and `conflicts`. */
      readonly lost: { readonly files: number; readonly records: number };
      /** Objects whose records are in other objects, or still hot: left out. */
      readonly superseded: readonly string[];
      /** Objects that hold some of another's records: left out, look at them. */
      readonly conflicts: readonly IntegrityFault[];
    }
  | InvalidInput
  | ArchiveBusy;

/** What one archive file holds. */
export interface FileReport {
  readonly key: string;
  readonly size: number;
  readonly headerSize: number;
  readonly codec: string;
  /** Lower-case hex SHA-256 of the writer schema's canonical form. */
  readonly fingerprint: string;
  /** The writer schema as JSON. */
  readonly schema: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly records: number;
  readonly blocks: readonly {
    readonly start: number;
    readonly length: number;
    readonly records: number;
    /** `null` where the file does not say. */
    readonly datasetId: string | null;
  }[];
}

/** A message that could not be stored. */
export interface DeadLetter {
  readonly id: number;
  readonly receivedAt: number;
  /** Why it could not be stored, in words. */
  readonly reason: string;
  /** `null` where the message cannot be read at all. */
  readonly datasetId: string | null;
  readonly table: string | null;
  readonly records: number | null;
  readonly bytes: number;
}

export interface DeadLetterPage {
  readonly letters: readonly DeadLetter[];
  /** How many there are in all. */
  readonly total: number;
  /** Pass it as `after`; `null` when there is nothing more. */
  readonly next: number | null;
}

/** Which dead letters: those named, or every one that there is now. */
export type DeadLetterChoice = { readonly ids: readonly number[] } | { readonly all: true };

export interface DeadLetterOutcome {
  /** How many were sent back, or deleted. */
  readonly done: number;
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
  /** Files that are still stored but no longer read: replaced, or being deleted. */
  readonly replaced: { readonly files: number; readonly bytes: number };
  /** Files whose object is gone although it should be there. */
  readonly lost: { readonly files: number; readonly records: number };
  readonly deadLetters: number;
}

export interface ArchiverHealth {
  readonly version: { readonly id: string; readonly tag: string };
  readonly bindings: Readonly<Record<string, "ok" | string>>;
  readonly tables: readonly string[];
}

/** The `ArchiveService` entrypoint. */
export interface ArchiverApi {
  ingest(request: IngestRequest): Promise<IngestResult>;
  /** A page is whole or refused; one whose body cannot be given to its end breaks off. */
  read(request: ReadRequest): Promise<ReadResult>;
  archive(): Promise<ArchiveRunResult>;
  compact(request: CompactionRequest): Promise<CompactionResult>;
  /** Clears away what has expired, was replaced or belongs to nothing. */
  retain(): Promise<RetentionResult>;
  /** Erases every record that was accepted before this call; call it again while the receipt says `running`. */
  erase(request: { readonly datasetId: string }): Promise<EraseResult>;
  /** Newest first, at most 100. */
  erasures(): Promise<readonly ErasureReceipt[]>;
  verify(request: VerifyRequest): Promise<VerifyResult>;
  reindex(request: ReindexRequest): Promise<ReindexResult>;
  /** `null` when there is no such object; a fault in words when it is no Avro file, or damaged. */
  inspect(request: { readonly key: string }): Promise<FileReport | { readonly fault: string } | null>;
  deadLetters(request: {
    readonly after?: number | undefined;
    readonly limit: number;
  }): Promise<DeadLetterPage>;
  replayDeadLetters(choice: DeadLetterChoice): Promise<DeadLetterOutcome>;
  purgeDeadLetters(choice: DeadLetterChoice): Promise<DeadLetterOutcome>;
  stats(): Promise<ArchiveStats>;
  /** Takes an order about the background work, and says what was counted. */
  background(order: BackgroundOrder): Promise<BackgroundTally>;
  health(): Promise<ArchiverHealth>;
  /** Names of the tables that take records, sorted; asks no storage. */
  tables(): Promise<readonly string[]>;
}
