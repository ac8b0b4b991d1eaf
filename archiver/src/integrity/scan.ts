/** Reads an object of the bucket into what the index should say of it. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type FileBlock, storedSha256 } from "../cold/index.ts";
import { OcfError, parseBlock, type ParsedHeader } from "../ocf/index.ts";
import { RecordError, scanRecords, type SchemaRegistry, type TableSchema } from "../tables/index.ts";
import type { Check } from "./checks.ts";
import { ObjectReader } from "./reader.ts";
import { BlockOwners, type FileLabels, ForeignFile, parseLabels, readHeader, walkBlocks } from "./walk.ts";

/** What the columns of the index say of a file, and its blocks in the order of their place. */
export interface ScannedFile {
  readonly labels: FileLabels;
  readonly size: number;
  readonly headerSize: number;
  readonly codec: string;
  readonly sha256: string;
  /** Hex. */
  readonly sync: string;
  readonly recordCount: number;
  /** ms UTC. */
  readonly minTime: number;
  readonly maxTime: number;
  readonly blocks: readonly FileBlock[];
}

/** An object that cannot be indexed. */
export interface UnusableObject {
  readonly check: Extract<Check, "foreign-object" | "damaged-object" | "unknown-schema">;
  readonly detail: string;
  /** `null` where not even the header can be read. */
  readonly labels: FileLabels | null;
}

export type ScanResult =
  | { readonly ok: true; readonly file: ScannedFile }
  | { readonly ok: false; readonly object: UnusableObject };

/**
 * Reads an object whole. In memory are a range of 4 MiB, a block and the block index.
 * @throws ObjectChanged
 */
export async function scanObject(
  bucket: R2Bucket,
  object: R2Object,
  registry: SchemaRegistry,
): Promise<ScanResult> {
  const unusable = (
    check: UnusableObject["check"],
    detail: string,
    labels: FileLabels | null = null,
  ): ScanResult => ({ ok: false, object: { check, detail, labels } });
  let labels: FileLabels | null = null;
  try {
    const reader = new ObjectReader(bucket, object);
    const hash = createHash("sha256");
    const header = await readHeader(reader, (bytes) => hash.update(bytes));
    labels = parseLabels(header);
    const schema = registry.findBySchemaText(labels.table, header.schema);
    if (schema === undefined || schema.fingerprint !== labels.fingerprint) {
      const detail = `table ${labels.table} has no schema ${labels.fingerprint} in this version`;
      return unusable("unknown-schema", detail, labels);
    }
    const blocks = await scanBlocks(reader, header, labels, schema, (bytes) => hash.update(bytes));
    const sha256 = hash.digest("hex");
    if (!isAsStored(object, sha256)) {
      return unusable("damaged-object", `its SHA-256 is ${sha256}, which is not what was stored`, labels);
    }
    const file = {
      labels,
      size: object.size,
      headerSize: header.size,
      codec: header.codec,
      sha256,
      sync: Buffer.from(header.sync).toString("hex"),
      recordCount: blocks.reduce((sum, { recordCount }) => sum + recordCount, 0),
      minTime: blocks.reduce((least, { minTime }) => Math.min(least, minTime), Number.POSITIVE_INFINITY),
      maxTime: blocks.reduce((most, { maxTime }) => Math.max(most, maxTime), Number.NEGATIVE_INFINITY),
      blocks,
    };
    return { ok: true, file };
  } catch (error) {
    if (error instanceof ForeignFile) return unusable("foreign-object", error.message);
    if (error instanceof OcfError && error.code === "not-ocf") {
      return unusable("foreign-object", error.message);
    }
    if (error instanceof OcfError || error instanceof RecordError) {
      return unusable("damaged-object", error.message, labels);
    }
    throw error;
  }
}

/** `<first row>-<last row>-…-<digits of the SHA-256>.avro`: a run's file; others have a random id. */
const RUN_FILE = /\/\d+-\d+-[^/]*?([0-9a-f]{12})\.avro$/;

/** The digits of a run's file are part of its key; one that was uploaded whole has its checksum beside it. */
function isAsStored(object: R2Object, sha256: string): boolean {
  const digits = RUN_FILE.exec(object.key)?.[1] ?? "";
  return sha256.startsWith(digits) && (storedSha256(object) ?? sha256) === sha256;
}

async function scanBlocks(
  reader: ObjectReader,
  header: ParsedHeader,
  labels: FileLabels,
  schema: TableSchema,
  onBytes: (bytes: Uint8Array) => void,
): Promise<readonly FileBlock[]> {
  const owners = new BlockOwners(labels.datasets);
  const blocks: FileBlock[] = [];
  for await (const { start, bytes } of walkBlocks(reader, header.sync)) {
    onBytes(bytes);
    const { recordCount, records, length } = parseBlock(bytes, 0, header);
    const datasetId = owners.next(recordCount);
    if (datasetId === null) {
      throw new OcfError("bad-header", `the block at ${start} does not fit the header's datasets`);
    }
    const { times } = scanRecords(schema, records, recordCount);
    blocks.push({
      datasetId,
      start,
      length,
      crc32: crc32(bytes),
      recordCount,
      minTime: times.reduce((least, time) => Math.min(least, time), Number.POSITIVE_INFINITY),
      maxTime: times.reduce((most, time) => Math.max(most, time), Number.NEGATIVE_INFINITY),
    });
  }
  if (!owners.isDone) throw new OcfError("truncated", "the file ends before its header's datasets do");
  return blocks;
}
