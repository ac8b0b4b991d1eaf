/**
 * The cron of the stable archiver while a canary has a share: a run of the
 * canary's that fails is done here after all. Leases and fences make a second run
 * safe; a canary that still holds the archive's lease loses it first, so that the
 * second run is not kept waiting and the first can commit nothing more.
 */
import { errorFields, log } from "../log.ts";
import { ARCHIVE_LEASE, revokeLease } from "../manifest/index.ts";
import type { FailedStep } from "../schedule.ts";
import type { BackgroundRunRequest } from "./contract.ts";
import { type Answer, answerWithin } from "./deadline.ts";
import { count, handOver, type LaneBindings, type OpenLane, openLane } from "./lanes.ts";
import { isCanarys } from "./share.ts";
import { claimProbe, endProbe } from "./store.ts";

export type RunKind = BackgroundRunRequest["kind"];

export interface RunBindings extends LaneBindings {
  /** Does the steps here. @returns those that failed */
  readonly runHere: (kind: RunKind) => Promise<readonly FailedStep[]>;
  /** ms; beyond it the canary's run of a kind is overdue. */
  readonly overdue: Readonly<Record<RunKind, number>>;
}
type Bindings = RunBindings & OpenLane;

/** An invocation of a cron has 15 minutes. */
const RUN_LIFE_MS = 15 * 60_000;

/**
 * Does what a cron does, in the lane that its time falls into.
 * @param scheduledTime ms UTC
 * @returns the steps that failed in the end
 */
export async function runInLanes(
  scheduledTime: number,
  bindings: RunBindings,
): Promise<readonly FailedStep[]> {
  const lane = await openLane(bindings);
  if (lane === null) return bindings.runHere("cron");
  const { rolloutId, share } = lane.order;
  if (!isCanarys(rolloutId, share, `cron ${scheduledTime}`)) return stableRun(lane);
  return (await canaryRun("cron", lane)).failed;
}

async function stableRun(lane: Bindings): Promise<readonly FailedStep[]> {
  const startedAt = lane.now();
  const failed = await lane.runHere("cron");
  const took = lane.now() - startedAt;
  await count(lane, {
    lane: "stable",
    route: "cron",
    requests: 1,
    errors: failed.length > 0 ? 1 : 0,
    how: took > lane.overdue.cron ? "overdue" : "answered",
    took,
  });
  return failed;
}

/** @returns whether the canary has done it, and the steps that failed here when it had not */
async function canaryRun(
  kind: RunKind,
  lane: Bindings,
): Promise<{ readonly passed: boolean; readonly failed: readonly FailedStep[] }> {
  const { canary, db, now, randomId, overdue, runHere } = lane;
  const handover = await handOver(lane, "cron", 1, RUN_LIFE_MS);
  if (handover === null) return { passed: false, failed: kind === "probe" ? [] : await runHere(kind) };
  const holder = `canary ${kind} ${randomId()}`;
  const startedAt = now();
  const answer = await answerWithin(overdue[kind], () => canary.run({ kind, holder }));
  const took = now() - startedAt;
  const passed = answer.kind === "answered" && hasSucceeded(answer.value);
  const outcome = { lane: "canary", route: "cron", how: answer.kind, took } as const;
  if (passed) {
    await count(lane, { ...outcome, requests: 1, errors: 0 }, handover);
    return { passed, failed: [] };
  }
  log.warn("background.run_taken_over", { kind, holder, ...failureFields(answer) });
  await revokeLease(db, ARCHIVE_LEASE, holder).catch((error: unknown) =>
    log.warn("background.lease_not_revoked", { holder, ...errorFields(error) }),
  );
  const hereAt = now();
  const failed = await runHere(kind);
  // Where the same work is slow here too, it is the database or the backlog, and nobody's fault.
  const slowHere = answer.kind === "overdue" && now() - hereAt > overdue[kind] / 2;
  const blamed = failed.length === 0 && !slowHere ? 1 : 0;
  await count(lane, { ...outcome, requests: blamed, errors: blamed }, handover);
  return { passed, failed };
}

/** Whether an answer says in so many words that no step failed. */
function hasSucceeded(value: unknown): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    "failed" in value &&
    Array.isArray(value.failed) &&
    value.failed.length === 0
  );
}

function failureFields(answer: Answer): Readonly<Record<string, string>> {
  switch (answer.kind) {
    case "threw":
      return { answer: answer.kind, ...errorFields(answer.error) };
    case "overdue":
      return { answer: answer.kind };
    case "answered":
      return { answer: answer.kind, message: JSON.stringify(answer.value ?? null).slice(0, 1_000) };
  }
}

/**
 * Has the canary run the cron's steps once, small, so that a broken one shows in
 * the phase and not with the next cron. It is run again while it fails, because
 * one failure may be an outage; where it fails here too, it counts for nobody.
 */
export async function probeCanary(bindings: RunBindings): Promise<void> {
  try {
    const lane = await openLane(bindings);
    if (lane === null) return;
    const run = await claimProbe(lane.db, lane.order, lane.now());
    if (run === null) return;
    const { passed } = await canaryRun("probe", lane);
    await endProbe(lane.db, lane.order, run, passed ? "passed" : "failed");
  } catch (error) {
    log.warn("background.probe_failed", errorFields(error));
  }
}
