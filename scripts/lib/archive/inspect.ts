/** What an archive file holds: a local one, or an object of the bucket. */
import { readFile as readLocalFile } from "node:fs/promises";
import avsc from "avsc";
import { z } from "zod";
import type { FileReport } from "../../../archiver/src/contract.ts";
import { OcfError, readFile, type ParsedBlock } from "../../../archiver/src/ocf/index.ts";
import { CliError, EXIT, messageOf } from "../exit.ts";
import { bytes, count, printable, table } from "./text.ts";

/** Header key of the archiver's files: `[[dataset, records], …]` in the order of the blocks. */
const DATASETS_KEY = "strata.datasets";

const datasetsSchema = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: "custom", message: "is not JSON" });
      return z.NEVER;
    }
  })
  .pipe(z.array(z.tuple([z.string(), z.int().nonnegative()])));

/** Whose the blocks are: a block holds one dataset only, so their counts say it; `null` where they do not fit. */
function datasetsOf(
  blocks: readonly ParsedBlock[],
  metadata: ReadonlyMap<string, string>,
): readonly (string | null)[] {
  const runs = datasetsSchema.safeParse(metadata.get(DATASETS_KEY)).data ?? [];
  const owners: (string | null)[] = [];
  let next = 0;
  let left = 0;
  let owner: string | null = null;
  for (const { recordCount } of blocks) {
    if (left === 0) {
      [owner, left] = runs[next] ?? [null, recordCount];
      next += 1;
    }
    left -= recordCount;
    owners.push(owner);
    if (left < 0) break;
  }
  return left === 0 && next === runs.length ? owners : blocks.map(() => null);
}

/** Hex SHA-256 of a schema's canonical form; empty when avsc cannot read it. */
function fingerprintOf(schema: string): string {
  try {
    return avsc.Type.forSchema(JSON.parse(schema)).fingerprint("sha256").toString("hex");
  } catch {
    return "";
  }
}

/**
 * Reads a local file, every block of it.
 * @throws {CliError} when it cannot be read, or is no sound object container file
 */
export async function inspectLocal(file: string): Promise<FileReport> {
  let content: Uint8Array;
  try {
    content = await readLocalFile(file);
  } catch (error) {
    throw new CliError(EXIT.failed, `${file} cannot be read: ${messageOf(error)}`, {
      hints: ["For an object of the archive, give its key and say --env."],
      cause: error,
    });
  }
  try {
    return reportOf(file, content);
  } catch (error) {
    if (!(error instanceof OcfError)) throw error;
    throw new CliError(EXIT.failed, `${file} is damaged, or no Avro file: ${error.message}`, {
      data: { fault: error.code },
      cause: error,
    });
  }
}

function reportOf(key: string, content: Uint8Array): FileReport {
  const { header, blocks } = readFile(content);
  const owners = datasetsOf(blocks, header.metadata);
  return {
    key,
    size: content.length,
    headerSize: header.size,
    codec: header.codec,
    fingerprint: fingerprintOf(header.schema),
    schema: header.schema,
    metadata: Object.fromEntries(header.metadata),
    records: blocks.reduce((sum, { recordCount }) => sum + recordCount, 0),
    blocks: blocks.map(({ start, length, recordCount }, index) => ({
      start,
      length,
      records: recordCount,
      datasetId: owners[index] ?? null,
    })),
  };
}

function prettySchema(schema: string): readonly string[] {
  try {
    return JSON.stringify(JSON.parse(schema), null, 2).split("\n").map(printable);
  } catch {
    return [printable(schema)];
  }
}

const UNKNOWN = "(the file does not say)";

/** The report for people. */
export function reportLines(report: FileReport): readonly string[] {
  const { blocks, metadata } = report;
  const byDataset = Map.groupBy(blocks, ({ datasetId }) => datasetId ?? UNKNOWN);
  const sum = (parts: typeof blocks, field: "records" | "length"): number =>
    parts.reduce((total, block) => total + block[field], 0);
  const indent = (lines: readonly string[]): readonly string[] => lines.map((line) => `  ${line}`);
  return [
    printable(report.key),
    `  ${bytes(report.size)}, of them ${bytes(report.headerSize)} header; codec ${printable(report.codec)}`,
    `  ${count(report.records)} records in ${count(blocks.length)} blocks of ${count(byDataset.size)} datasets`,
    "",
    `Schema ${report.fingerprint}`,
    ...indent(prettySchema(report.schema)),
    "",
    "Metadata",
    ...indent(table(Object.entries(metadata).map(([key, value]) => [printable(key), printable(value)]))),
    "",
    "Datasets",
    ...indent(
      table(
        [...byDataset].map(([datasetId, parts]) => [
          printable(datasetId),
          `${count(sum(parts, "records"))} records`,
          `${count(parts.length)} blocks`,
          bytes(sum(parts, "length")),
        ]),
      ),
    ),
    "",
    "Blocks",
    ...indent(
      table([
        ["start", "length", "records", "dataset"],
        ...blocks.map(({ start, length, records, datasetId }) => [
          String(start),
          String(length),
          String(records),
          printable(datasetId ?? UNKNOWN),
        ]),
      ]),
    ),
  ];
}
