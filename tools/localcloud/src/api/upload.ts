import { gzipSync } from "node:zlib";
import type { Context } from "hono";
import { z } from "zod";
import type { ScriptModule } from "../model.ts";
import { ApiError, CODE, notImplemented } from "./errors.ts";
import { migrationsSchema } from "./durable-objects.ts";
import { parseJson } from "./request.ts";

/** The platform's limit for a bundle after gzip (paid plan). */
const MAX_BUNDLE_GZIP_BYTES = 10 * 1024 * 1024;
/** The platform's limit for a bundle before compression. */
const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;

/** What a client that says nothing gets. */
const DEFAULT_COMPATIBILITY_DATE = "2021-11-02";

/** Parts of metadata that change what would run, and that nothing here runs. */
const UNSUPPORTED_METADATA = ["assets", "containers", "exports"] as const;

const annotationsSchema = z.object({
  "workers/message": z.string().nullish(),
  "workers/tag": z.string().nullish(),
});

const metadataSchema = z.looseObject({
  main_module: z.string().optional(),
  body_part: z.string().optional(),
  compatibility_date: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/)
    .nullish(),
  compatibility_flags: z.array(z.string()).nullish(),
  bindings: z.array(z.looseObject({ type: z.string(), name: z.string().min(1) })).nullish(),
  keep_bindings: z.array(z.string()).nullish(),
  annotations: annotationsSchema.nullish(),
  migrations: migrationsSchema.nullish(),
  observability: z.record(z.string(), z.unknown()).nullish(),
  logpush: z.boolean().nullish(),
  tags: z.array(z.string()).nullish(),
  tail_consumers: z.array(z.unknown()).nullish(),
});

export type UploadMetadata = z.infer<typeof metadataSchema>;

/** A binding as a client sends it: checked for a type and a name only. */
export type UploadedBinding = NonNullable<UploadMetadata["bindings"]>[number];

/** A Worker as uploaded. */
export interface Upload {
  readonly metadata: UploadMetadata;
  /** What a version takes over as it is. */
  readonly code: {
    readonly mainModule: string;
    readonly modules: readonly ScriptModule[];
    readonly compatibilityDate: string;
    readonly compatibilityFlags: readonly string[];
    readonly tag: string | null;
    readonly message: string | null;
  };
}

const MODULE_TYPES: Readonly<Record<string, ScriptModule["type"] | "ignored">> = {
  "application/javascript+module": "esm",
  "application/javascript": "commonjs",
  "text/javascript+module": "esm",
  "text/javascript": "commonjs",
  "application/json": "json",
  "application/octet-stream": "data",
  "application/source-map": "ignored",
  "application/wasm": "wasm",
  "text/plain": "text",
};

function moduleType(name: string, mime: string): ScriptModule["type"] | "ignored" {
  const base = mime.split(";")[0]?.trim() ?? "";
  const type = MODULE_TYPES[base];
  if (type === undefined) {
    throw new ApiError(400, CODE.WORKER_VALIDATION, `module ${name} has the unknown type "${base}"`);
  }
  return type;
}

/** The form of an upload. @throws {ApiError} 400 when the body is none. */
export async function uploadedForm(c: Context): Promise<FormData> {
  try {
    return await c.req.formData();
  } catch {
    throw new ApiError(400, CODE.WORKER_VALIDATION, "the body is not a well-formed multipart/form-data");
  }
}

async function metadataOf(form: FormData): Promise<UploadMetadata> {
  const part = form.get("metadata");
  if (part === null) {
    throw new ApiError(400, CODE.WORKER_VALIDATION, "the form has no part named metadata");
  }
  const text = typeof part === "string" ? part : await part.text();
  const metadata = parseJson(metadataSchema, text, CODE.WORKER_VALIDATION);
  for (const key of UNSUPPORTED_METADATA) {
    if (metadata[key] !== undefined && metadata[key] !== null) {
      throw notImplemented(`${key} in a Worker's metadata`);
    }
  }
  if ((metadata.tail_consumers ?? []).length > 0) {
    throw notImplemented("tail_consumers in a Worker's metadata");
  }
  return metadata;
}

async function modulesOf(form: FormData): Promise<ScriptModule[]> {
  const modules: ScriptModule[] = [];
  for (const [key, part] of form) {
    if (key === "metadata" || typeof part === "string") {
      continue;
    }
    const name = part.name === "" || part.name === "blob" ? key : part.name;
    const type = moduleType(name, part.type);
    if (type !== "ignored") {
      modules.push({ name, type, contents: new Uint8Array(await part.arrayBuffer()) });
    }
  }
  return modules;
}

function refuseTooLarge(modules: readonly ScriptModule[]): void {
  const raw = modules.reduce((total, { contents }) => total + contents.byteLength, 0);
  if (raw > MAX_BUNDLE_BYTES) {
    throw new ApiError(
      413,
      CODE.WORKER_TOO_LARGE,
      `Your Worker exceeded the size limit of 64 MiB: ${raw} bytes before compression.`,
    );
  }
  if (raw <= MAX_BUNDLE_GZIP_BYTES) {
    return;
  }
  const zipped = gzipSync(Buffer.concat(modules.map(({ contents }) => contents))).byteLength;
  if (zipped > MAX_BUNDLE_GZIP_BYTES) {
    throw new ApiError(
      413,
      CODE.WORKER_TOO_LARGE,
      `Your Worker exceeded the size limit of 10 MiB: ${zipped} bytes after gzip.`,
    );
  }
}

/**
 * Reads the form of a Worker upload: metadata and modules.
 * @throws {ApiError} 400 when it is malformed, 413 when it is too large, 501 when
 * it asks for something that cannot run here.
 */
export async function readUpload(form: FormData): Promise<Upload> {
  const metadata = await metadataOf(form);
  if (metadata.main_module === undefined) {
    throw new ApiError(
      400,
      CODE.WORKER_VALIDATION,
      metadata.body_part === undefined
        ? "metadata has no main_module"
        : "the local cloud runs ES modules only: this Worker is in service-worker syntax",
    );
  }
  const modules = await modulesOf(form);
  if (!modules.some(({ name }) => name === metadata.main_module)) {
    throw new ApiError(
      400,
      CODE.WORKER_VALIDATION,
      `No such module "${metadata.main_module}": the form has no part of that name`,
    );
  }
  refuseTooLarge(modules);
  return {
    metadata,
    code: {
      mainModule: metadata.main_module,
      modules,
      compatibilityDate: metadata.compatibility_date ?? DEFAULT_COMPATIBILITY_DATE,
      compatibilityFlags: metadata.compatibility_flags ?? [],
      tag: metadata.annotations?.["workers/tag"] || null,
      message: metadata.annotations?.["workers/message"] || null,
    },
  };
}
