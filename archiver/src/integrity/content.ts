/** Holds every byte of an object against the index. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { FileBlock } from "../cold/index.ts";
import {
  MAX_BLOCK_BYTES,
  OcfError,
  parseBlock,
  parseCodec,
  type ParsedHeader,
  parseHeader,
  SYNC_BYTES,
} from "../ocf/index.ts";
import { RecordError, scanRecords, type SchemaRegistry, type TableSchema } from "../tables/index.ts";
import type { IndexedFile, IntegrityFaults } from "./checks.ts";
import type { ObjectReader } from "./reader.ts";
import { type FileLabels, ForeignFile, parseLabels } from "./walk.ts";

/** What the check of one object works with. */
export interface ContentBindings {
  /** At the beginning of the object, whose size is the file's. */
  readonly reader: ObjectReader;
  /** Those of the file, in the order of their place. */
  readonly blocks: AsyncIterable<FileBlock>;
  readonly registry: SchemaRegistry;
  readonly faults: IntegrityFaults;
}

/** Compressed, a block that this archive writes is never larger. */
const MAX_FRAME_BYTES = MAX_BLOCK_BYTES + 1024 * 1024;

/**
 * Reads an object whole. In memory are a range of 4 MiB and one block.
 * A file whose bytes are wrong where none of its parts is has the fault `checksum`.
 * @throws ObjectChanged
 */
export async function checkContent(file: IndexedFile, bindings: ContentBindings): Promise<void> {
  const { reader, faults } = bindings;
  const before = faults.count;
  const hash = createHash("sha256");
  const labels = await checkHeader(file, bindings, hash);
  const datasets: [string, number][] = [];
  for await (const block of bindings.blocks) {
    const last = datasets.at(-1);
    if (last?.[0] === block.datasetId) last[1] += block.recordCount;
    else datasets.push([block.datasetId, block.recordCount]);
    // Where the index is not contiguous, it has that fault already.
    const gap = block.start - reader.position;
    if (gap < 0 || gap > reader.left) continue;
    await skip(reader, gap, hash);
    if (block.length > Math.min(reader.left, MAX_FRAME_BYTES)) continue;
    const bytes = await reader.take(block.length);
    hash.update(bytes);
    checkBlock(file, block, bytes, bindings);
  }
  await skip(reader, reader.left, hash);
  if (labels !== null) checkDatasets(file, labels, datasets, faults);
  const sha256 = hash.digest("hex");
  if (faults.count === before && sha256 !== file.sha256) {
    faults.add("checksum", file.path, `the object's SHA-256 is ${sha256}, the index says ${file.sha256}`);
  }
}

type Hash = ReturnType<typeof createHash>;

const SKIP_BYTES = 1024 * 1024;

async function skip(reader: ObjectReader, length: number, hash: Hash): Promise<void> {
  for (let rest = length; rest > 0;) {
    const step = Math.min(rest, SKIP_BYTES);
    hash.update(await reader.take(step));
    rest -= step;
  }
}

/** @returns `null` when it cannot be read */
async function checkHeader(
  file: IndexedFile,
  { reader, registry, faults }: ContentBindings,
  hash: Hash,
): Promise<FileLabels | null> {
  if (file.headerSize < SYNC_BYTES || file.headerSize > Math.min(reader.left, MAX_FRAME_BYTES)) {
    faults.add("header", file.path, `the index says that the header has ${file.headerSize} bytes`);
    return null;
  }
  const bytes = await reader.take(file.headerSize);
  hash.update(bytes);
  try {
    const header = parseHeader(bytes);
    if (header.size !== file.headerSize) {
      throw new OcfError("bad-header", `it has ${header.size} bytes, the index says ${file.headerSize}`);
    }
    if (!isSync(header.sync, file)) {
      faults.add("sync-marker", file.path, "the header does not end with the file's sync marker");
    }
    const labels = parseLabels(header);
    for (const difference of differences(file, header, labels, registry)) {
      faults.add("header", file.path, difference);
    }
    return labels;
  } catch (error) {
    if (!(error instanceof OcfError || error instanceof ForeignFile)) throw error;
    faults.add("header", file.path, error.message);
    return null;
  }
}

