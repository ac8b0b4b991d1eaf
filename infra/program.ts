import type { Input, Resource } from "@pulumi/pulumi";
import { cronTriggers } from "./components/cron-triggers.ts";
import { d1Databases } from "./components/d1-databases.ts";
import { kvNamespaces } from "./components/kv-namespaces.ts";
import { queues } from "./components/queues.ts";
import { r2Buckets } from "./components/r2-buckets.ts";
import { workerShells } from "./components/worker-shells.ts";
import { mapRecord } from "./map-record.ts";
import type { StackOutputs } from "./outputs.ts";
import { D1_KEYS, KV_KEYS, QUEUE_KEYS, R2_KEYS, WORKER_KEYS, type Topology } from "./topology.ts";

/** `T` with every text still to be computed by the engine. */
type Pending<T> = T extends string ? Input<string> : { readonly [K in keyof T]: Pending<T[K]> };

/** What the program declared. */
export interface Provisioned {
  readonly outputs: Pending<Omit<StackOutputs, "settings">> & Pick<StackOutputs, "settings">;
  readonly resources: readonly Resource[];
}

/**
 * Declares every resource of the topology. The same function runs under
 * `pulumi up`, inline in the Automation API, and under mocks.
 */
export function provision(topology: Topology, accountId: string): Provisioned {
  const kv = kvNamespaces(topology, accountId);
  const d1 = d1Databases(topology, accountId);
  const r2 = r2Buckets(topology, accountId);
  const queue = queues(topology, accountId);
  const shells = workerShells(topology, accountId);
  const crons = cronTriggers(topology, accountId, shells);

  return {
    outputs: {
      accountId,
      kv: mapRecord(KV_KEYS, kv, (namespace) => namespace.id),
      d1: mapRecord(D1_KEYS, d1, (database) => database.id),
      r2: mapRecord(R2_KEYS, r2, ({ bucket }) => bucket.name),
      queues: mapRecord(QUEUE_KEYS, queue, ({ id, queueName }) => ({ id, name: queueName })),
      workers: mapRecord(WORKER_KEYS, shells, ({ id, name }) => ({ id, name })),
      settings: topology.settings,
    },
    resources: [
      ...Object.values(kv),
      ...Object.values(d1),
      ...Object.values(r2).flatMap(({ bucket, lifecycle }) => [bucket, lifecycle]),
      ...Object.values(queue),
      ...Object.values(shells),
      ...crons,
    ],
  };
}
