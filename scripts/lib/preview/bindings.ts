/** What a release changes in a Worker's bindings and variables. Pure. */
import type { Binding, Topology, WorkerKey } from "../../../infra/topology.ts";
import type { VersionBinding } from "../binding-targets.ts";
import type { ResourceIds } from "../render.ts";

export interface Change {
  readonly name: string;
  readonly change: "added" | "removed" | "changed";
  /** What it was and what it will be: `d1 3f2a…`, or a variable's text. */
  readonly from: string | null;
  readonly to: string | null;
}

interface Wanted {
  readonly name: string;
  /** The API's word for the kind. */
  readonly type: string;
  readonly target: string | null;
  readonly detail: string | null;
}

function wantedBinding(binding: Binding, { kv, d1 }: ResourceIds, topology: Topology): Wanted {
  const { name } = binding;
  switch (binding.kind) {
    case "kv":
      return { name, type: "kv_namespace", target: kv[binding.namespace], detail: null };
    case "d1":
      return { name, type: "d1", target: d1[binding.database], detail: null };
    case "r2":
      return { name, type: "r2_bucket", target: topology.r2[binding.bucket].name, detail: null };
    case "queue":
      return { name, type: "queue", target: topology.queues[binding.queue].name, detail: null };
    case "service": {
      const target = topology.workers[binding.worker].name;
      return { name, type: "service", target, detail: binding.entrypoint ?? null };
    }
    case "durable-object":
      return { name, type: "durable_object_namespace", target: null, detail: binding.className };
    case "version-metadata":
      return { name, type: "version_metadata", target: null, detail: null };
  }
}

function text({ type, target, detail }: Omit<VersionBinding, "name">): string {
  return [type, target, detail].filter((part) => part !== null && part !== undefined).join(" ");
}

const VARIABLE = "plain_text";
/** Kinds that are no bindings of the topology: variables and secrets have lists of their own. */
const NOT_BINDINGS: ReadonlySet<string> = new Set([VARIABLE, "secret_text", "secret_key", "json"]);

/** Differences by name, in the order of the names. */
function changes(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): readonly Change[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return names.flatMap((name): readonly Change[] => {
    const from = before.get(name) ?? null;
    const to = after.get(name) ?? null;
    if (from === to) return [];
    const change = from === null ? "added" : to === null ? "removed" : "changed";
    return [{ name, change, from, to }];
  });
}

/**
 * Differences between the version that serves and the topology.
 * @param present bindings of the version that serves; `null` before the first release
 */
export function bindingChanges(
  topology: Topology,
  worker: WorkerKey,
  ids: ResourceIds,
  present: readonly VersionBinding[] | null,
): readonly Change[] {
  const after = topology.workers[worker].bindings.map((binding) => wantedBinding(binding, ids, topology));
  const before = (present ?? []).filter(({ type }) => !NOT_BINDINGS.has(type));
  return changes(
    new Map(before.map((found) => [found.name, text(found)])),
    new Map(after.map((wanted) => [wanted.name, text(wanted)])),
  );
}

/** The same of the variables, with their texts. */
export function varChanges(
  topology: Topology,
  worker: WorkerKey,
  present: readonly VersionBinding[] | null,
): readonly Change[] {
  const before = (present ?? []).filter(({ type }) => type === VARIABLE);
  return changes(
    new Map(before.map(({ name, detail }) => [name, detail ?? ""])),
    new Map(Object.entries(topology.workers[worker].vars)),
  );
}
