/** What a release would change, before anything is touched: infrastructure, schema, Workers, sizes, quotas. */
import { D1_KEYS, WORKER_KEYS, byWorker, type D1Key, type WorkerKey } from "../../../infra/topology.ts";
import {
  ROLLOUT_WORKERS,
  type RolloutPlan,
  type RolloutWorker,
} from "../../../worker/src/rollout/contract.ts";
import { openInventory } from "../cloudflare-inventory.ts";
import { driftChecks } from "../doctor/drift.ts";
import { askEngine, type EngineAnswer } from "../doctor/state.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError } from "../exit.ts";
import { examinePending, refuseFindings } from "../migrations/check.ts";
import { pendingMigrations } from "../migrations/index.ts";
import type { LintFinding } from "../migrations/lint/finding.ts";
import { quotas, type Quota } from "../quota.ts";
import type { ReleaseTarget } from "../release/events.ts";
import {
  buildTargets,
  readPending,
  readRollout,
  readScripts,
  readWorkers,
  type Bundles,
  WORKERS_OF,
} from "../release/facts.ts";
import { soleVersion } from "../release/lineage.ts";
import { planCanaries, planRelease } from "../release/plan.ts";
import { describeStep } from "../release/step-text.ts";
import { tagOf } from "../release/script-state.ts";
import { bindingChanges, varChanges, type Change } from "./bindings.ts";
import { bundleSize, type BundleSize } from "./bundle-size.ts";

export interface WorkerPreview {
  readonly script: string;
  /** Content tag of the version that serves; `null` before the first release, and of a split. */
  readonly serves: string | null;
  /** Someone else splits its traffic: nothing can be compared, and a release is refused. */
  readonly split: boolean;
  readonly bindings: readonly Change[];
  readonly vars: readonly Change[];
  /** Names of secrets that the release would write. */
  readonly secrets: readonly string[];
  /** Durable Object migrations that a deployment would apply, by tag. */
  readonly durableObjectMigrations: readonly string[];
}

export interface MigrationPreview {
  /** Pending ones, oldest first. */
  readonly files: readonly string[];
  readonly findings: readonly LintFinding[];
  /** Why a release would refuse them; `null` when it would not. */
  readonly refused: string | null;
}

export interface Infrastructure {
  /** Where the account differs from the topology and the stack: what `pulumi up --refresh` would mend. */
  readonly drift: readonly string[];
  /** What the engine itself would change. */
  readonly engine: EngineAnswer;
}

export interface Preview {
  readonly environment: string;
  readonly target: ReleaseTarget;
  readonly infrastructure: Infrastructure;
  readonly migrations: Readonly<Record<D1Key, MigrationPreview>>;
  readonly workers: Readonly<Record<WorkerKey, WorkerPreview>>;
  /** Of the Workers that the target names. */
  readonly bundles: Readonly<Partial<Record<RolloutWorker, BundleSize>>>;
  /** What the release would do, step by step; `null` when it would be refused. */
  readonly steps: readonly string[] | null;
  /** Why it would be refused, a line each; empty when it would not. */
  readonly refused: readonly string[];
  readonly quotas: readonly Quota[];
}

export interface PreviewOptions {
  /** As a release takes it: migrations may be destructive or locking. */
  readonly allowContract?: boolean;
  readonly plan: RolloutPlan;
}

async function workerPreview(context: ReleaseContext, worker: WorkerKey): Promise<WorkerPreview> {
  const { api, topology, ids, secrets } = context;
  const { name, durableObjectMigrations, secrets: needed, optionalSecrets } = topology.workers[worker];
  const [deployments, versions, applied, present] = await Promise.all([
    api.deployments(name),
    api.versions(name),
    durableObjectMigrations.length === 0 ? null : api.migrationTag(name),
    api.secretNames(name),
  ]);
  const [current] = deployments;
  const sole = current === undefined ? null : soleVersion(current.versions);
  const version = sole === null ? null : await api.versionDetail(name, sole);
  const split = current !== undefined && sole === null;
  const tags = durableObjectMigrations.map(({ tag }) => tag);
  const absent = (secret: string): boolean => !present.includes(secret);
  return {
    script: name,
    serves: tagOf({ versions }, sole),
    split,
    bindings: split ? [] : bindingChanges(topology, worker, ids, version?.bindings ?? null),
    vars: split ? [] : varChanges(topology, worker, version?.bindings ?? null),
    secrets: [
      ...needed.filter(absent),
      ...optionalSecrets.filter((secret) => absent(secret) && secrets[secret] !== undefined),
    ],
    durableObjectMigrations: tags.slice(applied === null ? 0 : tags.indexOf(applied) + 1),
  };
}

