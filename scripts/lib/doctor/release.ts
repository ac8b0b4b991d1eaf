/** What stands between this working tree and a release: splits, secrets, canaries, the way back, migrations, the rollout. */
import { z } from "zod";
import { D1_KEYS, WORKER_KEYS, type D1Key, type WorkerKey } from "../../../infra/topology.ts";
import {
  ROLLOUT_WORKERS,
  type RolloutPlan,
  type RolloutState,
} from "../../../worker/src/rollout/contract.ts";
import type { Deployment } from "../cloudflare-api.ts";
import type { ReleaseContext } from "../environment.ts";
import { CliError, EXIT, messageOf } from "../exit.ts";
import { examinePending } from "../migrations/check.ts";
import { pendingMigrations } from "../migrations/index.ts";
import { rollbackTarget, soleVersion } from "../release/lineage.ts";
import { CANARY_OF } from "../release/plan.ts";
import { refuseImpossibleReturn } from "../release/return.ts";
import { tagOf } from "../release/script-state.ts";
import { openHub } from "../rollout/hub.ts";
import { describeRollout, isOpen } from "../rollout/text.ts";
import { check, type DoctorCheck } from "./check.ts";
import { consumerChecks } from "./consumers.ts";

interface ScriptFacts {
  readonly worker: WorkerKey;
  readonly deployed: boolean;
  readonly tag: string | null;
  readonly checks: readonly DoctorCheck[];
}

const isCanary = (worker: WorkerKey): boolean => worker === "hub-canary" || worker === "archiver-canary";

async function secretCheck(
  { api, topology, secrets }: ReleaseContext,
  worker: WorkerKey,
): Promise<DoctorCheck> {
  const { name, secrets: needed } = topology.workers[worker];
  const present = await api.secretNames(name);
  const missing = needed.filter((secret) => !present.includes(secret));
  const unknown = missing.filter((secret) => secrets[secret] === undefined);
  const id = `secrets-${worker}`;
  if (unknown.length > 0) {
    return check(
      "release",
      id,
      "fail",
      `${name} lacks ${unknown.join(", ")}, and no value is known here`,
      `Export ${unknown.join(", ")}; the next release writes them.`,
    );
  }
  return missing.length === 0
    ? check("release", id, "ok", `${name} has its secrets`)
    : check(
        "release",
        id,
        "warn",
        `${name} lacks ${missing.join(", ")}`,
        "The next release writes them: npm run release:all",
      );
}

/** Whether a promoted release could be taken back, and to what. */
async function wayBack(
  context: ReleaseContext,
  worker: WorkerKey,
  deployments: readonly Deployment[],
): Promise<readonly DoctorCheck[]> {
  if (isCanary(worker)) return [];
  const { name } = context.topology.workers[worker];
  const id = `way-back-${worker}`;
  const target = rollbackTarget(deployments);
  if (target === null) {
    return [check("release", id, "ok", `${name} has no version before this one to return to`)];
  }
  try {
    await refuseImpossibleReturn(context, worker, target.to);
    return [check("release", id, "ok", `a rollback of ${name} leads to ${target.to}`)];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const faults = z.object({ faults: z.array(z.string()) }).safeParse(error.data).data?.faults ?? [
      error.message,
    ];
    return [
      check(
        "release",
        id,
        "warn",
        `a rollback of ${name} to ${target.to} would be refused: ${faults.join("; ")}`,
        "Go forward instead: release a mended version.",
      ),
    ];
  }
}

/** Whether what the serving version binds is there: provisioning again gives things new ids. */
async function bindingCheck(
  { api, topology }: ReleaseContext,
  worker: WorkerKey,
  versionId: string | null,
): Promise<readonly DoctorCheck[]> {
  const { name } = topology.workers[worker];
  const version = versionId === null ? null : await api.versionDetail(name, versionId);
  const gone = version === null ? [] : await api.missingBindings(version.bindings);
  if (gone.length === 0) return [];
  return [
    check(
      "release",
      `bindings-${worker}`,
      "fail",
      `${name} serves a version that cannot work: ${gone.join("; ")}`,
      "Provision first where something is gone, then release again: npm run release:all",
    ),
  ];
}

