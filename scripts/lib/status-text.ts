/** The status as people read it. */
import pc from "picocolors";
import { rolloutLines } from "./rollout/lines.ts";
import type { StatusReport, WorkerStatus } from "./status.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** How long ago, in the largest unit that fits. @param at ISO 8601 @param now milliseconds UTC */
export function age(at: string, now: number): string {
  const ms = Math.max(0, now - Date.parse(at));
  if (ms < MINUTE_MS) return `${Math.floor(ms / 1000)} s ago`;
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min ago`;
  if (ms < DAY_MS) return `${Math.floor(ms / HOUR_MS)} h ago`;
  return `${Math.floor(ms / DAY_MS)} d ago`;
}

function rolloutText({ rollout, rolloutFault }: StatusReport, now: number): readonly string[] {
  if (rolloutFault !== null) return [`${pc.red("rollout not known")}: ${rolloutFault}`];
  if (rollout === null || rollout.status === "idle") return ["no rollout yet"];
  return rolloutLines(rollout, now);
}

function workerText(
  { name, url, versions, deployedAt, rollbackTo }: WorkerStatus,
  now: number,
): readonly string[] {
  if (versions.length === 0 || deployedAt === null) return [`${pc.bold(name)}  no release yet`];
  const served = versions.map(
    ({ versionId, percentage, tag }) => `  ${percentage} %  ${versionId}  ${tag ?? "without a tag"}`,
  );
  return [
    `${pc.bold(name)}  deployed ${age(deployedAt, now)}${url === null ? "" : `  ${pc.cyan(url)}`}`,
    ...served,
    ...(rollbackTo === null ? [] : [pc.dim(`  a rollback returns to ${rollbackTo}`)]),
  ];
}

/** @param now milliseconds UTC */
export function statusText(report: StatusReport, now: number): string {
  const { hub, archiver, "hub-canary": hubCanary, "archiver-canary": archiverCanary } = report.workers;
  const pending = Object.entries(report.pendingMigrations)
    .filter(([, files]) => files.length > 0)
    .map(([database, files]) => pc.yellow(`${database}: pending ${files.join(", ")}`));
  return [
    ...rolloutText(report, now),
    "",
    // What a canary served before may be what was refused: its way back is nothing to offer.
    ...[hub, { ...hubCanary, rollbackTo: null }, archiver, { ...archiverCanary, rollbackTo: null }].flatMap(
      (worker) => workerText(worker, now),
    ),
    "",
    ...(pending.length === 0 ? ["all migrations are applied"] : pending),
  ].join("\n");
}