const linesOf = ({ message, hints }: CliError): readonly string[] => [message, ...hints];

async function migrationPreview(
  context: ReleaseContext,
  database: D1Key,
  allowContract: boolean,
): Promise<MigrationPreview> {
  let files: readonly string[] = [];
  let findings: readonly LintFinding[] = [];
  try {
    files = await pendingMigrations(context, database);
    // Only what D1 itself refuses stops this look; what is merely destructive is shown with the rest.
    findings = await examinePending(context, [{ database, files }], { allowContract: true });
    refuseFindings(findings, allowContract);
    return { files, findings, refused: null };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { files, findings, refused: linesOf(error).join("\n") };
  }
}

/** The steps of the release itself, planned as it plans them. */
async function plannedSteps(
  context: ReleaseContext,
  target: ReleaseTarget,
  bundles: Bundles,
  plan: RolloutPlan,
): Promise<Pick<Preview, "steps" | "refused">> {
  try {
    const scripts = await readScripts(context, false);
    const [workers, pending, { rollout }] = await Promise.all([
      readWorkers(context, scripts, bundles),
      readPending(context, WORKERS_OF[target]),
      readRollout(context, scripts.hub.current !== null),
    ]);
    const facts = { workers, pending, rollout, plan, upTo: null, direct: false, detach: false };
    const steps = target === "canary" ? planCanaries(facts) : planRelease(facts);
    return { steps: steps.map((step) => describeStep(step, plan).title), refused: [] };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { steps: null, refused: linesOf(error) };
  }
}

async function engineAnswer(context: ReleaseContext): Promise<EngineAnswer> {
  try {
    return await askEngine(context);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return { kind: "not-asked", why: error.message };
  }
}

async function infrastructure(context: ReleaseContext): Promise<Infrastructure> {
  const [checks, engine] = await Promise.all([
    openInventory(context.account).then((inventory) => driftChecks(context, inventory)),
    engineAnswer(context),
  ]);
  const differs = checks.filter(({ status }) => status === "fail" || status === "warn");
  return { drift: differs.map(({ detail }) => detail), engine };
}

async function bundleSizes(bundles: Bundles): Promise<Preview["bundles"]> {
  const sizes: Partial<Record<RolloutWorker, BundleSize>> = {};
  for (const worker of ROLLOUT_WORKERS) {
    const bundle = bundles[worker];
    if (bundle !== undefined) sizes[worker] = await bundleSize(bundle.tag, bundle.entry);
  }
  return sizes;
}

/**
 * Looks at everything; changes nothing.
 * @throws {CliError} when the account cannot be asked, or a bundle cannot be built
 */
export async function preview(
  context: ReleaseContext,
  target: ReleaseTarget,
  { allowContract = false, plan }: PreviewOptions,
): Promise<Preview> {
  const bundles = await buildTargets(context, WORKERS_OF[target], {});
  const [found, hub, archive, workers, steps, sizes] = await Promise.all([
    infrastructure(context),
    migrationPreview(context, D1_KEYS[0], allowContract),
    migrationPreview(context, D1_KEYS[1], allowContract),
    Promise.all(WORKER_KEYS.map(async (worker) => [worker, await workerPreview(context, worker)] as const)),
    plannedSteps(context, target, bundles, plan),
    bundleSizes(bundles),
  ]);
  const previews = new Map(workers);
  const refusedFiles = [hub, archive].flatMap(({ refused }) => (refused === null ? [] : [refused]));
  return {
    environment: context.environment,
    target,
    infrastructure: found,
    migrations: { hub, archive },
    workers: byWorker((worker) => {
      const one = previews.get(worker);
      if (one === undefined) throw new Error(`${worker} has no preview`);
      return one;
    }),
    bundles: sizes,
    steps: refusedFiles.length > 0 ? null : steps.steps,
    refused: [...refusedFiles, ...steps.refused],
    quotas: quotas(context.topology),
  };
}
