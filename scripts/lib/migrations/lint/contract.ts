/** Changes of the schema that the code that serves now may not survive, and what builds long. */
import type { AlterTableStmt, CreateIndexStmt, CreateTableStmt, Expr, Stmt } from "sqlite3-parser";
import type { Fault } from "./finding.ts";
import { nodesOf } from "./nodes.ts";
import { foreignKeyFaults } from "./foreign-key.ts";
import type { Rebuild } from "./rebuild.ts";
import { triggerFaults } from "./trigger.ts";
import { isLive, key, shapeOf, sortedColumns, type Index, type Schema } from "./schema.ts";

const EXPAND_FIRST =
  "Release code that no longer uses it; when nothing older can come back, drop it in a contract migration with --allow-contract.";

/** What dropping a table does to the rows of others: D1 keeps foreign keys on. */
function onChildren(schema: Schema, table: string): string {
  const effects = [...schema.tables.values()].flatMap(({ name, foreignKeys }) =>
    foreignKeys
      .filter(({ parent }) => key(parent) === key(table) && key(name) !== key(table))
      .map(({ onDelete }) => {
        if (onDelete === "Cascade") return `deletes the rows of ${name} with it (ON DELETE CASCADE)`;
        if (onDelete === "SetNull" || onDelete === "SetDefault") return `empties the references of ${name}`;
        return `fails while rows of ${name} refer to it`;
      }),
  );
  return effects.length === 0 ? "" : ` D1 keeps foreign keys on: dropping it ${effects.join(", and ")}.`;
}

/** How the rows of a rebuilt table may differ, as far as its definition tells. */
function differences(schema: Schema, { table }: Rebuild, node: CreateTableStmt): string {
  const before = schema.tables.get(key(table))?.columns ?? null;
  if (before === null || node.body.type !== "ColumnsAndConstraintsCreateTableBody") return "";
  const after = new Map(node.body.columns.map(shapeOf).map((column) => [column.name, column]));
  const known = new Map(before.map((column) => [column.name, column]));
  const gone = before.filter(({ name }) => !after.has(name)).map(({ name }) => name);
  const stricter = [...after.values()]
    .filter(({ name, notNull, hasDefault }) => notNull && !hasDefault && known.get(name)?.notNull !== true)
    .map(({ name }) => name);
  return [
    gone.length === 0 ? "" : ` Columns that go: ${gone.join(", ")}.`,
    stricter.length === 0 ? "" : ` Columns that become NOT NULL: ${stricter.join(", ")}.`,
  ].join("");
}

/** The one fault of a rebuild. */
export function rebuilt(schema: Schema, rebuild: Rebuild, create: CreateTableStmt): Fault {
  const followed = rebuild.renamedAway
    ? " The foreign keys of other tables follow the old table to its new name, and break with it."
    : "";
  return {
    rule: "rebuild-table",
    message: `This rebuilds ${rebuild.table}: D1 answers nothing else while all rows are copied.${differences(schema, rebuild, create)}${onChildren(schema, rebuild.table)}${followed}`,
    mend: "Expand instead: add a new nullable column (or a new table), write both from the code, backfill in bounded batches, read the new one, then drop the old in a later contract migration.",
  };
}

/** Whether an expression may fail on a value, and the write or query that computes it with it. */
function mayFail(expr: Expr): boolean {
  return [...nodesOf(expr)].some(({ node }) => {
    switch (node.type) {
      case "FunctionCallExpr":
      case "FunctionCallStarExpr":
        return true;
      // JSON that is none, and a pattern that is too long, are errors.
      case "BinaryExpr":
        return node.op === "ArrowRight" || node.op === "ArrowRightShift";
      case "LikeExpr":
        return node.rhs.type !== "StringLiteral";
      default:
        return false;
    }
  });
}

