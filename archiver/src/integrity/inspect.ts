/** What one object of the bucket holds. */
import { createHash } from "node:crypto";
import { HEADER_KEYS } from "../cold/index.ts";
import type { FileReport } from "../contract.ts";
import { OcfError, type ParsedHeader } from "../ocf/index.ts";
import { canonicalForm, SchemaError } from "../tables/index.ts";
import { ObjectChanged, ObjectReader } from "./reader.ts";
import { BlockOwners, type DatasetCount, parseDatasets, readHeader, walkBlocks } from "./walk.ts";

/** Why an object cannot be described. */
export interface InspectFault {
  /** In words. */
  readonly fault: string;
}

/**
 * Describes any Avro object container file, also one that others have written.
 * In memory are a range of 4 MiB, a block and the report.
 * @returns `null` when there is no such object, a fault when it is no such file, is damaged, or changes meanwhile
 */
export async function inspect(bucket: R2Bucket, key: string): Promise<FileReport | InspectFault | null> {
  const object = await bucket.head(key);
  if (object === null) return null;
  try {
    return await describe(key, object.size, new ObjectReader(bucket, object));
  } catch (error) {
    if (error instanceof OcfError) return { fault: `${whatIsWrong(error)}: ${error.message}` };
    if (error instanceof ObjectChanged) return { fault: error.message };
    throw error;
  }
}

function whatIsWrong({ code }: OcfError): string {
  if (code === "not-ocf") return "it is no Avro object container file";
  return code === "unknown-codec" ? "it cannot be read here" : "it is damaged";
}

async function describe(key: string, size: number, reader: ObjectReader): Promise<FileReport> {
  const header = await readHeader(reader);
  const owners = new BlockOwners(datasetsOf(header));
  const blocks: { start: number; length: number; records: number; datasetId: string | null }[] = [];
  for await (const { frame, start } of walkBlocks(reader, header.sync)) {
    const { recordCount: records, length } = frame;
    blocks.push({ start, length, records, datasetId: owners.next(records) });
  }
  return {
    key,
    size,
    headerSize: header.size,
    codec: header.codec,
    fingerprint: fingerprintOf(header),
    schema: header.schema,
    metadata: Object.fromEntries(header.metadata),
    records: blocks.reduce((sum, { records }) => sum + records, 0),
    blocks,
  };
}

function datasetsOf({ metadata }: ParsedHeader): readonly DatasetCount[] {
  try {
    return parseDatasets(metadata.get(HEADER_KEYS.datasets) ?? "[]");
  } catch (error) {
    if (error instanceof OcfError) return [];
    throw error;
  }
}

/** Empty for a schema that has no canonical form. */
function fingerprintOf({ schema }: ParsedHeader): string {
  try {
    return createHash("sha256")
      .update(canonicalForm(JSON.parse(schema)))
      .digest("hex");
  } catch (error) {
    if (error instanceof SchemaError || error instanceof SyntaxError) return "";
    throw error;
  }
}
