/** An account in memory that holds what a topology wants; tests change one thing of it. */
import {
  D1_KEYS,
  KV_KEYS,
  QUEUE_KEYS,
  R2_KEYS,
  WORKER_KEYS,
  type Topology,
} from "../../../../infra/topology.ts";
import type {
  Answered,
  Inventory,
  LifecycleFacts,
  QueueFacts,
  Unanswered,
} from "../../cloudflare-inventory.ts";
import { CliError, EXIT } from "../../exit.ts";
import { placeholderIds } from "../../render.ts";

export class FakeAccount {
  readonly kv = new Map<string, string>();
  readonly d1 = new Map<string, string>();
  readonly buckets = new Map<string, readonly LifecycleFacts[]>();
  readonly queues = new Map<string, QueueFacts>();
  readonly workers = new Map<string, string>();
  readonly crons = new Map<string, readonly string[]>();
  readonly replication = new Map<string, string>();
  token = "active";
  /** Lists that answer with this instead. */
  readonly refused = new Map<keyof Inventory, Unanswered>();

  constructor({ kv, d1, r2, queues, workers }: Topology) {
    const ids = placeholderIds();
    for (const key of KV_KEYS) this.kv.set(ids.kv[key], kv[key].title);
    for (const key of D1_KEYS) {
      this.d1.set(ids.d1[key], d1[key].name);
      this.replication.set(ids.d1[key], d1[key].readReplication);
    }
    for (const key of R2_KEYS) {
      const rules = r2[key].lifecycle.map((rule) => ({ ...rule, enabled: true, prefix: "" }));
      this.buckets.set(r2[key].name, rules);
    }
    for (const key of QUEUE_KEYS) {
      const { name, deliveryDelaySeconds, retentionSeconds } = queues[key];
      this.queues.set(`id of ${name}`, { name, deliveryDelaySeconds, retentionSeconds });
    }
    for (const key of WORKER_KEYS) {
      const { name, crons } = workers[key];
      this.workers.set(`id of ${name}`, name);
      this.crons.set(name, crons);
    }
  }

  /** What the stack says of itself when it was provisioned from the topology as it is now. */
  outputs({ settings, r2, queues, workers }: Topology) {
    const named = ({ name }: { readonly name: string }) => ({ id: `id of ${name}`, name });
    return {
      ...placeholderIds(),
      r2: { media: r2.media.name, cold: r2.cold.name, backups: r2.backups.name },
      queues: { ingest: named(queues.ingest), "ingest-dlq": named(queues["ingest-dlq"]) },
      workers: {
        "archiver-canary": named(workers["archiver-canary"]),
        archiver: named(workers.archiver),
        "hub-canary": named(workers["hub-canary"]),
        hub: named(workers.hub),
      },
      settings,
    };
  }

  /** Makes lists fail as the API does for a token that may not ask (403), or when it is away (`null`). */
  refuse(status: number | null, ...lists: readonly (keyof Inventory)[]): void {
    const error =
      status === null
        ? new CliError(EXIT.failed, "Cloudflare's API cannot be reached", { hints: ["Check the network."] })
        : new CliError(EXIT.credentials, "Cloudflare refused the API token");
    for (const list of lists) this.refused.set(list, { error, status });
  }

  inventory(): Inventory {
    const answer = async <T>(list: keyof Inventory, value: T): Promise<Answered<T>> =>
      this.refused.get(list) ?? { value };
    return {
      token: () => answer("token", this.token),
      kv: () => answer("kv", this.kv),
      d1: () => answer("d1", this.d1),
      readReplication: (id) => answer("readReplication", this.replication.get(id) ?? null),
      r2: () => answer("r2", new Set(this.buckets.keys())),
      lifecycle: (name) => answer("lifecycle", this.buckets.get(name) ?? null),
      queues: () => answer("queues", this.queues),
      workers: () => answer("workers", this.workers),
      crons: (name) => answer("crons", this.crons.get(name) ?? null),
    };
  }
}
