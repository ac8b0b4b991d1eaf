import type { DurableObjectClass, ScriptBinding } from "../model.ts";
import { BINDING_TYPES, bindingSchema } from "../state/columns.ts";
import type { Store } from "../state/store.ts";
import { ApiError, CODE, notImplemented } from "./errors.ts";
import { faults } from "./request.ts";
import type { UploadedBinding } from "./upload.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** How an upload's bindings relate to those of the version before it. */
export interface Inheritance {
  /** Bindings of the latest version; empty for the first one. */
  readonly previous: readonly ScriptBinding[];
  /** Types of binding that are kept when the upload does not name them. */
  readonly keepTypes: readonly string[];
  /** Whether an `inherit` of something that is not there is refused, or left out. */
  readonly strict: boolean;
}

function parseBinding(uploaded: UploadedBinding): ScriptBinding {
  if (!BINDING_TYPES.includes(uploaded.type)) {
    throw notImplemented(`bindings of type ${uploaded.type} (binding ${uploaded.name})`);
  }
  const parsed = bindingSchema.safeParse(uploaded);
  if (!parsed.success) {
    throw new ApiError(
      400,
      CODE.WORKER_VALIDATION,
      `binding ${uploaded.name} of type ${uploaded.type} is invalid: ${faults(parsed.error)}`,
    );
  }
  return parsed.data;
}

/**
 * The full set of bindings of a new version: what was uploaded, what it
 * inherits by name, and what it keeps by type.
 * @throws {ApiError} 400 for a malformed binding, a name used twice or a strict
 * `inherit` of nothing; 501 for a type that does not run here.
 */
export function resolveBindings(
  uploaded: readonly UploadedBinding[],
  { previous, keepTypes, strict }: Inheritance,
): ScriptBinding[] {
  const resolved = new Map<string, ScriptBinding>();
  for (const binding of uploaded) {
    if (resolved.has(binding.name)) {
      throw new ApiError(400, CODE.WORKER_VALIDATION, `binding name '${binding.name}' already in use`);
    }
    if (binding.type !== "inherit") {
      resolved.set(binding.name, parseBinding(binding));
      continue;
    }
    const oldName = typeof binding["old_name"] === "string" ? binding["old_name"] : binding.name;
    const inherited = previous.find(({ name }) => name === oldName);
    if (inherited !== undefined) {
      resolved.set(binding.name, { ...inherited, name: binding.name });
    } else if (strict) {
      throw new ApiError(
        400,
        CODE.INVALID_INHERIT,
        `inherit binding '${binding.name}' is invalid: the previous version has no binding of that name`,
      );
    }
  }
  for (const binding of previous) {
    if (keepTypes.includes(binding.type) && !resolved.has(binding.name)) {
      resolved.set(binding.name, binding);
    }
  }
  return [...resolved.values()];
}

/** The script whose bindings are checked, and the classes that it owns. */
export interface BindingOwner {
  readonly scriptName: string;
  readonly classes: readonly DurableObjectClass[];
}

/** The refusal for the first binding whose target does not exist, with the platform's code for its kind. */
export function targetRefusal(
  store: Store,
  owner: BindingOwner,
  bindings: readonly ScriptBinding[],
): ApiError | null {
  for (const binding of bindings) {
    const refusal = missingTarget(store, owner, binding);
    if (refusal !== null) {
      return refusal;
    }
  }
  return null;
}

/**
 * Checks that everything that is bound exists.
 * @throws {ApiError} as `targetRefusal` words it.
 */
export function requireTargets(store: Store, owner: BindingOwner, bindings: readonly ScriptBinding[]): void {
  const refusal = targetRefusal(store, owner, bindings);
  if (refusal !== null) {
    throw refusal;
  }
}

function missingTarget(store: Store, owner: BindingOwner, binding: ScriptBinding): ApiError | null {
  switch (binding.type) {
    case "kv_namespace":
      return store.kv.get(binding.namespace_id) !== null
        ? null
        : new ApiError(
            400,
            CODE.BOUND_KV_NOT_FOUND,
            `KV namespace '${binding.namespace_id}' not found (binding ${binding.name}).`,
          );
    case "d1":
      return missingDatabase(store, binding.name, binding.id);
    case "r2_bucket":
      return store.r2.get(binding.bucket_name) !== null
        ? null
        : new ApiError(
            400,
            CODE.BOUND_R2_NOT_FOUND,
            `R2 bucket '${binding.bucket_name}' not found (binding ${binding.name}).`,
          );
    case "queue":
      return store.queues.byName(binding.queue_name) !== null
        ? null
        : new ApiError(
            400,
            CODE.QUEUE_NOT_FOUND,
            `Queue '${binding.queue_name}' not found (binding ${binding.name}).`,
          );
    case "service":
      return binding.service === owner.scriptName || store.scripts.get(binding.service) !== null
        ? null
        : new ApiError(
            400,
            CODE.BOUND_SERVICE_NOT_FOUND,
            `Service binding '${binding.name}' references Worker '${binding.service}' which was not found.`,
          );
    case "durable_object_namespace":
      return missingClass(store, owner, binding.class_name, binding.script_name);
    case "plain_text":
    case "secret_text":
    case "json":
    case "version_metadata":
      return null;
  }
}

function missingDatabase(store: Store, name: string, id: string): ApiError | null {
  if (!UUID.test(id)) {
    // wrangler knows this sentence by heart, and adds how to find the id.
    const message = `binding ${name} of type d1 must have a valid \`id\` specified`;
    return new ApiError(400, CODE.WORKER_VALIDATION, message);
  }
  return store.d1.get(id)?.id === id
    ? null
    : new ApiError(
        400,
        CODE.BOUND_D1_NOT_FOUND,
        `D1 binding '${name}' references database '${id}' which was not found. Verify the database exists in your account and that the database_id in your configuration is correct.`,
      );
}

function missingClass(
  store: Store,
  owner: BindingOwner,
  className: string,
  scriptName: string = owner.scriptName,
): ApiError | null {
  if (scriptName !== owner.scriptName && store.scripts.get(scriptName) === null) {
    return new ApiError(
      400,
      CODE.CLASS_NOT_CONFIGURED,
      `Cannot create binding for class '${className}' in script '${scriptName}' that does not exist.`,
    );
  }
  const classes = scriptName === owner.scriptName ? owner.classes : store.scripts.classesOf(scriptName);
  return classes.some((owned) => owned.className === className)
    ? null
    : new ApiError(
        400,
        CODE.CLASS_NOT_CONFIGURED,
        `Cannot create binding for class '${className}' because it is not currently configured to implement Durable Objects. Ensure a --new-class migration has been applied to it.`,
      );
}

/** A binding as the API shows it: a secret without its value. */
export function shownBinding(binding: ScriptBinding): unknown {
  if (binding.type !== "secret_text") {
    return binding;
  }
  const { text: _text, ...rest } = binding;
  return rest;
}

/** The values of the secrets among `bindings`, by name. */
export function secretsOf(bindings: readonly ScriptBinding[]): ReadonlyMap<string, string> {
  const secrets = new Map<string, string>();
  for (const binding of bindings) {
    if (binding.type === "secret_text") {
      secrets.set(binding.name, binding.text);
    }
  }
  return secrets;
}