const isSync = (bytes: Uint8Array, { sync }: IndexedFile): boolean =>
  Buffer.from(bytes).toString("hex") === sync;

function* differences(
  file: IndexedFile,
  header: ParsedHeader,
  labels: FileLabels,
  registry: SchemaRegistry,
): Generator<string> {
  const pairs = [
    ["table", labels.table, file.table],
    ["period", labels.period, file.period],
    ["schema", labels.fingerprint, file.fingerprint],
    ["codec", header.codec, file.codec],
    ["level", labels.level, file.level],
    ["generation", labels.generation, file.generation],
    ["retention", labels.retainedFrom ?? file.retainedFrom, file.retainedFrom],
  ] as const;
  for (const [what, found, expected] of pairs) {
    if (found !== expected) yield `${what} is ${found}, the index says ${expected}`;
  }
  const schema = registry.findBySchemaText(labels.table, header.schema);
  if (schema === undefined) yield `its schema is none that this version knows of table ${labels.table}`;
  else if (schema.fingerprint !== labels.fingerprint) {
    yield `its schema is ${schema.fingerprint}, it says ${labels.fingerprint}`;
  }
}

function checkDatasets(
  file: IndexedFile,
  { datasets }: FileLabels,
  indexed: readonly (readonly [string, number])[],
  faults: IntegrityFaults,
): void {
  const found = JSON.stringify(datasets);
  if (found === JSON.stringify(indexed)) return;
  faults.add(
    "header",
    file.path,
    `its datasets are ${cut(found)}, those of the index ${cut(JSON.stringify(indexed))}`,
  );
}

const cut = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

function checkBlock(
  file: IndexedFile,
  block: FileBlock,
  bytes: Uint8Array,
  { registry, faults }: ContentBindings,
): void {
  const subject = `${file.path} at ${block.start}`;
  if (!isSync(bytes.subarray(-SYNC_BYTES), file)) {
    faults.add("sync-marker", subject, "the block does not end with the file's sync marker");
    return;
  }
  if (crc32(bytes) !== block.crc32) {
    faults.add("block", subject, "its CRC-32 is not that of the index");
    return;
  }
  const schema = registry.find(file.table, file.fingerprint);
  const wrong = schema === undefined ? null : wrongRecords(file, block, bytes, schema);
  if (wrong !== null) faults.add("block", subject, wrong);
}

/** @returns what is wrong with a block whose bytes are those that were indexed */
function wrongRecords(
  file: IndexedFile,
  block: FileBlock,
  bytes: Uint8Array,
  schema: TableSchema,
): string | null {
  try {
    const framing = { codec: parseCodec(file.codec), sync: Buffer.from(file.sync, "hex") };
    const parsed = parseBlock(bytes, 0, framing);
    if (parsed.length !== bytes.length) {
      return `it is ${parsed.length} bytes long, the index says ${bytes.length}`;
    }
    if (parsed.recordCount !== block.recordCount) {
      return `it has ${parsed.recordCount} records, the index says ${block.recordCount}`;
    }
    const { times } = scanRecords(schema, parsed.records, parsed.recordCount);
    if (times.some((time, index) => index > 0 && time < (times[index - 1] ?? time))) {
      return "its records are not in the order of their times";
    }
    if (times[0] !== block.minTime || times.at(-1) !== block.maxTime) {
      return `its times are ${times[0]} to ${times.at(-1)}, the index says ${block.minTime} to ${block.maxTime}`;
    }
    return null;
  } catch (error) {
    if (error instanceof OcfError || error instanceof RecordError) return error.message;
    throw error;
  }
}
