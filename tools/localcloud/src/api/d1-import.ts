import { createHash, randomBytes } from "node:crypto";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { SqlError, type SqlResult } from "../runtime/contract.ts";
import type { D1DatabaseRecord } from "../state/resources.ts";
import type { Control } from "./control.ts";
import { sqlMeta } from "./d1-result.ts";
import { ok } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { body } from "./request.ts";

/** Path, beside the API, to which a file is uploaded; the name in it is the secret. */
export const UPLOAD_PATH = "/__local/d1-import";

/** Uploads that nobody ingested are forgotten beyond this number. */
const MAX_PENDING = 16;

const importSchema = z.discriminatedUnion("action", [
  z.object({ action: z.literal("init"), etag: z.string() }),
  z.object({ action: z.literal("ingest"), etag: z.string(), filename: z.string() }),
  z.object({ action: z.literal("poll"), current_bookmark: z.string() }),
]);

export interface Upload {
  readonly databaseId: string;
  /** MD5 in hex of the file, as announced. */
  readonly etag: string;
  /** The file, once it was put with the announced content. */
  sql: string | null;
}

/** Files announced and not yet ingested, by file name. */
export type D1Imports = Map<string, Upload>;

function sum(results: readonly SqlResult[], pick: (meta: SqlResult["meta"]) => number): number {
  return results.reduce((total, { meta }) => total + pick(meta), 0);
}

function complete(results: readonly SqlResult[], at: string): unknown {
  const last = results.at(-1);
  return {
    success: true,
    type: "import",
    status: "complete",
    at_bookmark: at,
    messages: [`Processed ${results.length} queries.`],
    result: {
      num_queries: results.length,
      final_bookmark: at,
      meta: {
        ...(last === undefined ? { size_after: 0, last_row_id: 0 } : sqlMeta(last)),
        duration: sum(results, (meta) => meta.duration),
        changes: sum(results, (meta) => meta.changes),
        rows_read: sum(results, (meta) => meta.rowsRead),
        rows_written: sum(results, (meta) => meta.rowsWritten),
        changed_db: results.some(({ meta }) => meta.changedDb),
      },
    },
  };
}

/** SQL files: announce, upload, ingest in one transaction. The answer is complete at once, so `poll` has nothing to add. */
export function d1ImportRoutes(
  control: Control,
  uploads: D1Imports,
  find: (c: Context) => D1DatabaseRecord,
): Hono {
  const app = new Hono();

  function init(c: Context, database: D1DatabaseRecord, etag: string): Response {
    const filename = `${randomBytes(24).toString("hex")}.sql`;
    uploads.set(filename, { databaseId: database.id, etag, sql: null });
    const [oldest] = uploads.keys();
    if (uploads.size > MAX_PENDING && oldest !== undefined) {
      uploads.delete(oldest);
    }
    const upload_url = new URL(`${UPLOAD_PATH}/${filename}`, c.req.url).href;
    return ok(c, { success: true, type: "import", upload_url, filename, messages: [] });
  }

  async function ingest(database: D1DatabaseRecord, filename: string, etag: string): Promise<unknown> {
    const upload = uploads.get(filename);
    if (upload?.sql === null || upload?.databaseId !== database.id || upload.etag !== etag) {
      throw new ApiError(400, CODE.INVALID_REQUEST, `No file ${filename} was uploaded for this database`);
    }
    uploads.delete(filename);
    try {
      const results = await control.runtime.d1(database.id).query(upload.sql, []);
      return complete(results, await control.runtime.timeTravel(database.id).bookmark());
    } catch (error) {
      if (error instanceof SqlError) {
        return { success: false, type: "import", status: "error", error: error.message, messages: [] };
      }
      throw error;
    }
  }

  app.post("/d1/database/:database/import", async (c) => {
    const database = find(c);
    const request = await body(c, importSchema, CODE.INVALID_REQUEST);
    switch (request.action) {
      case "init":
        return init(c, database, request.etag);
      case "ingest":
        return ok(c, await ingest(database, request.filename, request.etag));
      case "poll":
        return ok(c, {
          success: false,
          type: "import",
          status: "error",
          error: "Not currently importing anything.",
          messages: [],
        });
    }
  });
  return app;
}

/** Where the client puts the file that it announced. */
export function d1UploadRoutes(uploads: D1Imports): Hono {
  const app = new Hono();
  app.put(`${UPLOAD_PATH}/:filename`, async (c) => {
    const upload = uploads.get(c.req.param("filename"));
    if (upload === undefined) {
      return c.text("no such upload", 404);
    }
    const bytes = Buffer.from(await c.req.arrayBuffer());
    const etag = createHash("md5").update(bytes).digest("hex");
    upload.sql = etag === upload.etag ? bytes.toString("utf8") : null;
    return c.body(null, 200, { etag: `"${etag}"` });
  });
  return app;
}
