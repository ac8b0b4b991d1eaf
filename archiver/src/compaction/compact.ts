/**
 * A compaction: under the lease, plan → merge → commit, until nothing is due or
 * a bound is reached. Only the commit changes what a reader sees: the merged file
 * is there and its sources are not, in one transaction. The sources' objects stay
 * for a grace, because a reader may just be fetching them. A compaction that dies
 * leaves a file in the state `writing`, which retention clears away.
 *
 * Memory: 12 MiB of the sources' ranges and 4 MiB of the one that comes next, 10 MiB of
 * the upload, 8 MiB of open blocks, 7 MiB of the sources' index and 8 MiB of the new
 * file's; the commit takes 16 MiB when the ranges are gone. Some 50 MB in the worst case.
 */
import { type FileDraft, FileWriter, ObjectWriter, unionRows, type WrittenFile } from "../cold/index.ts";
import type { CompactionRequest, CompactionResult } from "../contract.ts";
import { type Meter, meterBindings, NO_SPEND } from "../cost/index.ts";
import { errorFields, log } from "../log.ts";
import {
  announceFile,
  type ArchiveBindings,
  COMMIT_QUERIES,
  commitChange,
  Hold,
  type Lease,
  LEASE_TTL_MS,
  LeaseLost,
  withLease,
} from "../manifest/index.ts";
import { type Codec, codecIsAvailable, CODECS } from "../ocf/index.ts";
import type { TableSchema } from "../tables/index.ts";
import { mergeSources } from "./merge.ts";
import {
  MERGE_RECORD_BYTES,
  type Merge,
  nearExpiry,
  planCompaction,
  recordBytesOf,
  TARGET_BYTES,
} from "./policy.ts";
import { fetchHeader, queriesOf, rowsOfHeader, Source, SourceError } from "./source.ts";
import { datasetTotals, listCandidates, type SourceFile } from "./store.ts";

/** What a compaction may take. */
export interface CompactionBounds {
  /** ms after which no further merge is begun. */
  readonly runTime: number;
  /** D1 queries, each statement of a batch counted. */
  readonly queries: number;
  /** Bytes of records; they stand for CPU time, which no clock shows. A first merge is made, however large. */
  readonly recordBytes: number;
  /** Ranges of hot rows that one file names; more of them do not become one file. */
  readonly rowRanges: number;
}

export const DEFAULT_COMPACTION_BOUNDS: CompactionBounds = {
  runTime: 20_000,
  queries: 400,
  recordBytes: MERGE_RECORD_BYTES,
  // Where tables take turns message by message, each row is a range: 100 bytes of memory, and 300 while it is decoded.
  rowRanges: 100_000,
};

/** Of all sources together; what a range request brings at most where there are few. */
const BUFFER_BYTES = 12 * 1024 * 1024;
const MAX_RANGE_BYTES = 4 * 1024 * 1024;

/** Workers keep six connections open at a time. */
const PARALLEL_READS = 6;

/** Beside the sources' blocks: a plan, the announcement, the datasets, renewals of the lease, the blocks' further parameters. */
const MERGE_QUERIES = COMMIT_QUERIES + 20;

/** Queries that end a compaction: a last plan, a lost lease, release. */
const END_QUERIES = 3;

/**
 * Higher than an archive run's, because a merged file is stored for long, but none
 * that is slow on some data: deflate's 7 takes up to 0.3 % from 6 at its speed, where
 * 9 takes 0.1 % more and, on records that repeat, four times as long. zstandard's 9
 * takes 4 to 6 % from 3 at half its speed.
 */
const COMPRESSION_LEVELS: Readonly<Record<Codec, number | undefined>> = {
  null: undefined,
  deflate: 7,
  zstandard: 9,
};

type Counts = Omit<CompactionResult, "spent">;

const NOTHING: Counts = {
  ran: false,
  merges: 0,
  remaining: 0,
  records: 0,
  filesBefore: 0,
  filesAfter: 0,
  blocksBefore: 0,
  blocksAfter: 0,
  bytesBefore: 0,
  bytesAfter: 0,
};

/** A merge whose file's codec and schema this version has. */
interface Job {
  readonly merge: Merge<SourceFile>;
  readonly schema: TableSchema;
  readonly codec: Codec;
}

/**
 * Merges small files. The result's counts before and after are those of the files that were merged.
 * @throws what D1 or R2 threw; what was committed before stays, nothing is lost or doubled
 */
