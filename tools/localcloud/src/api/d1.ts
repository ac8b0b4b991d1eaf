import { type Context, Hono } from "hono";
import { z } from "zod";
import { SqlError, type SqlResult } from "../runtime/contract.ts";
import type { D1DatabaseRecord } from "../state/resources.ts";
import { type Control, newUuid } from "./control.ts";
import { type D1Exports, d1ExportRoutes } from "./d1-export.ts";
import { type D1Imports, d1ImportRoutes } from "./d1-import.ts";
import { sqlMeta } from "./d1-result.ts";
import { d1TimeTravelRoutes } from "./d1-time-travel.ts";
import { ok, paged, timestamp } from "./envelope.ts";
import { ApiError, CODE, notImplemented } from "./errors.ts";
import { body, param } from "./request.ts";

const PAGE = { perPage: 1000, maxPerPage: 10_000 };
const ROUTE = "/d1/database";

const replicationSchema = z.object({ mode: z.enum(["auto", "disabled"]) });

const createSchema = z.object({
  name: z
    .string()
    .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]*$/, "letters, digits, underscores and hyphens only")
    .max(64),
  primary_location_hint: z.string().optional(),
  read_replication: replicationSchema.nullish(),
});

const updateSchema = z.object({ read_replication: replicationSchema.optional() });

const sqlSchema = z.string().min(1);

const paramsSchema = z
  .array(z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.number())]))
  .optional();

const querySchema = z.union([
  z.object({ sql: sqlSchema, params: paramsSchema }),
  z.object({ batch: z.array(z.object({ sql: sqlSchema, params: paramsSchema })).min(1) }),
]);

function asObjects(result: SqlResult): Record<string, unknown>[] {
  return result.rows.map((row) => Object.fromEntries(result.columns.map((column, i) => [column, row[i]])));
}

/**
 * Runs SQL for the API, all or nothing.
 * @throws {ApiError} 400 with SQLite's sentence.
 */
async function run(
  control: Control,
  database: D1DatabaseRecord,
  request: z.infer<typeof querySchema>,
): Promise<readonly SqlResult[]> {
  const { sql, params } = statement(request);
  try {
    return await control.runtime.d1(database.id).query(sql, params);
  } catch (error) {
    if (error instanceof SqlError) {
      throw new ApiError(400, CODE.D1_SQL_ERROR, error.message);
    }
    throw error;
  }
}

function statement(request: z.infer<typeof querySchema>): { sql: string; params: readonly unknown[] } {
  if ("sql" in request) {
    return { sql: request.sql, params: request.params ?? [] };
  }
  if (request.batch.some(({ params }) => params !== undefined && params.length > 0)) {
    // One call is one transaction here; statements with their own parameters cannot be joined into one.
    throw notImplemented("a D1 batch with parameters over REST");
  }
  return { sql: request.batch.map(({ sql }) => sql).join(";\n"), params: [] };
}

/** Size and number of tables, asked of the database itself. */
async function measure(control: Control, id: string): Promise<{ num_tables: number; file_size: number }> {
  const [counted] = await control.runtime
    .d1(id)
    .query(
      "SELECT count(*) AS n FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'",
      [],
    );
  return {
    num_tables: z.number().catch(0).parse(counted?.rows[0]?.[0]),
    file_size: counted?.meta.sizeAfter ?? 0,
  };
}

function listed(database: D1DatabaseRecord): Record<string, unknown> {
  return {
    uuid: database.id,
    name: database.name,
    created_at: timestamp(database.createdAt),
    version: "production",
  };
}

function shown(database: D1DatabaseRecord): Record<string, unknown> {
  return { ...listed(database), read_replication: { mode: database.readReplication } };
}

/** `d1/database`: databases, SQL, imports, exports, Time Travel. */
export function d1Routes(control: Control, imports: D1Imports, exports: D1Exports): Hono {
  const app = new Hono();
  const { store, changes } = control;

  function find(c: Context): D1DatabaseRecord {
    const id = param(c, "database");
    const database = store.d1.get(id);
    if (database === null) {
      throw new ApiError(404, CODE.D1_NOT_FOUND, `The database ${id} could not be found`);
    }
    return database;
  }

  app.post(ROUTE, async (c) => {
    const { name, read_replication } = await body(c, createSchema, CODE.INVALID_REQUEST);
    const database: D1DatabaseRecord = {
      id: newUuid(),
      name,
      createdAt: control.now(),
      readReplication: read_replication?.mode ?? "disabled",
    };
    await changes.store(() => {
      if (store.d1.get(name) !== null) {
        throw new ApiError(400, CODE.D1_NAME_EXISTS, `Database with name '${name}' already exists`);
      }
      store.d1.put(database);
    });
    return ok(c, { ...shown(database), num_tables: 0, file_size: 0 });
  });

  app.get(ROUTE, (c) => {
    const name = c.req.query("name");
    const matching = store.d1.list().filter((database) => name === undefined || database.name.includes(name));
    return paged(c, matching.map(listed), PAGE);
  });

  app.get(`${ROUTE}/:database`, async (c) => {
    const database = find(c);
    const fields = c.req.query("fields")?.split(",");
    if (fields === undefined) {
      return ok(c, { ...shown(database), ...(await measure(control, database.id)) });
    }
    const wanted = fields.some((field) => field === "num_tables" || field === "file_size")
      ? { ...shown(database), ...(await measure(control, database.id)) }
      : shown(database);
    return ok(c, Object.fromEntries(Object.entries(wanted).filter(([key]) => fields.includes(key))));
  });

  async function update(c: Context): Promise<Response> {
    const { read_replication } = await body(c, updateSchema, CODE.INVALID_REQUEST);
    const updated = await changes.store(() => {
      const database = find(c);
      const next = { ...database, readReplication: read_replication?.mode ?? database.readReplication };
      store.d1.put(next);
      return next;
    });
    return ok(c, { ...shown(updated), ...(await measure(control, updated.id)) });
  }
  app.put(`${ROUTE}/:database`, update);
  app.patch(`${ROUTE}/:database`, update);

  app.delete(`${ROUTE}/:database`, async (c) => {
    const { id } = find(c);
    await changes.deploy(() => store.d1.delete(id));
    await control.runtime.dropD1(id);
    return ok(c, null);
  });

  app.post(`${ROUTE}/:database/query`, async (c) => {
    const results = await run(control, find(c), await body(c, querySchema, CODE.INVALID_REQUEST));
    return ok(
      c,
      results.map((result) => ({ results: asObjects(result), success: true, meta: sqlMeta(result) })),
    );
  });

  app.post(`${ROUTE}/:database/raw`, async (c) => {
    const results = await run(control, find(c), await body(c, querySchema, CODE.INVALID_REQUEST));
    return ok(
      c,
      results.map((result) => ({
        results: { columns: result.columns, rows: result.rows },
        success: true,
        meta: sqlMeta(result),
      })),
    );
  });

  app.route("/", d1TimeTravelRoutes(control, find));
  app.route("/", d1ImportRoutes(control, imports, find));
  app.route("/", d1ExportRoutes(control, exports, find));
  return app;
}
