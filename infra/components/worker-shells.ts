import * as cloudflare from "@pulumi/cloudflare";
import { mapRecord } from "../map-record.ts";
import { ignoredInputs } from "../ownership.ts";
import { WORKER_KEYS, type Topology, type WorkerKey } from "../topology.ts";

/**
 * The Workers without their code: a name that crons, routes and releases can
 * refer to. `WorkersScript` would read code and bindings back and send its own
 * placeholder on the next update, taking all traffic with it.
 */
export function workerShells(topology: Topology, accountId: string): Record<WorkerKey, cloudflare.Worker> {
  return mapRecord(
    WORKER_KEYS,
    topology.workers,
    ({ name }, key) =>
      new cloudflare.Worker(
        `worker-${key}`,
        { accountId, name },
        { protect: topology.protect, ignoreChanges: ignoredInputs("worker") },
      ),
  );
}
