/** Whether the archiver can do its work. */
import type { ArchiverHealth } from "./contract.ts";
import type { Env } from "./env.generated.ts";
import { errorFields, log } from "./log.ts";
import { registry } from "./tables/index.ts";

/** Asks each binding something that costs little. A queue cannot be asked: that it is bound has to do. */
export async function readHealth(env: Env): Promise<ArchiverHealth> {
  const [database, bucket] = await Promise.all([
    probe("DB", () => env.DB.prepare("SELECT 1 FROM leases LIMIT 1").all()),
    probe("COLD", () => env.COLD.head("health")),
  ]);
  return {
    version: { id: env.VERSION.id, tag: env.VERSION.tag },
    bindings: {
      DB: database,
      COLD: bucket,
      INGEST: typeof env.INGEST.sendBatch === "function" ? "ok" : "not bound",
    },
    tables: registry.tables,
  };
}

/** `ok`, or a word on the failure; the error itself is for the log, not for the public. */
async function probe(binding: string, ask: () => Promise<unknown>): Promise<string> {
  try {
    await ask();
    return "ok";
  } catch (error) {
    log.error("health.binding_failed", { binding, ...errorFields(error) });
    return "failing";
  }
}
