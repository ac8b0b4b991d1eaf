/** Foreign keys of new tables: once rows refer to a table that serves, its writes may fail. */
import type { CreateTableStmt, RefAct } from "sqlite3-parser";
import type { Fault } from "./finding.ts";
import {
  foreignKeyOf,
  isLive,
  key,
  shapeOf,
  tableOf,
  uniqueKeys,
  type ForeignKey,
  type Schema,
} from "./schema.ts";

interface Reference extends ForeignKey {
  /** A column of the child that cannot be NULL; `null` without one. */
  readonly required: string | null;
  /** Number of columns of the child. */
  readonly width: number;
}

function referencesOf(node: CreateTableStmt): readonly Reference[] {
  if (node.body.type !== "ColumnsAndConstraintsCreateTableBody") return [];
  const { columns, primaryKey } = tableOf(node);
  const firm = new Set([
    ...(columns ?? []).filter(({ notNull }) => notNull).map(({ name }) => name),
    ...primaryKey,
  ]);
  const requiredOf = (names: readonly string[]): string | null =>
    names.find((name) => firm.has(name)) ?? null;
  return [
    ...node.body.columns
      .map(shapeOf)
      .flatMap(({ name, foreignKey }) =>
        foreignKey === null ? [] : [{ ...foreignKey, required: requiredOf([name]), width: 1 }],
      ),
    ...(node.body.constraints ?? []).flatMap(({ constraint }) =>
      constraint.type === "ForeignKeyTableConstraint"
        ? [
            {
              ...foreignKeyOf(constraint.clause),
              required: requiredOf(constraint.columns.map(({ colName }) => key(colName.text))),
              width: constraint.columns.length,
            },
          ]
        : [],
    ),
  ];
}

/** Why an action fails the write that brings it about; `null` when it does not. */
function failure(action: RefAct, { required }: Reference): string | null {
  switch (action) {
    case "Cascade":
      return null;
    case "SetNull":
      return required === null ? null : `SET NULL, and ${required} cannot be NULL`;
    case "SetDefault":
      return "SET DEFAULT, and the default may refer to nothing";
    case "Restrict":
      return "RESTRICT";
    case "NoAction":
      return "NO ACTION";
  }
}

const sameColumns = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((column) => others.includes(column));

/**
 * Whether the serving code may well update what is referred to: a key that is not the primary
 * one. Code that serves updates no primary keys, as a rule, and every reference says something
 * of them; who writes RESTRICT means it.
 */
function isUpdated(schema: Schema, { parent, columns, onUpdate }: Reference): boolean {
  const table = schema.tables.get(key(parent));
  return (
    onUpdate === "Restrict" ||
    (columns !== null && table !== undefined && !sameColumns(columns, table.primaryKey))
  );
}

/** Whether a reference leads to no unique key: SQLite then refuses every delete from the parent. */
function isMismatch(schema: Schema, { parent, columns, width }: Reference): boolean {
  const table = schema.tables.get(key(parent));
  if (table === undefined || table.columns === null) return false;
  const named = table.columns.map(({ name }) => name);
  const target = columns ?? table.primaryKey;
  return (
    target.length !== width ||
    !target.every((column) => named.includes(column)) ||
    !uniqueKeys(schema, parent).some((unique) => sameColumns(unique, target))
  );
}

/** What the references of a new table mean for the tables that serve. */
export function foreignKeyFaults(node: CreateTableStmt, schema: Schema): readonly Fault[] {
  const own = key(node.tblName.objName.text);
  return referencesOf(node)
    .filter(({ parent }) => key(parent) !== own && isLive(schema, parent))
    .flatMap((reference) => {
      const { parent, onDelete, onUpdate } = reference;
      const deleting = failure(onDelete, reference);
      const updating = isUpdated(schema, reference) ? failure(onUpdate, reference) : null;
      const effects = [
        ...(isMismatch(schema, reference)
          ? ["deletes and updates there fail at once: what they refer to is no unique key of it"]
          : []),
        ...(deleting === null ? [] : [`deletes of those rows fail (ON DELETE ${deleting})`]),
        ...(updating === null ? [] : [`updates of their keys fail (ON UPDATE ${updating})`]),
      ];
      if (effects.length === 0) return [];
      return [
        {
          rule: "foreign-key" as const,
          message: `Once rows refer to ${parent}, the serving code's ${effects.join(", and its ")}.`,
          mend: "Say CASCADE, or SET NULL on a column that may be NULL, or leave the reference to the code.",
        },
      ];
    });
}