export async function compact(
  bindings: ArchiveBindings,
  request: CompactionRequest,
  bounds: CompactionBounds = DEFAULT_COMPACTION_BOUNDS,
): Promise<CompactionResult> {
  const { holder } = bindings;
  const { meter, metered } = meterBindings(bindings);
  try {
    const result = await withLease(metered, (lease) => {
      return new Compaction(lease, metered, request, bounds, meter).run();
    });
    if (result === null) return { ...NOTHING, spent: NO_SPEND };
    log.info("compaction.run", { ...result, ...meter.spent, holder });
    return { ...result, spent: meter.spent };
  } catch (error) {
    log.error("compaction.run_failed", { holder, ...errorFields(error) });
    throw error;
  }
}

class Compaction {
  readonly #hold: Hold;
  readonly #bindings: ArchiveBindings;
  readonly #force: boolean;
  readonly #bounds: CompactionBounds;
  readonly #meter: Meter;
  readonly #deadline: number;
  /** Ids of files that could not be read, or that name too many rows to be merged. */
  readonly #skip = new Set<number>();
  #total: Counts = { ...NOTHING, ran: true };

  constructor(
    lease: Lease,
    bindings: ArchiveBindings,
    { force = false }: CompactionRequest,
    bounds: CompactionBounds,
    meter: Meter,
  ) {
    this.#hold = new Hold(lease, bindings.db, bindings.now);
    this.#bindings = bindings;
    this.#force = force;
    this.#bounds = bounds;
    this.#meter = meter;
    this.#deadline = bindings.now() + bounds.runTime;
  }

  async run(): Promise<Counts> {
    try {
      for (;;) {
        const jobs = await this.#plan();
        const done = await this.#work(jobs);
        if (jobs.length === 0 || done < jobs.length) return { ...this.#total, remaining: jobs.length - done };
      }
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error;
      log.warn("compaction.lease_lost", errorFields(error));
      return this.#total;
    }
  }

  async #plan(): Promise<readonly Job[]> {
    const { db, settings, now, registry } = this.#bindings;
    const files = await listCandidates(db, {
      targetBytes: TARGET_BYTES,
      leftToExpiry: nearExpiry(settings, now()),
      skip: [...this.#skip],
    });
    return planCompaction(files, { now: now(), settings, force: this.#force }).flatMap((merge) => {
      const [file] = merge.sources;
      const codec = CODECS.find((known) => known === file?.codec);
      const schema = file === undefined ? undefined : registry.find(file.table, file.fingerprint);
      return codec === undefined || !codecIsAvailable(codec) || schema === undefined
        ? []
        : [{ merge, schema, codec }];
    });
  }

  /** @returns how many of the jobs were dealt with before a bound was reached */
  async #work(jobs: readonly Job[]): Promise<number> {
    for (const [index, job] of jobs.entries()) {
      if (!this.#affords(job)) return index;
      try {
        await this.#merge(job);
      } catch (error) {
        if (!(error instanceof SourceError)) throw error;
        log.error("compaction.source_unreadable", { file: error.file.filePath, ...errorFields(error) });
        this.#skip.add(error.file.id);
      }
    }
    return jobs.length;
  }

  #affords({ merge: { sources } }: Job): boolean {
    const { settings, now } = this.#bindings;
    const { d1Queries, decompressedBytes } = this.#meter.spent;
    const queries = sources.reduce((sum, file) => sum + queriesOf(file), MERGE_QUERIES + END_QUERIES);
    const bytes = sources.reduce((sum, file) => sum + recordBytesOf(file, settings.blockBytes), 0);
    return (
      now() < this.#deadline &&
      d1Queries + queries <= this.#bounds.queries &&
      (decompressedBytes === 0 || decompressedBytes + bytes <= this.#bounds.recordBytes)
    );
  }

  async #merge({ merge, schema, codec }: Job): Promise<void> {
    const { db, bucket, now, randomId } = this.#bindings;
    const { period, level } = merge;
    const { sources, rows } = await this.#nameable(merge.sources);
    if (sources.length < 2) return;
    const retainedFrom = Math.max(...sources.map((file) => file.retainedFrom));
    const datasets = await datasetTotals(
      db,
      sources.map(({ id }) => id),
    );
    const draft: FileDraft = {
      schema,
      period,
      level,
      generation: Math.max(...sources.map(({ generation }) => generation)) + 1,
      rows,
      datasets: datasets.map(({ datasetId, records }) => [datasetId, records]),
      retainedFrom,
      codec,
    };
    const { table, fingerprint } = schema;
    const key = `${table}/${period}/l${level}-${randomId()}.avro`;
    const { lease } = this.#hold;
    if (!(await announceFile(db, { lease, now: now(), key, table, period, fingerprint }))) {
      throw new LeaseLost(lease);
    }
    const object = new ObjectWriter(bucket, key, { table, period, fingerprint });
    let file: WrittenFile;
    try {
      const writer = new FileWriter(draft, object);
      await this.#writeRecords(writer, sources, datasets, codec);
      file = await writer.finish();
      await this.#hold.renew();
      await object.finish(file.sha256);
    } catch (error) {
      // Its key is announced: where this fails, too, retention removes what there is of it.
      await object
        .abort()
        .catch((failed: unknown) => log.warn("compaction.not_aborted", errorFields(failed)));
      throw error;
    }
    await this.#commit(key, file, retainedFrom, sources);
  }

