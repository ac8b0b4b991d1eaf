/**
 * A Miniflare plugin (loaded by its path) that passes a binding on to workerd as it
 * stands. Miniflare's own queue binding leads to a broker in memory, and its store
 * bindings each name one store; ours lead to the durable broker, and to any store.
 */
import { fileURLToPath } from "node:url";
import type { Plugin, WorkerOptions } from "miniflare";

type WorkerdBinding = Exclude<Awaited<ReturnType<Plugin["getBindings"]>>, void>[number];
type Environment = NonNullable<WorkerOptions["config"]["env"]>;
type Binding = Environment[string];

const PLUGIN = "localcloud";
const TYPE = "unsafe:raw";

/** A binding in workerd's own terms, without its name. */
export function rawBinding(definition: Record<string, unknown>): Binding {
  const plugin = { package: fileURLToPath(import.meta.url), name: PLUGIN };
  return { type: TYPE, dev: { plugin, options: definition } };
}

/**
 * Loaded by Miniflare.
 * @public
 */
export const plugins: Record<string, Plugin> = {
  [PLUGIN]: {
    bindingTypeDescription: "raw workerd binding",
    getBindings({ config }) {
      const bindings: WorkerdBinding[] = [];
      for (const [name, binding] of Object.entries(config.env ?? {})) {
        if (binding.type !== TYPE) continue;
        bindings.push({ name, ...binding.dev?.options } as WorkerdBinding);
      }
      return bindings;
    },
    getNodeBindings: () => ({}),
    getServices: () => [],
  },
};
