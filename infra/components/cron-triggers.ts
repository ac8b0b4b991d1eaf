import * as cloudflare from "@pulumi/cloudflare";
import { WORKER_KEYS, type Topology, type WorkerKey } from "../topology.ts";

/**
 * Cron triggers, for the Workers that have any. They survive the stack: the
 * API replaces a script's schedules as a whole and the provider deletes none.
 */
export function cronTriggers(
  topology: Topology,
  accountId: string,
  shells: Readonly<Record<WorkerKey, cloudflare.Worker>>,
): readonly cloudflare.WorkersCronTrigger[] {
  return WORKER_KEYS.filter((key) => topology.workers[key].crons.length > 0).map(
    (key) =>
      new cloudflare.WorkersCronTrigger(`cron-${key}`, {
        accountId,
        scriptName: shells[key].name,
        schedules: topology.workers[key].crons.map((cron) => ({ cron })),
      }),
  );
}