  /**
   * The sources whose rows one file can name, and these rows. Where those are none
   * that can be merged, the files that leave no room for others are left out of the next plans.
   */
  async #nameable(
    files: readonly SourceFile[],
  ): Promise<{ readonly sources: readonly SourceFile[]; readonly rows: FileDraft["rows"] }> {
    const { rowRanges } = this.#bounds;
    const sources: SourceFile[] = [];
    const sets: FileDraft["rows"][] = [];
    const crowded: SourceFile[] = [];
    let ranges = 0;
    for (let start = 0; start < files.length; start += PARALLEL_READS) {
      const wave = files.slice(start, start + PARALLEL_READS);
      const headers = await Promise.all(
        wave.map(async (file) => ({ file, header: await fetchHeader(this.#bindings.bucket, file) })),
      );
      for (const { file, header } of headers) {
        const rows = rowsOfHeader(file, header);
        if (rows.length > rowRanges / 2) crowded.push(file);
        if (ranges + rows.length > rowRanges) continue;
        ranges += rows.length;
        sources.push(file);
        sets.push(rows);
      }
    }
    if (sources.length < 2) for (const { id } of crowded) this.#skip.add(id);
    return { sources, rows: unionRows(...sets) };
  }

  async #writeRecords(
    writer: FileWriter,
    files: readonly SourceFile[],
    datasets: Parameters<typeof mergeSources>[1],
    codec: Codec,
  ): Promise<void> {
    const bufferBytes = Math.min(MAX_RANGE_BYTES, Math.floor(BUFFER_BYTES / files.length));
    const sources = files.map((file) => new Source(file, this.#bindings, bufferBytes));
    await mergeSources(sources, datasets, {
      writer,
      blockBytes: this.#bindings.settings.blockBytes,
      compressionLevel: COMPRESSION_LEVELS[codec],
      onBlock: () => this.#hold.keep(),
      onDecompressed: (bytes) => this.#meter.add({ decompressedBytes: bytes }),
      onCompressed: (bytes) => this.#meter.add({ compressedBytes: bytes }),
    });
  }

  async #commit(
    key: string,
    file: WrittenFile,
    retainedFrom: number,
    sources: readonly SourceFile[],
  ): Promise<void> {
    const { db, now } = this.#bindings;
    await this.#hold.guarded(() =>
      commitChange(db, {
        lease: this.#hold.lease,
        now: now(),
        leaseExpiresAt: now() + LEASE_TTL_MS,
        files: [{ key, file, retainedFrom }],
        hotRowIds: [],
        replaced: sources.map(({ id }) => id),
        replacedState: "compacted",
      }),
    );
    this.#count(file, sources);
  }

  #count(file: WrittenFile, sources: readonly SourceFile[]): void {
    const total = this.#total;
    const sum = (count: (source: SourceFile) => number): number =>
      sources.reduce((all, source) => all + count(source), 0);
    this.#total = {
      ...total,
      merges: total.merges + 1,
      records: total.records + file.recordCount,
      filesBefore: total.filesBefore + sources.length,
      filesAfter: total.filesAfter + 1,
      blocksBefore: total.blocksBefore + sum(({ blocks }) => blocks),
      blocksAfter: total.blocksAfter + file.blocks.length,
      bytesBefore: total.bytesBefore + sum(({ size }) => size),
      bytesAfter: total.bytesAfter + file.size,
    };
  }
}
