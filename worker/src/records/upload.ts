/** The body of `POST /buffer` in each of its forms, as the archiver takes it. */
import type { z } from "@hono/zod-openapi";
import type { IngestRequest } from "../../../archiver/src/contract.ts";
import {
  bytesOf,
  invalid,
  limitBody,
  ProblemError,
  queryOf,
  readStream,
  textOf,
  zodFaults,
  type Fault,
  type HubContext,
  type HubMiddleware,
} from "../http/index.ts";
import { AVRO_TYPES, JSON_TYPES, NDJSON_TYPES, parseContentType } from "./media-types.ts";
import { readNdjson } from "./ndjson.ts";
import { BufferHeadersSchema, BufferRequestSchema, strayParameters, UploadTargetSchema } from "./shapes.ts";

export type UploadFormat = "json" | "ndjson" | "avro";

const TYPES: Readonly<Record<UploadFormat, readonly string[]>> = {
  json: JSON_TYPES,
  ndjson: NDJSON_TYPES,
  avro: AVRO_TYPES,
};
const FORMATS = ["json", "ndjson", "avro"] as const satisfies readonly UploadFormat[];

export const UPLOAD_TYPES: readonly string[] = FORMATS.flatMap((format) => TYPES[format]);

/**
 * Largest body in bytes, whatever its form. One request may fill 16 queue batches
 * of 245 kB, which Avro brings in so many bytes. JSON of nothing but `[]` takes
 * 14 times its length once it is parsed: 57 of the 128 MiB that an isolate has.
 */
export const MAX_UPLOAD_BYTES = 4 * 1024 * 1024;

function unsupported(problem: string, headers: Readonly<Record<string, string>>): ProblemError {
  return new ProblemError("unsupported-media-type", {
    detail: `${problem} Send ${UPLOAD_TYPES.map((type) => `\`${type}\``).join(", ")}; text as UTF-8, and no body compressed as a whole.`,
    extensions: { content_types: UPLOAD_TYPES },
    headers,
  });
}

/**
 * What form a body says it has.
 * @throws ProblemError `unsupported-media-type`
 */
export function uploadFormat(headers: Headers): UploadFormat {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "";
  if (encoding !== "" && encoding !== "identity") {
    throw unsupported("A body with a `content-encoding` is not taken.", { "accept-encoding": "identity" });
  }
  const { type, charset } = parseContentType(headers.get("content-type") ?? undefined);
  const format = FORMATS.find((name) => TYPES[name].includes(type));
  const accept = { accept: UPLOAD_TYPES.join(", ") };
  if (format === undefined) {
    throw unsupported(
      type === "" ? "The body has no `content-type`." : "The body has a `content-type` that is not taken.",
      accept,
    );
  }
  if (format !== "avro" && charset !== null && charset !== "utf-8" && charset !== "utf8") {
    throw unsupported("The body has a `charset` that is not UTF-8.", accept);
  }
  return format;
}

/** Refuses a body of a form that is not taken, or larger than any may be. */
export function limitUpload(): HubMiddleware {
  const limit = limitBody(MAX_UPLOAD_BYTES, "Send the records in several requests.");
  return (c, next) => {
    uploadFormat(c.req.raw.headers);
    return limit(c, next);
  };
}

/** What is wrong with the parts of an upload. */
class UploadFaults {
  #faults: readonly Fault[] = [];
  #count = 0;
  /** What the refusal says beside them. */
  remark = "";

  add(faults: readonly Fault[], count: number = faults.length): void {
    this.#faults = [...this.#faults, ...faults];
    this.#count += count;
  }

  /** The part as its schema gives it; `null` where it does not fit. */
  check<S extends z.ZodType>(schema: S, part: unknown): z.output<S> | null {
    const result = schema.safeParse(part);
    if (result.success) return result.data;
    this.add(zodFaults(result.error));
    return null;
  }

  get any(): boolean {
    return this.#count > 0;
  }

  refusal(): ProblemError {
    return invalid(this.#faults, this.#count, this.remark);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const advice = "Mend it, or send one record a line as `application/x-ndjson`.";
    throw new ProblemError("malformed-json", { detail: `The body is not JSON. ${advice}`, cause });
  }
}

type Target = z.output<typeof UploadTargetSchema>;
type UploadHeaders = z.output<typeof BufferHeadersSchema>;

const ingestTarget = ({ dataset_id, table, period_tag }: Target, headers: UploadHeaders) => ({
  datasetId: dataset_id,
  table,
  periodTag: period_tag,
  idempotencyKey: headers["idempotency-key"],
});

async function readJson(c: HubContext, faults: UploadFaults): Promise<IngestRequest> {
  const body = parseJson(textOf(await bytesOf(c)));
  const headers = faults.check(BufferHeadersSchema, c.req.header());
  faults.add(strayParameters(queryOf(c)));
  const upload = faults.check(BufferRequestSchema, body);
  if (headers === null || upload === null || faults.any) throw faults.refusal();
  return { ...ingestTarget(upload, headers), records: upload.records };
}

const OTHERS_UNCHECKED = "The other lines were not checked against the table yet.";

/** A body of records only: the query says where they belong. */
async function readRecords(
  c: HubContext,
  format: "ndjson" | "avro",
  faults: UploadFaults,
): Promise<IngestRequest> {
  const headers = faults.check(BufferHeadersSchema, c.req.header());
  const target = faults.check(UploadTargetSchema, queryOf(c));
  if (format === "ndjson") {
    const lines = await readStream(c.req.raw.body, readNdjson);
    faults.add(lines.faults, lines.faultCount);
    if (lines.faultCount > 0 && lines.records.length > 0) faults.remark = OTHERS_UNCHECKED;
    if (headers === null || target === null || faults.any) throw faults.refusal();
    return { ...ingestTarget(target, headers), records: lines.records };
  }
  if (headers === null || target === null) throw faults.refusal();
  return { ...ingestTarget(target, headers), container: new Uint8Array(await bytesOf(c)) };
}

/**
 * The request that a body, its query and its headers make up.
 * @throws ProblemError `invalid` with every fault of all three, `malformed-json`, `unsupported-media-type`, `upload-broken-off`
 */
export async function readUpload(c: HubContext): Promise<IngestRequest> {
  const format = uploadFormat(c.req.raw.headers);
  const faults = new UploadFaults();
  return await (format === "json" ? readJson(c, faults) : readRecords(c, format, faults));
}
