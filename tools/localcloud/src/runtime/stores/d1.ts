import { z } from "zod";
import { SqlError, type D1Access, type SqlResult } from "../contract.ts";
import { splitStatements } from "../sql-split.ts";
import type { StoreClient } from "./store-client.ts";

const metaSchema = z.object({
  duration: z.number(),
  rows_read: z.number(),
  rows_written: z.number(),
  changes: z.number(),
  last_row_id: z.number(),
  changed_db: z.boolean(),
  size_after: z.number(),
});

const responseSchema = z.union([
  z.array(
    z.object({
      results: z.object({ columns: z.array(z.string()), rows: z.array(z.array(z.unknown())) }),
      meta: metaSchema,
    }),
  ),
  z.object({ success: z.literal(false), error: z.string() }),
]);

/** Access to one database, over the very interface that a Worker's D1 binding uses. */
export function openD1(databaseId: string, store: StoreClient): D1Access {
  return {
    async query(sql, params) {
      const statements = splitStatements(sql);
      const [first] = statements;
      if (first === undefined) throw new SqlError("No SQL statements detected.");
      if (statements.length > 1 && params.length > 0) {
        throw new SqlError("Parameters cannot be bound to more than one statement.");
      }
      const batch = statements.map((statement) => ({ sql: statement, params: params.map(wireValue) }));
      const response = await store("D1", databaseId, "query?resultsFormat=ROWS_AND_COLUMNS", {
        method: "POST",
        body: JSON.stringify(batch),
      });
      const answer = responseSchema.parse(await response.json());
      if (!Array.isArray(answer)) throw new SqlError(answer.error);
      return answer.map(({ results, meta }) => sqlResult(results, meta));
    },
  };
}

/** A blob travels as an array of its bytes. */
function wireValue(value: unknown): unknown {
  if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
  if (ArrayBuffer.isView(value)) {
    return [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
  }
  if (typeof value === "boolean") return Number(value);
  return value ?? null;
}

function sqlResult(
  results: { readonly columns: readonly string[]; readonly rows: readonly (readonly unknown[])[] },
  meta: z.infer<typeof metaSchema>,
): SqlResult {
  return {
    columns: results.columns,
    rows: results.rows,
    meta: {
      duration: meta.duration,
      rowsRead: meta.rows_read,
      rowsWritten: meta.rows_written,
      changes: meta.changes,
      lastRowId: meta.last_row_id,
      changedDb: meta.changed_db,
      sizeAfter: meta.size_after,
    },
  };
}
