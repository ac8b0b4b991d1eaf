/** What the account has under a name of this environment, and the topology does not. */
import {
  D1_KEYS,
  ENVIRONMENTS,
  KV_KEYS,
  QUEUE_KEYS,
  R2_KEYS,
  WORKER_KEYS,
  resourceName,
  type Environment,
  type Topology,
} from "../../../infra/topology.ts";
import type { Answered, Inventory } from "../cloudflare-inventory.ts";
import type { ReleaseContext } from "../environment.ts";
import { check, type DoctorCheck } from "./check.ts";

/** Whether a name is one that the topology of the environment would give. */
export function isNameOf(environment: Environment, name: string): boolean {
  const [prefix = ""] = resourceName("*", environment).split("*");
  const suffixes = ENVIRONMENTS.map(
    (other) => [other, resourceName("*", other).split("*")[1] ?? ""] as const,
  );
  // Production has no suffix: what has another environment's is that one's.
  const owner = suffixes.find(([, suffix]) => suffix !== "" && name.endsWith(suffix))?.[0] ?? "production";
  return name.startsWith(prefix) && owner === environment;
}

/** Names of the topology, product by product. */
function wantedNames({ kv, d1, r2, queues, workers }: Topology): Readonly<Record<string, readonly string[]>> {
  return {
    "KV namespace": KV_KEYS.map((key) => kv[key].title),
    "D1 database": D1_KEYS.map((key) => d1[key].name),
    "R2 bucket": R2_KEYS.map((key) => r2[key].name),
    queue: QUEUE_KEYS.map((key) => queues[key].name),
    Worker: WORKER_KEYS.map((key) => workers[key].name),
  };
}

function namesOf<T>(answer: Answered<T>, names: (value: T) => Iterable<string>): readonly string[] {
  return "error" in answer ? [] : [...names(answer.value)];
}

/** A warning: they may be leftovers of a renamed resource, or someone else's. */
export async function strangerCheck(
  { topology, environment }: ReleaseContext,
  inventory: Inventory,
): Promise<DoctorCheck> {
  const [kv, d1, r2, queues, workers] = await Promise.all([
    inventory.kv(),
    inventory.d1(),
    inventory.r2(),
    inventory.queues(),
    inventory.workers(),
  ]);
  const found: Readonly<Record<string, readonly string[]>> = {
    "KV namespace": namesOf(kv, (all) => all.values()),
    "D1 database": namesOf(d1, (all) => all.values()),
    "R2 bucket": namesOf(r2, (all) => all),
    queue: namesOf(queues, (all) => [...all.values()].map(({ name }) => name)),
    Worker: namesOf(workers, (all) => all.values()),
  };
  const strangers = Object.entries(wantedNames(topology)).flatMap(([what, wanted]) =>
    (found[what] ?? [])
      .filter((name) => isNameOf(environment, name) && !wanted.includes(name))
      .map((name) => `${what} ${name}`),
  );
  return strangers.length === 0
    ? check("resources", "strangers", "ok", "nothing else goes by a name of this environment")
    : check(
        "resources",
        "strangers",
        "warn",
        `the account has what the topology does not: ${strangers.join(", ")}`,
        "Left behind by a rename, or made by hand: see what is in it, then delete it, or add it to infra/topology.ts.",
      );
}
