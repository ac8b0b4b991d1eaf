/** Counts what an operation takes of D1, R2 and the CPU, by standing in front of the bindings. */
import type { Spend } from "../contract.ts";

type Counts = { -readonly [Key in keyof Spend]: number };

const NOTHING: Spend = {
  d1Queries: 0,
  d1RowsRead: 0,
  d1RowsWritten: 0,
  r2ClassA: 0,
  r2ClassB: 0,
  r2BytesRead: 0,
  r2BytesWritten: 0,
  compressedBytes: 0,
  decompressedBytes: 0,
};

/** What has been spent so far. */
export class Meter {
  readonly #counts: Counts = { ...NOTHING };

  get spent(): Spend {
    return { ...this.#counts };
  }

  add(counts: Partial<Spend>): void {
    for (const [name, count] of Object.entries(counts)) this.#counts[name as keyof Spend] += count;
  }
}

/** The sum of two. */
export function addSpend(a: Spend, b: Spend): Spend {
  const meter = new Meter();
  meter.add(a);
  meter.add(b);
  return meter.spent;
}

export const NO_SPEND: Spend = NOTHING;

function countMeta(meter: Meter, { meta }: D1Result): void {
  meter.add({ d1RowsRead: meta.rows_read ?? 0, d1RowsWritten: meta.rows_written ?? 0 });
}

/**
 * A database whose statements and batches are counted. `first` is answered from
 * `all`, which says what it read; of `raw` only the query is counted, because
 * D1 does not say.
 */
export function meteredDatabase(database: D1Database, meter: Meter): D1Database {
  const originals = new WeakMap<object, D1PreparedStatement>();

  const wrap = (statement: D1PreparedStatement): D1PreparedStatement => {
    const all = async (): Promise<D1Result> => {
      meter.add({ d1Queries: 1 });
      const result = await statement.all();
      countMeta(meter, result);
      return result;
    };
    const first = async (column?: string): Promise<unknown> => {
      const [row] = (await all()).results as Readonly<Record<string, unknown>>[];
      if (row === undefined) return null;
      return column === undefined ? row : row[column];
    };
    const wrapped = new Proxy(statement, {
      get(target, name) {
        if (name === "bind") return (...values: unknown[]) => wrap(target.bind(...values));
        if (name === "all" || name === "run") return all;
        if (name === "first") return first;
        if (name === "raw") meter.add({ d1Queries: 1 });
        return Reflect.get(target, name).bind(target);
      },
    });
    originals.set(wrapped, statement);
    return wrapped;
  };

  return new Proxy(database, {
    get(target, name) {
      if (name === "prepare") return (sql: string) => wrap(target.prepare(sql));
      if (name === "batch") {
        return async (statements: readonly D1PreparedStatement[]) => {
          meter.add({ d1Queries: statements.length });
          const results = await target.batch(
            statements.map((statement) => originals.get(statement) ?? statement),
          );
          for (const result of results) countMeta(meter, result);
          return results;
        };
      }
      return Reflect.get(target, name).bind(target);
    },
  });
}

const sizeOf = (value: unknown): number => {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (value instanceof Blob) return value.size;
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value) ? value.byteLength : 0;
};

/** What a get brought: nothing where a condition kept the body back. */
function lengthOf(object: R2Object | R2ObjectBody): number {
  if (!("body" in object)) return 0;
  const { range, size } = object;
  return (range !== undefined && "length" in range ? range.length : undefined) ?? size;
}

function meteredUpload(upload: R2MultipartUpload, meter: Meter): R2MultipartUpload {
  return {
    key: upload.key,
    uploadId: upload.uploadId,
    uploadPart: (number, value, options) => {
      meter.add({ r2ClassA: 1, r2BytesWritten: sizeOf(value) });
      return upload.uploadPart(number, value, options);
    },
    abort: () => upload.abort(),
    complete: (parts) => {
      meter.add({ r2ClassA: 1 });
      return upload.complete(parts);
    },
  };
}

/** A bucket whose operations are counted. */
export function meteredBucket(bucket: R2Bucket, meter: Meter): R2Bucket {
  return new Proxy(bucket, {
    get(target, name) {
      switch (name) {
        case "head":
          return (key: string) => {
            meter.add({ r2ClassB: 1 });
            return target.head(key);
          };
        case "get":
          return async (key: string, options?: R2GetOptions) => {
            meter.add({ r2ClassB: 1 });
            const object = await (options === undefined ? target.get(key) : target.get(key, options));
            if (object !== null) meter.add({ r2BytesRead: lengthOf(object) });
            return object;
          };
        case "put":
          return async (key: string, value: Uint8Array, options?: R2PutOptions) => {
            meter.add({ r2ClassA: 1 });
            const stored: R2Object | null = await target.put(key, value, options);
            if (stored !== null) meter.add({ r2BytesWritten: stored.size });
            return stored;
          };
        case "list":
          return (options?: R2ListOptions) => {
            meter.add({ r2ClassA: 1 });
            return target.list(options);
          };
        case "createMultipartUpload":
          return async (key: string, options?: R2MultipartOptions) => {
            meter.add({ r2ClassA: 1 });
            return meteredUpload(await target.createMultipartUpload(key, options), meter);
          };
        case "resumeMultipartUpload":
          return (key: string, uploadId: string) =>
            meteredUpload(target.resumeMultipartUpload(key, uploadId), meter);
        default: {
          const member: unknown = Reflect.get(target, name);
          return typeof member === "function" ? member.bind(target) : member;
        }
      }
    },
  });
}

/** The same bindings with a database and a bucket that are counted, and what counts them. */
export function meterBindings<B extends { readonly db: D1Database; readonly bucket: R2Bucket }>(
  bindings: B,
): { readonly meter: Meter; readonly metered: B } {
  const meter = new Meter();
  const db = meteredDatabase(bindings.db, meter);
  const bucket = meteredBucket(bindings.bucket, meter);
  return { meter, metered: { ...bindings, db, bucket } };
}
