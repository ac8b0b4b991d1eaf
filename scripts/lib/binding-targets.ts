/** Where the targets of a version's bindings are found in Cloudflare's REST API. Pure. */
import { z } from "zod";

/** A binding of a version, as far as its target can be looked for. */
export interface VersionBinding {
  readonly name: string;
  /** The API's word, for example `kv_namespace`. */
  readonly type: string;
  /** Id or name of the target; `null` when the binding has none that could be gone. */
  readonly target: string | null;
  /** What else tells two apart: a service's entrypoint, a Durable Object's class, a variable's text. */
  readonly detail?: string | null;
}

const text = z.string().nullish();

/** One binding as `GET …/versions/{id}` lists it. */
export const bindingSchema = z.looseObject({
  name: z.string(),
  type: z.string(),
  namespace_id: text,
  id: text,
  database_id: text,
  bucket_name: text,
  queue_name: text,
  service: text,
  entrypoint: text,
  class_name: text,
  text,
});

/** The target of a binding of the API. */
export function bindingTarget(binding: z.infer<typeof bindingSchema>): VersionBinding {
  const { name, type } = binding;
  const target = (): string | null | undefined => {
    switch (type) {
      case "kv_namespace":
        return binding.namespace_id;
      case "d1":
        return binding.database_id ?? binding.id;
      case "r2_bucket":
        return binding.bucket_name;
      case "queue":
        return binding.queue_name;
      case "service":
        return binding.service;
      default:
        return null;
    }
  };
  const detail = (): string | null | undefined => {
    switch (type) {
      case "service":
        return binding.entrypoint;
      case "durable_object_namespace":
        return binding.class_name;
      case "plain_text":
        return binding.text;
      default:
        return null;
    }
  };
  return { name, type, target: target() ?? null, detail: detail() ?? null };
}

/** Path below the account under which the target answers while it exists; `null`: nothing to ask. */
export function targetPath({ type, target }: VersionBinding): string | null {
  if (target === null) return null;
  const id = encodeURIComponent(target);
  switch (type) {
    case "kv_namespace":
      return `/storage/kv/namespaces/${id}`;
    case "d1":
      return `/d1/database/${id}`;
    case "r2_bucket":
      return `/r2/buckets/${id}`;
    case "queue":
      return `/queues?name=${id}`;
    case "service":
      return `/workers/services/${id}`;
    default:
      return null;
  }
}