function splitCheck(worker: WorkerKey, name: string, current: Deployment, tag: string | null): DoctorCheck {
  const id = `script-${worker}`;
  const sole = soleVersion(current.versions);
  if (sole !== null) return check("release", id, "ok", `${name} serves ${tag ?? sole}`);
  const shares = current.versions.map(({ versionId, percentage }) => `${versionId} at ${percentage} %`);
  return check(
    "release",
    id,
    "fail",
    `${name} splits its traffic between versions: ${shares.join(", ")}; it was not these scripts that did it, and a release refuses to end it`,
    `Settle it: npx wrangler versions deploy <version id>@100 --name ${name}`,
  );
}

async function scriptFacts(context: ReleaseContext, worker: WorkerKey): Promise<ScriptFacts> {
  const { api, topology } = context;
  const { name } = topology.workers[worker];
  try {
    const [deployments, versions] = await Promise.all([api.deployments(name), api.versions(name)]);
    const [current] = deployments;
    if (current === undefined) {
      const checks = [check("release", `script-${worker}`, "ok", `${name} has no release yet`)];
      return { worker, deployed: false, tag: null, checks };
    }
    const sole = soleVersion(current.versions);
    const tag = tagOf({ versions }, sole);
    const checks = [
      splitCheck(worker, name, current, tag),
      ...(await bindingCheck(context, worker, sole)),
      await secretCheck(context, worker),
      ...(await wayBack(context, worker, deployments)),
    ];
    return { worker, deployed: true, tag, checks };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const checks = [
      check("release", `script-${worker}`, "fail", `${name}: ${error.message}`, error.hints[0] ?? null),
    ];
    return { worker, deployed: false, tag: null, checks };
  }
}

function alignment(scripts: readonly ScriptFacts[]): readonly DoctorCheck[] {
  const of = (worker: WorkerKey): ScriptFacts | undefined => scripts.find((facts) => facts.worker === worker);
  return ROLLOUT_WORKERS.flatMap((worker) => {
    const [stable, canary] = [of(worker), of(CANARY_OF[worker])];
    if (stable?.deployed !== true || canary?.deployed !== true || stable.tag === canary.tag) return [];
    return [
      check(
        "release",
        `canary-${worker}`,
        "ok",
        `the canary of the ${worker} holds ${canary.tag ?? "an unknown release"}, the ${worker} serves ${stable.tag ?? "an unknown one"}: the next release gives it the right one first`,
      ),
    ];
  });
}

async function migrationCheck(context: ReleaseContext, database: D1Key): Promise<DoctorCheck> {
  const id = `migrations-${database}`;
  try {
    const files = await pendingMigrations(context, database);
    if (files.length === 0) return check("release", id, "ok", `${database}: all migrations are applied`);
    await examinePending(context, [{ database, files }]);
    return check(
      "release",
      id,
      "warn",
      `${database}: ${files.join(", ")} not applied yet`,
      "The next release applies what is pending first; alone: npm run migrate",
    );
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return check(
      "release",
      id,
      "fail",
      [`${database}: ${error.message}`, ...error.hints].join("\n      "),
      "findings" in error.data ? "Mend the files; docs/migrations.md has the recipes." : null,
    );
  }
}

function openMend({ status, phase }: RolloutState): string {
  switch (status) {
    case "frozen":
      return "Decide: npm run rollback -- --force, or npm run release:resume -- --force";
    case "rolling-back":
      return "Finish it: npm run rollback";
    case "paused":
      return "See what it waits for: npm run status. Go on: run the same release again";
    default:
      return `Another release waits until it has ended: npm run status -- --watch (phase ${phase})`;
  }
}

