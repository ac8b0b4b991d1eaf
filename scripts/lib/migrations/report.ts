/** What applying migrations has come to, and what it means for a rollback. */
import type { D1Key } from "../../../infra/topology.ts";
import type { RollbackSafety } from "../../../worker/src/rollout/contract.ts";

/** What this run did to one database. */
export interface MigrationReport {
  readonly database: D1Key;
  /** Applied in this run, oldest first. */
  readonly files: readonly string[];
  /** Time Travel bookmark from before the first of them; `null` without one, and when nothing was pending. */
  readonly bookmark: string | null;
  /** A contract change went in: code from before it may fail on the schema. */
  readonly contract: boolean;
}

/** Whether the code that served before these migrations works on the schema that they leave. */
export function rollbackSafety(reports: readonly MigrationReport[]): RollbackSafety {
  const contracted = reports.filter(({ contract, files }) => contract && files.length > 0);
  if (contracted.length > 0) return { safe: false, why: contractReason(contracted) };
  return { safe: true, newerSchema: reports.some(({ files }) => files.length > 0) };
}

/** Why an older version must not come back. */
export function contractReason(
  contracted: readonly { readonly database: D1Key; readonly files: readonly string[] }[],
): string {
  const named = contracted.map(({ database, files }) => `${database} (${files.join(", ")})`);
  return `A contract migration went into ${named.join(" and ")}: the version before it may fail on this schema`;
}
