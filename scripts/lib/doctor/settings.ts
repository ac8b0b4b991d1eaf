/** Whether the resources are set as the topology wants: what Pulumi owns of them beside their being there. */
import { D1_KEYS, QUEUE_KEYS, R2_KEYS, WORKER_KEYS, type LifecycleRule } from "../../../infra/topology.ts";
import type { Inventory, LifecycleFacts } from "../cloudflare-inventory.ts";
import type { ReleaseContext } from "../environment.ts";
import { check, type DoctorCheck } from "./check.ts";
import { provisionAgain, unanswered } from "./mend.ts";

const SECONDS_A_DAY = 86_400;

function ageText(seconds: number | null): string {
  if (seconds === null) return "at a date";
  return seconds % SECONDS_A_DAY === 0 ? `after ${seconds / SECONDS_A_DAY} d` : `after ${seconds} s`;
}

const wantedText = ({ kind, afterSeconds }: LifecycleRule): string => `${kind} ${ageText(afterSeconds)}`;

function foundText({ id, enabled, prefix, kind, afterSeconds }: LifecycleFacts): string {
  const what = kind === "other" ? `"${id}"` : `${kind} ${ageText(afterSeconds)}`;
  return `${what}${prefix === "" ? "" : ` below ${prefix}`}${enabled ? "" : " (off)"}`;
}

const listText = (items: readonly string[]): string => items.toSorted().join(", ") || "none";

async function lifecycles(
  { topology, environment }: ReleaseContext,
  inventory: Inventory,
): Promise<readonly DoctorCheck[]> {
  const checks = await Promise.all(
    R2_KEYS.map(async (key): Promise<DoctorCheck | null> => {
      const { name, lifecycle } = topology.r2[key];
      const id = `lifecycle-${key}`;
      const found = await inventory.lifecycle(name);
      if ("error" in found) return unanswered(id, `the lifecycle of ${name}`, found);
      // That it is gone is told of the bucket itself.
      if (found.value === null) return null;
      const [wanted, actual] = [listText(lifecycle.map(wantedText)), listText(found.value.map(foundText))];
      return wanted === actual
        ? check("resources", id, "ok", `lifecycle of ${name}: ${wanted}`)
        : check(
            "resources",
            id,
            "fail",
            `the lifecycle of ${name} is ${actual}; the topology wants ${wanted}`,
            provisionAgain(environment),
          );
    }),
  );
  return checks.filter((found) => found !== null);
}

async function crons(
  { topology, environment }: ReleaseContext,
  inventory: Inventory,
): Promise<readonly DoctorCheck[]> {
  const checks = await Promise.all(
    WORKER_KEYS.map(async (key): Promise<DoctorCheck | null> => {
      const { name, crons: wanted } = topology.workers[key];
      const found = await inventory.crons(name);
      const id = `crons-${key}`;
      if ("error" in found) return unanswered(id, `the crons of ${name}`, found);
      if (found.value === null) return null;
      return listText(found.value) === listText(wanted)
        ? check("resources", id, "ok", `crons of ${name}: ${listText(wanted)}`)
        : check(
            "resources",
            id,
            "fail",
            `the crons of ${name} are ${listText(found.value)}; the topology wants ${listText(wanted)}`,
            provisionAgain(environment),
          );
    }),
  );
  return checks.filter((found) => found !== null);
}

async function queueSettings(
  { topology, environment }: ReleaseContext,
  inventory: Inventory,
): Promise<readonly DoctorCheck[]> {
  const found = await inventory.queues();
  if ("error" in found) return [];
  return QUEUE_KEYS.flatMap((key) => {
    const wanted = topology.queues[key];
    const actual = [...found.value.values()].find(({ name }) => name === wanted.name);
    if (actual === undefined) return [];
    const { deliveryDelaySeconds, retentionSeconds } = actual;
    const wrong = [
      ...(deliveryDelaySeconds !== null && deliveryDelaySeconds !== wanted.deliveryDelaySeconds
        ? [`delivers after ${deliveryDelaySeconds} s; the topology wants ${wanted.deliveryDelaySeconds} s`]
        : []),
      ...(retentionSeconds !== null && retentionSeconds !== wanted.retentionSeconds
        ? [`keeps a message for ${retentionSeconds} s; the topology wants ${wanted.retentionSeconds} s`]
        : []),
    ];
    const id = `queue-settings-${key}`;
    return [
      wrong.length === 0
        ? check("resources", id, "ok", `settings of queue ${wanted.name}`)
        : check(
            "resources",
            id,
            "fail",
            `queue ${wanted.name} ${wrong.join(", and ")}`,
            provisionAgain(environment),
          ),
    ];
  });
}

async function replication(
  { topology, ids, environment }: ReleaseContext,
  inventory: Inventory,
): Promise<readonly DoctorCheck[]> {
  const checks = await Promise.all(
    D1_KEYS.map(async (key): Promise<DoctorCheck | null> => {
      const { name, readReplication } = topology.d1[key];
      const id = `replication-${key}`;
      const found = await inventory.readReplication(ids.d1[key]);
      if ("error" in found) return unanswered(id, `the read replication of ${name}`, found);
      if (found.value === null) return null;
      return found.value === readReplication
        ? check("resources", id, "ok", `read replication of ${name}: ${readReplication}`)
        : check(
            "resources",
            id,
            "fail",
            `the read replication of ${name} is ${found.value}; the topology wants ${readReplication}`,
            provisionAgain(environment),
          );
    }),
  );
  return checks.filter((found) => found !== null);
}

/** Lifecycle rules, crons, settings of queues, read replication. */
export async function settingChecks(
  context: ReleaseContext,
  inventory: Inventory,
): Promise<readonly DoctorCheck[]> {
  const parts = await Promise.all([
    lifecycles(context, inventory),
    crons(context, inventory),
    queueSettings(context, inventory),
    replication(context, inventory),
  ]);
  return parts.flat();
}