function addColumn(node: AlterTableStmt, schema: Schema): readonly Fault[] {
  if (node.body.type !== "AddColumnAlterTableBody") return [];
  const column = node.body.column.colName.text;
  const shape = shapeOf(node.body.column);
  const faults: Fault[] = [];
  if (shape.notNull && !shape.hasDefault) {
    faults.push({
      rule: "add-column-not-null",
      message:
        shape.generated === null
          ? `The serving code inserts rows without ${column}, which is NOT NULL and has no default: its writes fail (and SQLite refuses it on a table with rows).`
          : `${column} is generated and NOT NULL: a write of the serving code for which it is NULL fails.`,
      mend: "Give it a constant default, or add it nullable and let the code check it.",
    });
  }
  const filling = [...schema.triggers].filter(([, { fills }]) =>
    fills.includes(key(node.tblName.objName.text)),
  );
  if (shape.generated === null && filling.length > 0) {
    faults.push({
      rule: "add-column-trigger",
      message: `The trigger ${filling.map(([name]) => name).join(", ")} inserts into ${node.tblName.objName.text} without naming columns: with one more it fails, and the write that it runs in.`,
      mend: "First drop the trigger and make it again with the columns named, in a migration of its own.",
    });
  }
  const generated = node.body.column.constraints
    .map(({ constraint }) => constraint)
    .some((one) => one.type === "GeneratedColumnConstraint" && mayFail(one.expr));
  if (generated) {
    faults.push({
      rule: "add-column-generated",
      message: `${column} is computed by a function: on a row for which it fails (json_extract of text that is no JSON), so does every SELECT * of the serving code.`,
      mend: "Compute it in the code, into an ordinary column; or guard it so that it cannot fail, and say so in a strata:allow comment.",
    });
  }
  if (shape.checks > 0) {
    faults.push({
      rule: "add-column-check",
      message: `Writes of the serving code that do not meet the CHECK of ${column} fail, and so does the migration when a row does not.`,
      mend: "Check the value in the code. A CHECK is safe in a new table.",
    });
  }
  if (shape.foreignKey !== null && isLive(schema, shape.foreignKey.parent)) {
    faults.push({
      rule: "add-column-foreign-key",
      message: `Once rows refer to ${shape.foreignKey.parent}, the serving code's deletes there ${shape.foreignKey.onDelete === "Cascade" ? "delete these rows too" : "may fail"}.`,
      mend: "Add the column without REFERENCES and keep it right in the code.",
    });
  }
  return faults;
}

function alter(node: AlterTableStmt, schema: Schema): readonly Fault[] {
  const table = node.tblName.objName.text;
  if (!isLive(schema, table)) return [];
  switch (node.body.type) {
    case "RenameToAlterTableBody":
      return [
        {
          rule: "rename-table",
          message: `The serving code's queries on ${table} fail: there is no such table any more.`,
          mend: `Make ${node.body.name.text} beside it, write both from the code, backfill in bounded batches, read the new one, then drop ${table} in a later contract migration.`,
        },
      ];
    case "RenameColumnAlterTableBody": {
      const { old, new: renamed } = node.body;
      return [
        {
          rule: "rename-column",
          message: `The serving code's queries on ${table}.${old.text} fail: there is no such column any more.`,
          mend: `Add ${renamed.text}, write both from the code, backfill in bounded batches, read ${renamed.text}, then drop ${old.text} in a later contract migration.`,
        },
      ];
    }
    case "DropColumnAlterTableBody":
      return [
        {
          rule: "drop-column",
          message: `The serving code's queries on ${table}.${node.body.column.text} fail, and its values are gone.`,
          mend: EXPAND_FIRST,
        },
      ];
    case "AddColumnAlterTableBody":
      return addColumn(node, schema);
    default:
      return [];
  }
}

function isRestored(schema: Schema, node: CreateIndexStmt): boolean {
  const name = key(node.idxName.objName.text);
  const old: Index | undefined = schema.gone.indexes.get(name);
  if (old === undefined || old.unique !== node.unique || old.table !== key(node.tblName.text)) return false;
  const same = sortedColumns(node.columns).every((column, at) => column === old.columns[at]);
  return (
    same && old.columns.length === node.columns.length && old.partial === (node.whereClause !== undefined)
  );
}

