/** Writes the records of one dataset and table to a local file. */
import path from "node:path";
import type { Writable } from "node:stream";
import type { ReadFormat } from "../../../archiver/src/contract.ts";
import { CliError, EXIT } from "../exit.ts";
import type { CallHub } from "./hub-call.ts";
import { OcfJoin, type Joined } from "./ocf-join.ts";
import { sparingly, type Operator } from "./operator.ts";
import { writeStream, writeWhole, type OutputFile } from "./output-file.ts";
import { pages } from "./pages.ts";
import { bytes, count } from "./text.ts";

export type ExportFormat = Exclude<ReadFormat, "json">;

/** The `output` that stands for stdout. */
export const STDOUT = "-";

const FORMATS: Readonly<Record<string, ExportFormat>> = {
  ".ndjson": "ndjson",
  ".jsonl": "ndjson",
  ".avro": "ocf",
  ".ocf": "ocf",
};

/**
 * The format of an export that names none: by the output's extension, else an
 * Avro file; stdout takes lines.
 */
export function formatOf(output: string): ExportFormat {
  if (output === STDOUT) return "ndjson";
  return FORMATS[path.extname(output).toLowerCase()] ?? "ocf";
}

/**
 * Refuses what cannot be written to stdout.
 * @throws {CliError} usage
 */
export function refuseStdout({
  output,
  format,
  json,
}: {
  readonly output: string;
  readonly format: ExportFormat;
  readonly json: boolean;
}): void {
  if (output !== STDOUT) return;
  if (format === "ocf") {
    throw new CliError(EXIT.usage, "Only lines of JSON go to stdout: an Avro file is whole or it is none", {
      hints: ["Say --format ndjson, or give --output a file."],
    });
  }
  if (json) {
    throw new CliError(EXIT.usage, "--json and --output - both want stdout", {
      hints: ["Leave --json out, or give --output a file."],
    });
  }
}

export interface ExportRequest {
  readonly datasetId: string;
  readonly table: string;
  /** ISO 8601 or ms UTC, as the hub takes it; inclusive. */
  readonly from?: string;
  /** Exclusive. */
  readonly to?: string;
  readonly format: ExportFormat;
  /** A file, or {@link STDOUT}. */
  readonly output: string;
  /** Write over a file. */
  readonly force: boolean;
}

export interface Exported {
  /** `null` where there was no record: no file is written then. */
  readonly output: string | null;
  readonly format: ExportFormat;
  readonly records: number;
  readonly bytes: number;
  /** Blocks whose object is lost: their records are not in the file. */
  readonly lostBlocks: number;
}

/** The most that a page may hold; the archiver bounds it further by its size. */
const PAGE_LIMIT = 10_000;
const NEXT_CURSOR = "strata-next-cursor";
const LOST_BLOCKS = "strata-source-lost-blocks";
const LINE_FEED = 0x0a;

/** The lines of a page, the last one ended too. */
function joinLines(page: Uint8Array): Joined {
  if (page.length === 0) return { bytes: [], records: 0 };
  const ended = page.at(-1) === LINE_FEED;
  let records = ended ? 0 : 1;
  for (const byte of page) if (byte === LINE_FEED) records += 1;
  return { bytes: ended ? [page] : [page, Uint8Array.of(LINE_FEED)], records };
}

function firstQuery({ datasetId, table, from, to, format }: ExportRequest): URLSearchParams {
  return new URLSearchParams({
    dataset_id: datasetId,
    table,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    limit: String(PAGE_LIMIT),
    format,
  });
}

/**
 * Reads page by page into a file, which appears when it is whole, and only where there are records.
 * @param callHub with an API key
 * @throws {CliError} usage, when the file exists and `force` is not given
 */
export async function exportDataset(
  callHub: CallHub,
  { tell, clock, signal }: Pick<Operator, "tell" | "clock" | "signal">,
  request: ExportRequest,
  stdout: Writable = process.stdout,
): Promise<Exported> {
  const { output, format, force } = request;
  const progress = sparingly({ tell, clock });
  const ocf = new OcfJoin();
  const fill = async (file: OutputFile): Promise<Exported> => {
    let records = 0;
    let lostBlocks = 0;
    const fetchPage = async (cursor: string | null) => {
      signal.throwIfAborted();
      const query = firstQuery(request);
      if (cursor !== null) query.set("cursor", cursor);
      const { headers, bytes: page } = await callHub({ method: "GET", path: `/read?${query}` });
      return { page, nextCursor: headers.get(NEXT_CURSOR), lost: Number(headers.get(LOST_BLOCKS) ?? 0) };
    };
    for await (const { page, lost } of pages(fetchPage)) {
      const joined = format === "ocf" ? ocf.add(page) : joinLines(page);
      for (const part of joined.bytes) await file.write(part);
      records += joined.records;
      lostBlocks += lost;
      progress(`${count(records)} records, ${bytes(file.size)} so far`);
    }
    if (records > 0) return { output, format, records, bytes: file.size, lostBlocks };
    file.discard();
    return { output: null, format, records, bytes: 0, lostBlocks };
  };
  return output === STDOUT ? writeStream(stdout, fill) : writeWhole(output, force, fill);
}

/** `1,234 records, 5.60 kB in atl.avro` */
export function exportedText(
  { datasetId, table, output: wanted }: Pick<ExportRequest, "datasetId" | "table" | "output">,
  { records, bytes: size, output }: Exported,
): string {
  const place = wanted === STDOUT ? "on stdout" : `in ${wanted}`;
  if (output !== null) return `${count(records)} records, ${bytes(size)} ${place}`;
  const nothing = `No records of ${datasetId} in ${table}`;
  return wanted === STDOUT ? nothing : `${nothing}: ${wanted} was not written`;
}
