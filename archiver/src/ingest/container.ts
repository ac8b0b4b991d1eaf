/** Records that came as an Avro object container file: their bytes are cut out and kept as they are. */
import type { FaultList } from "../faults.ts";
import { OcfError, parseHeader, readBlocks } from "../ocf/index.ts";
import {
  isGeneric,
  recordBytes,
  RecordError,
  scanRecords,
  type SchemaRegistry,
  type TableSchema,
} from "../tables/index.ts";
import { checkBody } from "./generic.ts";
import { MAX_PAYLOAD_BYTES, MAX_RECORDS, MAX_REQUEST_BYTES } from "./limits.ts";
import type { EncodedRecord } from "./pack.ts";
import { checkRecord } from "./records.ts";

export interface ContainerRecords {
  /** What the container was written in. */
  readonly schema: TableSchema;
  readonly records: readonly EncodedRecord[];
}

const PATH = "/container";

/**
 * Reads a container's records, one block at a time, and holds each to what a
 * record in JSON is held to.
 * @param newest the schema that the table's records in JSON are written in
 * @returns `null` when nothing can be read; its faults are listed
 */
export function containerRecords(
  container: Uint8Array,
  newest: TableSchema,
  registry: SchemaRegistry,
  faults: FaultList,
): ContainerRecords | null {
  try {
    const header = parseHeader(container);
    const schema = writerSchema(header.schema, newest, registry);
    if (schema === undefined) {
      faults.add(PATH, unknownSchema(newest, registry));
      return null;
    }
    const records: EncodedRecord[] = [];
    let bytes = 0;
    for (const block of readBlocks(container, header)) {
      bytes += block.records.length;
      if (bytes > MAX_REQUEST_BYTES || records.length + block.recordCount > MAX_RECORDS) {
        faults.add(
          PATH,
          `must hold at most ${MAX_RECORDS} records and ${MAX_REQUEST_BYTES} bytes of them, uncompressed`,
        );
        return null;
      }
      addRecords(schema, block, records, faults);
    }
    if (records.length === 0) faults.add(PATH, "must hold at least one record");
    return { schema, records };
  } catch (error) {
    if (!(error instanceof OcfError || error instanceof RecordError)) throw error;
    faults.add(PATH, `cannot be read: ${error.message}`);
    return null;
  }
}

/** A table with schemas takes no generic records, and one without takes no others. */
function writerSchema(text: string, newest: TableSchema, registry: SchemaRegistry): TableSchema | undefined {
  const schema = registry.findBySchemaText(newest.table, text);
  return schema !== undefined && isGeneric(schema) === isGeneric(newest) ? schema : undefined;
}

function unknownSchema(newest: TableSchema, registry: SchemaRegistry): string {
  const published = isGeneric(newest)
    ? [newest.json]
    : registry.known
        .filter(({ table }) => table === newest.table)
        .map(({ table, fingerprint }) => `v${registry.find(table, fingerprint)?.version} (${fingerprint})`);
  return (
    `is written in a schema that ${newest.table} does not have; it has, with the SHA-256 of their ` +
    `Parsing Canonical Form: ${published.join(", ")}`
  );
}

/** Adds the records of one block, each a view of its bytes. @throws RecordError naming the block */
function addRecords(
  schema: TableSchema,
  block: { readonly records: Uint8Array; readonly recordCount: number; readonly start: number },
  records: EncodedRecord[],
  faults: FaultList,
): void {
  const run = scanBlock(schema, block);
  for (let index = 0; index < block.recordCount; index += 1) {
    const bytes = recordBytes(run, index);
    const path = `/records/${records.length}`;
    const checked = checkRecord(schema, decode(schema, bytes, index), path, faults);
    if (checked !== null && "body" in checked && isGeneric(schema)) {
      checkBody(checked.body, `${path}/body`, faults);
    }
    records.push({
      time: run.times[index] ?? Number.NaN,
      bytes: bytes.length > MAX_PAYLOAD_BYTES ? null : bytes,
    });
  }
}

/** In the writer's own schema, since that is what the record claims to fit. @throws RecordError */
function decode(schema: TableSchema, bytes: Buffer, index: number): unknown {
  try {
    return schema.type.fromBuffer(bytes);
  } catch (cause) {
    throw new RecordError(`record ${index} of a block does not fit its schema`, { cause });
  }
}

function scanBlock(
  schema: TableSchema,
  block: { readonly records: Uint8Array; readonly recordCount: number; readonly start: number },
): ReturnType<typeof scanRecords> {
  try {
    return scanRecords(schema, block.records, block.recordCount);
  } catch (cause) {
    if (!(cause instanceof RecordError)) throw cause;
    throw new RecordError(`block at ${block.start}: ${cause.message}`, { cause });
  }
}