function createIndex(node: CreateIndexStmt, schema: Schema): readonly Fault[] {
  const table = node.tblName.text;
  if (!isLive(schema, table)) return [];
  const expressions = [...node.columns.map(({ expr }) => expr), node.whereClause];
  const failing: readonly Fault[] = expressions.some((expr) => expr !== undefined && mayFail(expr))
    ? [
        {
          rule: "expression-index",
          message: `The index calls a function at each write of the serving code to ${table}: on a value for which it fails (json_extract of text that is no JSON), the write fails.`,
          mend: "Let the code write the value into a column and index that; or guard the expression so that it cannot fail, and say so in a strata:allow comment.",
        },
      ]
    : [];
  if (isRestored(schema, node)) return failing;
  return [
    ...failing,
    node.unique
      ? {
          rule: "unique-index",
          message: `Writes of the serving code that repeat a key in ${table} fail, and so does the migration when two rows share one.`,
          mend: "Make sure in the code first that keys do not repeat, count the duplicates, then add it in a contract migration.",
        }
      : {
          rule: "create-index",
          message: `The index is built in one query over all rows of ${table}; D1 answers nothing else meanwhile, and gives up after 30 s.`,
          mend: "Apply it when there is little traffic; a new table with the index and a bounded backfill avoids it.",
        },
  ];
}

function drop(node: Stmt, schema: Schema): readonly Fault[] {
  switch (node.type) {
    case "DropTableStmt": {
      const { text } = node.tblName.objName;
      if (!isLive(schema, text) || (node.ifExists && !mayExist(schema.tables, text))) return [];
      return [
        {
          rule: "drop-table",
          message: `The serving code's queries on ${text} fail, and its rows are gone.${onChildren(schema, text)}`,
          mend: EXPAND_FIRST,
        },
      ];
    }
    case "DropViewStmt": {
      const { text } = node.viewName.objName;
      if (schema.views.get(key(text)) === true || (node.ifExists && !mayExist(schema.views, text))) return [];
      return [
        {
          rule: "drop-view",
          message: `The serving code's queries on ${text} fail.`,
          mend: "Make the new view under a new name, read that one, then drop this one in a later contract migration.",
        },
      ];
    }
    case "DropTriggerStmt": {
      const { text } = node.triggerName.objName;
      if (
        schema.triggers.get(key(text))?.fresh === true ||
        (node.ifExists && !mayExist(schema.triggers, text))
      ) {
        return [];
      }
      return [
        {
          rule: "drop-trigger",
          message: `What the trigger ${text} does for the serving code's writes is not done any more.`,
          mend: EXPAND_FIRST,
        },
      ];
    }
    case "DropIndexStmt": {
      const { text } = node.idxName.objName;
      const index = schema.indexes.get(key(text));
      if (index?.fresh === true || (node.ifExists && !mayExist(schema.indexes, text))) return [];
      return [
        index?.unique === true
          ? {
              rule: "drop-unique-index",
              message: `The serving code may write a key twice, and its ON CONFLICT on these columns fails.`,
              mend: EXPAND_FIRST,
            }
          : {
              rule: "drop-index",
              message: "Queries of the serving code that used the index read the whole table.",
              mend: "Look at their plans (EXPLAIN QUERY PLAN) first.",
            },
      ];
    }
    default:
      return [];
  }
}

/** Where nothing is known of the schema, everything may exist. */
function mayExist(all: ReadonlyMap<string, unknown>, name: string): boolean {
  return all.size === 0 || all.has(key(name));
}

/** What a statement changes for the code that serves now. */
export function contractFaults(node: Stmt, schema: Schema): readonly Fault[] {
  switch (node.type) {
    case "AlterTableStmt":
      return alter(node, schema);
    case "CreateIndexStmt":
      return createIndex(node, schema);
    case "CreateTriggerStmt":
      return triggerFaults(node, schema);
    case "CreateTableStmt":
      return foreignKeyFaults(node, schema);
    default:
      return drop(node, schema);
  }
}
