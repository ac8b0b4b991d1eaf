import { z } from "zod";
import type { DurableObjectClass } from "../model.ts";
import { ApiError, CODE, notImplemented } from "./errors.ts";

/**
 * Checks that a new version exports every class of the script.
 * @param exported what the main module exports; `null` when its text does not say.
 * @param before the classes that the script owned before the migrations of this upload.
 * @throws {ApiError} for the first class that is missing.
 */
export function requireExports(
  exported: ReadonlySet<string> | null,
  owned: readonly DurableObjectClass[],
  before: readonly DurableObjectClass[],
): void {
  const missing = owned.find(({ className }) => exported?.has(className) === false)?.className;
  if (missing === undefined) {
    return;
  }
  throw before.some(({ className }) => className === missing)
    ? new ApiError(
        403,
        CODE.CLASS_DROPPED,
        `New version of script does not export class '${missing}' which is depended on by existing Durable Objects. If you want to delete the class and its objects, apply a delete-class migration.`,
      )
    : new ApiError(
        400,
        CODE.CLASS_NOT_EXPORTED,
        `Cannot apply new-class migration to class '${missing}' that is not exported by script.`,
      );
}

/** An exported class's name; it is part of the path of what its objects store. */
const className = z.string().regex(/^[\p{L}_$][\p{L}\p{N}_$]*$/u, "not the name of a class");

const stepSchema = z.object({
  new_classes: z.array(className).optional(),
  new_sqlite_classes: z.array(className).optional(),
  deleted_classes: z.array(z.string()).optional(),
  renamed_classes: z.array(z.object({ from: z.string(), to: className })).optional(),
  transferred_classes: z.array(z.unknown()).optional(),
});

/** `migrations` in a Worker's metadata: steps from one tag to another, or a single step in place. */
export const migrationsSchema = stepSchema.extend({
  old_tag: z.string().optional(),
  new_tag: z.string().optional(),
  steps: z.array(stepSchema).optional(),
});

type Step = z.infer<typeof stepSchema>;

/** What a script owns before or after migrations. */
export interface ClassState {
  readonly tag: string | null;
  readonly classes: readonly DurableObjectClass[];
}

function create(
  classes: readonly DurableObjectClass[],
  className: string,
  sqlite: boolean,
): DurableObjectClass[] {
  if (classes.some((owned) => owned.className === className)) {
    throw new ApiError(
      400,
      CODE.CLASS_EXISTS,
      `Cannot apply new-class migration to class '${className}' that is already depended on by existing Durable Objects.`,
    );
  }
  return [...classes, { className, sqlite }];
}

function requireClass(classes: readonly DurableObjectClass[], className: string): DurableObjectClass {
  const owned = classes.find((candidate) => candidate.className === className);
  if (owned === undefined) {
    throw new ApiError(
      400,
      CODE.CLASS_NOT_CONFIGURED,
      `Cannot migrate class '${className}': the script has no Durable Objects of it.`,
    );
  }
  return owned;
}

function applyStep(before: readonly DurableObjectClass[], step: Step): readonly DurableObjectClass[] {
  if ((step.transferred_classes ?? []).length > 0) {
    throw notImplemented("transferred_classes in a Durable Object migration");
  }
  let classes = before;
  for (const className of step.new_classes ?? []) {
    classes = create(classes, className, false);
  }
  for (const className of step.new_sqlite_classes ?? []) {
    classes = create(classes, className, true);
  }
  for (const { from, to } of step.renamed_classes ?? []) {
    const owned = requireClass(classes, from);
    classes = create(
      classes.filter((candidate) => candidate !== owned),
      to,
      owned.sqlite,
    );
  }
  for (const className of step.deleted_classes ?? []) {
    const owned = requireClass(classes, className);
    classes = classes.filter((candidate) => candidate !== owned);
  }
  return classes;
}

/**
 * The classes of a script after `migrations`.
 * @throws {ApiError} 400 when they do not start where the script stands, or make
 * or drop a class that is, or is not, there.
 */
export function migrate(before: ClassState, migrations: z.infer<typeof migrationsSchema>): ClassState {
  const expected = migrations.old_tag ?? null;
  if (expected !== before.tag) {
    throw new ApiError(
      412,
      CODE.MIGRATION_TAG_MISMATCH,
      `Migration tag precondition failed: expected tag '${expected ?? ""}' but got '${before.tag ?? ""}'.`,
    );
  }
  const steps = migrations.steps ?? [migrations];
  return { tag: migrations.new_tag ?? before.tag, classes: steps.reduce(applyStep, before.classes) };
}
