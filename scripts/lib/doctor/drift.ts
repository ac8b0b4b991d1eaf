/** Whether what the topology wants and what the stack says is what is really there. */
import { stackOutputsSchema, type StackOutputs } from "../../../infra/outputs.ts";
import { D1_KEYS, KV_KEYS, QUEUE_KEYS, R2_KEYS, WORKER_KEYS } from "../../../infra/topology.ts";
import type { ReleaseContext } from "../environment.ts";
import type { Answered, Inventory } from "../cloudflare-inventory.ts";
import { check, type DoctorCheck } from "./check.ts";
import { provisionAgain, unanswered } from "./mend.ts";
import { settingChecks } from "./settings.ts";
import { strangerCheck } from "./strangers.ts";

/** One resource as all three say it is. */
interface Wanted {
  /** Of the check, `kv-cache`. */
  readonly id: string;
  readonly what: string;
  /** Of the topology. */
  readonly name: string;
  /** What the stack's outputs call it; `null` where they do not say. */
  readonly output: { readonly id: string; readonly name: string | null } | null;
}

/** @param found names by id */
function byId(
  { id, what, name, output }: Wanted,
  found: Answered<ReadonlyMap<string, string>>,
  mend: string,
): DoctorCheck {
  const of = (status: DoctorCheck["status"], detail: string, how: string | null): DoctorCheck =>
    check("resources", id, status, detail, how);
  const known = output?.name ?? null;
  if (known !== null && known !== name) {
    const detail = `the stack knows ${what} ${known}, the topology wants ${name}: it was provisioned from other code`;
    return of("fail", detail, mend);
  }
  if ("error" in found) return unanswered(id, `${what} ${name}`, found);
  const twins = [...found.value].filter(([, actual]) => actual === name).map(([key]) => key);
  if (output === null) {
    return twins.length > 0
      ? of("ok", `${what} ${name}`, null)
      : of("fail", `${what} ${name} does not exist`, mend);
  }
  const actual = found.value.get(output.id);
  if (actual === name) return of("ok", `${what} ${name}`, null);
  if (actual !== undefined) return of("fail", `${what} ${output.id} is called ${actual}, not ${name}`, mend);
  const [twin] = twins;
  if (twin === undefined) return of("fail", `${what} ${name} (${output.id}) does not exist`, mend);
  return of(
    "fail",
    `${what} ${name} has the id ${twin}, not ${output.id}, which the stack says: it was made again beside Pulumi`,
    `See which holds the data. Delete that one (or take it into the stack: npx pulumi import), then: ${mend}`,
  );
}

/** Outputs of a stack hold more than a release needs of them. */
function outputsOf({ ids }: ReleaseContext): StackOutputs | null {
  return stackOutputsSchema.safeParse(ids).data ?? null;
}

function buckets(
  { topology, environment }: ReleaseContext,
  outputs: StackOutputs | null,
  found: Answered<ReadonlySet<string>>,
): readonly DoctorCheck[] {
  // A bucket has no id but its name.
  const names: Answered<ReadonlyMap<string, string>> =
    "error" in found ? found : { value: new Map([...found.value].map((name) => [name, name])) };
  return R2_KEYS.map((key) => {
    const { name } = topology.r2[key];
    const known = outputs?.r2[key];
    const output = known === undefined ? null : { id: known, name: known };
    return byId({ id: `r2-${key}`, what: "R2 bucket", name, output }, names, provisionAgain(environment));
  });
}

/** Compares topology, stack outputs and account, resource by resource. */
export async function driftChecks(
  context: ReleaseContext,
  inventory: Inventory,
): Promise<readonly DoctorCheck[]> {
  const { topology, ids, environment } = context;
  const outputs = outputsOf(context);
  const mend = provisionAgain(environment);
  const [kv, d1, r2, queues, workers, settings, strangers] = await Promise.all([
    inventory.kv(),
    inventory.d1(),
    inventory.r2(),
    inventory.queues(),
    inventory.workers(),
    settingChecks(context, inventory),
    strangerCheck(context, inventory),
  ]);
  const queueNames: Answered<ReadonlyMap<string, string>> =
    "error" in queues ? queues : { value: new Map([...queues.value].map(([id, { name }]) => [id, name])) };
  return [
    ...KV_KEYS.map((key) => {
      const output = { id: ids.kv[key], name: null };
      return byId({ id: `kv-${key}`, what: "KV namespace", name: topology.kv[key].title, output }, kv, mend);
    }),
    ...D1_KEYS.map((key) => {
      const output = { id: ids.d1[key], name: null };
      return byId({ id: `d1-${key}`, what: "D1 database", name: topology.d1[key].name, output }, d1, mend);
    }),
    ...buckets(context, outputs, r2),
    ...QUEUE_KEYS.map((key) => {
      const output = outputs?.queues[key] ?? null;
      return byId(
        { id: `queue-${key}`, what: "queue", name: topology.queues[key].name, output },
        queueNames,
        mend,
      );
    }),
    ...WORKER_KEYS.map((key) => {
      const output = outputs?.workers[key] ?? null;
      return byId(
        { id: `worker-${key}`, what: "Worker", name: topology.workers[key].name, output },
        workers,
        mend,
      );
    }),
    ...settings,
    strangers,
  ];
}
