import { type Context, Hono } from "hono";
import { z } from "zod";
import { UnknownBookmarkError } from "../runtime/contract.ts";
import type { D1DatabaseRecord } from "../state/resources.ts";
import type { Control } from "./control.ts";
import { ok, timestamp } from "./envelope.ts";
import { ApiError, CODE } from "./errors.ts";
import { faults } from "./request.ts";

const ROUTE = "/d1/database/:database/time_travel";

const moment = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const infoSchema = z.object({ timestamp: moment.optional() });
const restoreSchema = z
  .object({ bookmark: z.string().optional(), timestamp: moment.optional() })
  .refine(({ bookmark, timestamp: at }) => (bookmark === undefined) !== (at === undefined), {
    message: "either 'bookmark' or 'timestamp' is required, and not both",
  });

/** @throws {ApiError} 400 */
function query<T>(c: Context, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(c.req.query());
  if (!parsed.success) {
    throw new ApiError(400, CODE.INVALID_REQUEST, `Invalid request: ${faults(parsed.error)}`);
  }
  return parsed.data;
}

/** Bookmarks of a database, and its way back to one. */
export function d1TimeTravelRoutes(control: Control, find: (c: Context) => D1DatabaseRecord): Hono {
  const app = new Hono();

  /** What stands for a moment: now, a bookmark is made; for the past, the last one made until then. */
  async function bookmarkFor(databaseId: string, at: number | undefined): Promise<string> {
    const travel = control.runtime.timeTravel(databaseId);
    if (at === undefined || at >= control.now()) return await travel.bookmark();
    const bookmark = await travel.bookmarkAt(at);
    if (bookmark === null) {
      throw new ApiError(
        400,
        CODE.INVALID_REQUEST,
        `No bookmark of this database was made at ${timestamp(at)} or before: ` +
          "the local cloud can go back to moments whose bookmark was asked for.",
      );
    }
    return bookmark;
  }

  app.get(`${ROUTE}/bookmark`, async (c) => {
    const { id } = find(c);
    return ok(c, { bookmark: await bookmarkFor(id, query(c, infoSchema).timestamp) });
  });

  app.post(`${ROUTE}/restore`, async (c) => {
    const { id, name } = find(c);
    const request = query(c, restoreSchema);
    const bookmark = request.bookmark ?? (await bookmarkFor(id, request.timestamp));
    try {
      const previous = await control.runtime.timeTravel(id).restore(bookmark);
      return ok(c, {
        bookmark,
        previous_bookmark: previous,
        message: `The database ${name} is as it was at bookmark ${bookmark}; to undo this, restore ${previous}.`,
      });
    } catch (error) {
      if (error instanceof UnknownBookmarkError) {
        throw new ApiError(400, CODE.INVALID_REQUEST, `Invalid request: ${error.message}`);
      }
      throw error;
    }
  });

  return app;
}