function rolloutFinding(state: RolloutState): DoctorCheck {
  if (!isOpen(state)) {
    const last = state.id === null ? "there was none yet" : `the last one: ${describeRollout(state)}`;
    return check("release", "rollout", "ok", `no rollout is open; ${last}`);
  }
  const stuck = state.status === "frozen" || state.status === "rolling-back";
  return check("release", "rollout", stuck ? "fail" : "warn", describeRollout(state), openMend(state));
}

async function rolloutCheck(context: ReleaseContext, hubDeployed: boolean): Promise<DoctorCheck> {
  if (!hubDeployed) return check("release", "rollout", "ok", "no hub yet, so no rollout");
  if (context.secrets["ADMIN_TOKEN"] === undefined) {
    return check("release", "rollout", "skipped", "the rollout was not asked for: ADMIN_TOKEN is not set");
  }
  try {
    return rolloutFinding(await (await openHub(context)).state());
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const id = error.exitCode === EXIT.credentials ? "admin-token" : "rollout";
    const detail = `the hub does not say where its rollout stands: ${messageOf(error)}`;
    return check("release", id, "fail", detail, error.hints.join("\n") || null);
  }
}

const WEBHOOK_KEY = "ROLLOUT_WEBHOOK_KEY";
const CHANNELS = ["NOTIFY_SLACK_URL", "NOTIFY_DISCORD_URL", "NOTIFY_WEBHOOK_URL"] as const;

/**
 * Whom the rollout asks and tells. The hub that serves drives it, so it is that one's secrets that
 * count; a value that is known here reaches it with the promotion.
 */
async function audienceChecks(
  { api, topology, environment }: ReleaseContext,
  plan: RolloutPlan | null,
): Promise<readonly DoctorCheck[]> {
  const { name } = topology.workers.hub;
  const present = await api.secretNames(name);
  const webhooks =
    plan === null ? [] : [...plan.pre, ...plan.post, ...plan.phases.flatMap((phase) => phase.webhooks)];
  const key =
    webhooks.length === 0 || present.includes(WEBHOOK_KEY)
      ? []
      : [
          check(
            "release",
            "webhook-key",
            "fail",
            `the plan has webhooks (${webhooks.map((webhook) => webhook.name).join(", ")}), and ${name} has no ${WEBHOOK_KEY} to sign them with: it refuses to start`,
            `export ${WEBHOOK_KEY}=$(openssl rand -base64 32), and release once by a plan without webhooks: that writes it.`,
          ),
        ];
  const told = CHANNELS.filter((channel) => present.includes(channel));
  if (told.length > 0) {
    return [...key, check("release", "notifications", "ok", `rollouts are told to ${told.join(", ")}`)];
  }
  const detail = `nobody is told of rollouts: ${name} has none of ${CHANNELS.join(", ")}`;
  if (environment === "local") return [...key, check("release", "notifications", "ok", detail)];
  const mend = "Export one of them; the next release writes it. docs/rollouts.md says what is sent.";
  return [...key, check("release", "notifications", "warn", detail, mend)];
}

/** Everything that a release would meet, each thing by itself: one that cannot be read hides no other. */
export async function releaseChecks(
  context: ReleaseContext,
  plan: RolloutPlan | null,
): Promise<readonly DoctorCheck[]> {
  const scripts = await Promise.all(WORKER_KEYS.map((worker) => scriptFacts(context, worker)));
  const isDeployed = (worker: WorkerKey): boolean =>
    scripts.some((facts) => facts.worker === worker && facts.deployed);
  const [audience, consumers, migrations, rollout] = await Promise.all([
    isDeployed("hub") ? audienceChecks(context, plan) : [],
    isDeployed("archiver") ? consumerChecks(context) : [],
    Promise.all(D1_KEYS.map((database) => migrationCheck(context, database))),
    rolloutCheck(context, isDeployed("hub")),
  ]);
  return [
    ...scripts.flatMap(({ checks }) => checks),
    ...alignment(scripts),
    ...audience,
    ...consumers,
    ...migrations,
    rollout,
  ];
}
