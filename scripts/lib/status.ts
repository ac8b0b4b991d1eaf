/** Where everything stands: the rollout, what each script serves, and what is not migrated yet. */
import type { D1Key, Environment, WorkerKey } from "../../infra/topology.ts";
import type { RolloutState } from "../../worker/src/rollout/contract.ts";
import type { ReleaseContext } from "./environment.ts";
import { CliError, messageOf } from "./exit.ts";
import { openHub } from "./rollout/hub.ts";
import { rollbackTarget } from "./release/lineage.ts";
import { pendingMigrations } from "./migrations/index.ts";

export interface ServedVersion {
  readonly versionId: string;
  /** Percent. */
  readonly percentage: number;
  readonly tag: string | null;
  /** ISO 8601. */
  readonly uploadedAt: string | null;
}

export interface WorkerStatus {
  readonly name: string;
  readonly url: string | null;
  /** ISO 8601; `null` before the first release. */
  readonly deployedAt: string | null;
  readonly message: string | null;
  readonly versions: readonly ServedVersion[];
  /** Where `rollback` would lead; `null` when nothing good came before. */
  readonly rollbackTo: string | null;
}

export interface StatusReport {
  readonly environment: Environment;
  /** `null` before the hub's first release, or when `rolloutFault` says why it is not known. */
  readonly rollout: RolloutState | null;
  readonly rolloutFault: string | null;
  readonly workers: Readonly<Record<WorkerKey, WorkerStatus>>;
  readonly pendingMigrations: Readonly<Record<D1Key, readonly string[]>>;
}

async function workerStatus(context: ReleaseContext, worker: WorkerKey): Promise<WorkerStatus> {
  const { api, topology } = context;
  const { name } = topology.workers[worker];
  const [deployments, versions, url] = await Promise.all([
    api.deployments(name),
    api.versions(name),
    context.url(worker),
  ]);
  const [current] = deployments;
  return {
    name,
    url,
    deployedAt: current?.createdOn ?? null,
    message: current?.message ?? null,
    versions: (current?.versions ?? []).map(({ versionId, percentage }) => {
      const version = versions.find(({ id }) => id === versionId);
      return { versionId, percentage, tag: version?.tag ?? null, uploadedAt: version?.createdOn ?? null };
    }),
    rollbackTo: rollbackTarget(deployments)?.to ?? null,
  };
}

/**
 * Reads all of it; changes nothing. A hub that does not answer is a fault in
 * the report, because that is when the rest is wanted most.
 * @throws {CliError} when the API cannot be asked
 */
export async function status(context: ReleaseContext): Promise<StatusReport> {
  const [archiverCanary, archiver, hubCanary, hub, hubPending, archivePending] = await Promise.all([
    workerStatus(context, "archiver-canary"),
    workerStatus(context, "archiver"),
    workerStatus(context, "hub-canary"),
    workerStatus(context, "hub"),
    pendingMigrations(context, "hub"),
    pendingMigrations(context, "archive"),
  ]);
  let rollout: RolloutState | null = null;
  let rolloutFault: string | null = null;
  if (hub.versions.length > 0) {
    try {
      rollout = await (await openHub(context)).state();
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      rolloutFault = messageOf(error);
    }
  }
  return {
    environment: context.environment,
    rollout,
    rolloutFault,
    workers: { "archiver-canary": archiverCanary, archiver, "hub-canary": hubCanary, hub },
    pendingMigrations: { hub: hubPending, archive: archivePending },
  };
}
