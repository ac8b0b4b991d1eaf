/** What must never be seen on a cloud that is released to, whatever happens to the program. */
import type { WorkerKey } from "../../../infra/topology.ts";
import {
  ROLLOUT_WORKERS,
  TRAFFIC_CLASSES,
  type ReleaseIdentity,
  type RolloutState,
} from "../../../worker/src/rollout/contract.ts";
import { isOpen } from "../../../worker/src/rollout/machine/machine.ts";
import { CANARY_OF } from "../release/plan.ts";
import type { FakeScripts } from "./fake-scripts.ts";

/** The message by which a rollback finds its way: see `release/lineage.ts`. */
const JOURNAL = /^strata (r-[0-9a-f]{12}|rollback to [0-9a-f-]{36})/;

/** Every script serves one version, whose deployment says what it is. */
function unnamed(scripts: FakeScripts, workers: readonly WorkerKey[]): readonly string[] {
  return workers.flatMap((worker) => {
    const [deployment] = scripts.of(worker).deployments;
    if (deployment === undefined) return [];
    if (deployment.versions.length !== 1) return [`${worker} splits its traffic`];
    return JOURNAL.test(deployment.message ?? "") ? [] : [`${worker} serves what no release has put there`];
  });
}

function openFaults(scripts: FakeScripts, state: RolloutState, release: ReleaseIdentity): readonly string[] {
  const traffic = TRAFFIC_CLASSES.some((each) => state.shares[each] > 0);
  const left = state.status === "rolling-back" ? state.toReturn : state.promoted;
  return ROLLOUT_WORKERS.flatMap((worker) => {
    const { stableVersion, canaryVersion } = release.workers[worker];
    const canary = scripts.serving(CANARY_OF[worker])?.id;
    const stable = scripts.serving(worker)?.id;
    return [
      ...(traffic && canary !== canaryVersion
        ? [`${state.status}: the canary of the ${worker} gets traffic with ${canary}, not ${canaryVersion}`]
        : []),
      ...(stable !== stableVersion && !left.includes(worker)
        ? [`${state.status}: the ${worker} left ${stableVersion}, and the rollout does not know`]
        : []),
    ];
  });
}

function endFaults(scripts: FakeScripts, state: RolloutState, release: ReleaseIdentity): readonly string[] {
  return ROLLOUT_WORKERS.flatMap((worker) => {
    const { stableVersion, tag } = release.workers[worker];
    const serving = scripts.serving(worker);
    if (state.status === "rolled-back" && serving?.id !== stableVersion) {
      return [`rolled back, and the ${worker} serves ${serving?.id}, not ${stableVersion}`];
    }
    if (state.status === "done" && serving?.tag !== tag) {
      return [`done, and the ${worker} serves ${serving?.tag ?? "nothing"}, not ${tag}`];
    }
    return [];
  });
}

/** What is wrong now; `before` differs from `after` where the rollout has just moved. */
export function violations(
  scripts: FakeScripts,
  after: RolloutState,
  before: RolloutState,
): readonly string[] {
  const faults = unnamed(scripts, [...ROLLOUT_WORKERS, CANARY_OF.archiver, CANARY_OF.hub]);
  if (after.id !== before.id && isOpen(before)) return [...faults, "a second rollout was opened"];
  if (after.release === null) return faults;
  if (isOpen(after)) return [...faults, ...openFaults(scripts, after, after.release)];
  const ended = after.status !== before.status;
  return ended ? [...faults, ...endFaults(scripts, after, after.release)] : faults;
}
