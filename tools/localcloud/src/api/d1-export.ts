import { randomBytes } from "node:crypto";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { type DumpOptions, DumpRefusal, UnknownBookmarkError } from "../runtime/contract.ts";
import type { D1DatabaseRecord } from "../state/resources.ts";
import type { Control } from "./control.ts";
import { ok } from "./envelope.ts";
import { CODE, notImplemented } from "./errors.ts";
import { body } from "./request.ts";

/** Path, beside the API, from which a dump is read; the name in it is the secret. */
export const DOWNLOAD_PATH = "/__local/d1-export";

/** How long a dump may be read, in milliseconds. */
const VALID_MS = 3600 * 1000;
/** Dumps beyond this number are forgotten, oldest first. */
const MAX_DUMPS = 64;

const exportSchema = z.object({
  output_format: z.literal("polling"),
  current_bookmark: z.string().nullish(),
  dump_options: z
    .object({
      no_schema: z.boolean().nullish(),
      no_data: z.boolean().nullish(),
      tables: z.array(z.string()).nullish(),
      compatibility: z.enum(["d1", "sqlite3_cli_only"]).nullish(),
    })
    .nullish(),
});

interface Download {
  readonly databaseId: string;
  readonly bookmark: string;
  readonly options: DumpOptions;
  /** Milliseconds UTC. */
  readonly expires: number;
}

/** Dumps that may be read, by file name. */
export type D1Exports = Map<string, Download>;

/** Dumps: written when they are read, from the copy behind a bookmark, so the first answer is complete. */
export function d1ExportRoutes(
  control: Control,
  exports: D1Exports,
  find: (c: Context) => D1DatabaseRecord,
): Hono {
  const app = new Hono();
  app.post("/d1/database/:database/export", async (c) => {
    const { id } = find(c);
    const { dump_options: asked } = await body(c, exportSchema, CODE.INVALID_REQUEST);
    if (asked?.compatibility === "sqlite3_cli_only") {
      throw notImplemented("D1 exports that D1 cannot import (compatibility: sqlite3_cli_only)");
    }
    const options: DumpOptions = {
      noSchema: asked?.no_schema ?? false,
      noData: asked?.no_data ?? false,
      tables: asked?.tables ?? [],
    };
    const travel = control.runtime.timeTravel(id);
    const bookmark = await travel.bookmark();
    try {
      await travel.dump(bookmark, options);
    } catch (error) {
      if (!(error instanceof DumpRefusal)) throw error;
      const { message } = error;
      return ok(c, { success: false, type: "export", status: "error", error: message, messages: [] });
    }
    const filename = `${randomBytes(24).toString("hex")}.sql`;
    exports.set(filename, { databaseId: id, bookmark, options, expires: control.now() + VALID_MS });
    const [oldest] = exports.keys();
    if (exports.size > MAX_DUMPS && oldest !== undefined) exports.delete(oldest);
    return ok(c, {
      success: true,
      type: "export",
      status: "complete",
      at_bookmark: bookmark,
      messages: [],
      result: { filename, signed_url: new URL(`${DOWNLOAD_PATH}/${filename}`, c.req.url).href },
    });
  });
  return app;
}

/** Where the client reads the dump that it asked for. */
export function d1DownloadRoutes(control: Control, exports: D1Exports): Hono {
  const app = new Hono();
  app.get(`${DOWNLOAD_PATH}/:filename`, async (c) => {
    const download = exports.get(c.req.param("filename"));
    if (download === undefined || download.expires < control.now()) return c.text("no such dump", 404);
    const { databaseId, bookmark, options } = download;
    try {
      const dump = await control.runtime.timeTravel(databaseId).dump(bookmark, options);
      const stream = ReadableStream.from(dump).pipeThrough(new TextEncoderStream());
      return c.body(stream, 200, { "content-type": "application/sql; charset=utf-8" });
    } catch (error) {
      if (error instanceof UnknownBookmarkError) return c.text("the dump is no longer kept", 404);
      throw error;
    }
  });
  return app;
}
