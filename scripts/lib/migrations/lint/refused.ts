/**
 * What D1 refuses although SQLite would not. The lists were measured statement by statement on
 * workerd's D1; the limits are those of developers.cloudflare.com/d1/platform/limits.
 */
import type { QualifiedName, Stmt } from "sqlite3-parser";
import type { Fault } from "./finding.ts";
import { nodesOf } from "./nodes.ts";
import { isLive, key, shapeOf, type ColumnShape, type Schema } from "./schema.ts";
import type { Statement } from "./statements.ts";

/** Limits of D1; sizes in bytes of UTF-8. */
export const D1_LIMITS = {
  statementBytes: 100_000,
  columns: 100,
  expressionDepth: 100,
  patternBytes: 50,
} as const;

const VIRTUAL_TABLES = new Set(["fts5", "fts5vocab", "rtree", "rtree_i32"]);

const PRAGMAS = new Set([
  "case_sensitive_like",
  "data_version",
  "defer_foreign_keys",
  "foreign_key_check",
  "foreign_key_list",
  "foreign_keys",
  "ignore_check_constraints",
  "index_info",
  "index_list",
  "index_xinfo",
  "legacy_alter_table",
  "optimize",
  "page_size",
  "quick_check",
  "recursive_triggers",
  "reverse_unordered_selects",
  "table_info",
  "table_list",
  "table_xinfo",
]);

const FUNCTIONS = new Set([
  "edit",
  "eval",
  "fts3_tokenizer",
  "load_extension",
  "readfile",
  "sqlite_compileoption_get",
  "sqlite_compileoption_used",
  "sqlite_offset",
  "sqlite_source_id",
  "sqlite_version",
  "writefile",
]);

const RESERVED = /^(?:_cf_|sqlite_)/i;
const PRAGMA_FUNCTION = /^pragma_(.+)$/i;

const TRANSACTION_MESSAGE =
  "D1 refuses BEGIN, COMMIT, ROLLBACK, SAVEPOINT and RELEASE. Each migration file is one transaction anyway.";

function bytes(text: string): number {
  return Buffer.byteLength(text, "utf8");
}

/** The object that a statement makes. */
function made(node: Stmt): { readonly name: QualifiedName; readonly temporary: boolean } | null {
  switch (node.type) {
    case "CreateTableStmt":
      return { name: node.tblName, temporary: node.temporary };
    case "CreateVirtualTableStmt":
      return { name: node.tblName, temporary: false };
    case "CreateViewStmt":
      return { name: node.viewName, temporary: node.temporary };
    case "CreateTriggerStmt":
      return { name: node.triggerName, temporary: node.temporary };
    case "CreateIndexStmt":
      return { name: node.idxName, temporary: false };
    default:
      return null;
  }
}

function byKind(node: Stmt): readonly Fault[] {
  switch (node.type) {
    case "BeginStmt":
    case "CommitStmt":
    case "RollbackStmt":
    case "SavepointStmt":
    case "ReleaseStmt":
      return [{ rule: "transaction", message: TRANSACTION_MESSAGE, mend: "Delete the statement." }];
    case "AttachStmt":
    case "DetachStmt":
      return [
        {
          rule: "attach",
          message: "D1 refuses ATTACH and DETACH: a migration sees one database.",
          mend: "Move rows between databases with a script that reads one and writes the other in bounded batches.",
        },
      ];
    case "VacuumStmt":
      return [
        {
          rule: "vacuum",
          message: "D1 refuses VACUUM: it manages its storage itself.",
          mend: "Delete the statement.",
        },
      ];
    case "PragmaStmt":
      return pragma(node.name.objName.text);
    case "CreateVirtualTableStmt":
      return VIRTUAL_TABLES.has(key(node.moduleName.text))
        ? []
        : [
            {
              rule: "virtual-table",
              message: `D1 has no virtual tables of the module ${node.moduleName.text}.`,
              mend: "Use fts5 for text and rtree for ranges, or an ordinary table with an index.",
            },
          ];
    default:
      return [];
  }
}

function pragma(name: string): readonly Fault[] {
  if (PRAGMAS.has(key(name))) return [];
  return [
    {
      rule: "pragma",
      message: `D1 refuses PRAGMA ${name} (not authorized).`,
      mend: "Delete it. For foreign keys during a rebuild D1 has PRAGMA defer_foreign_keys = on.",
    },
  ];
}

function names(node: Stmt): readonly Fault[] {
  const object = made(node);
  if (object === null) return [];
  const faults: Fault[] = [];
  if (object.temporary || key(object.name.dbName?.text ?? "") === "temp") {
    faults.push({
      rule: "temp-object",
      message: "D1 refuses temporary tables, views and triggers.",
      mend: "Make an ordinary table and drop it in a later migration, or use a WITH clause.",
    });
  }
  if (RESERVED.test(object.name.objName.text)) {
    faults.push({
      rule: "reserved-name",
      message: `The name ${object.name.objName.text} is reserved: D1 keeps _cf_ for itself and SQLite sqlite_.`,
      mend: "Choose another name.",
    });
  }
  return faults;
}

function isConstant(expr: NonNullable<ColumnShape["defaultExpr"]>): boolean {
  let inner = expr;
  for (;;) {
    if (inner.type === "UnaryExpr" || inner.type === "CastExpr") inner = inner.expr;
    else if (inner.type === "ParenthesizedExpr" && inner.exprs.length === 1 && inner.exprs[0] !== undefined) {
      [inner] = inner.exprs;
    } else break;
  }
  switch (inner.type) {
    case "NumericLiteral":
    case "StringLiteral":
    case "BlobLiteral":
    case "KeywordLiteral":
    case "NullLiteral":
    case "Id":
    case "NameExpr":
      return true;
    default:
      return false;
  }
}

function addColumn(shape: ColumnShape): string | null {
  if (shape.primaryKey) return "it is a PRIMARY KEY";
  if (shape.unique) return "it is UNIQUE";
  if (shape.generated === "stored") return "it is generated and STORED, and the table may have rows";
  if (shape.defaultExpr !== null && !isConstant(shape.defaultExpr)) {
    return "its default is not a constant, and the table may have rows";
  }
  if (shape.foreignKey !== null && shape.hasDefault) {
    return "it REFERENCES a table and has a default other than NULL, and the table may have rows";
  }
  return null;
}

function alter(node: Stmt, schema: Schema): readonly Fault[] {
  if (node.type !== "AlterTableStmt") return [];
  const table = node.tblName.objName.text;
  switch (node.body.type) {
    case "SetColumnNotNullAlterTableBody":
    case "DropColumnNotNullAlterTableBody":
    case "AddConstraintAlterTableBody":
    case "DropConstraintAlterTableBody":
      return [
        {
          rule: "alter-constraint",
          message: "D1 refuses to alter constraints (not authorized to use function).",
          mend: "Check the value in the code, or rebuild the table in a contract migration of its own.",
        },
      ];
    case "AddColumnAlterTableBody": {
      const why = isLive(schema, table) ? addColumn(shapeOf(node.body.column)) : null;
      if (why === null) return [];
      return [
        {
          rule: "add-column-refused",
          message: `SQLite refuses to add the column ${node.body.column.colName.text}: ${why}.`,
          mend: "Add it nullable and without default, let the code write it, backfill in bounded batches; make a key an index afterwards.",
        },
      ];
    }
    default:
      return [];
  }
}

function columnCount(node: Stmt, schema: Schema): readonly Fault[] {
  const tooMany = (count: number): readonly Fault[] =>
    count <= D1_LIMITS.columns
      ? []
      : [
          {
            rule: "too-many-columns",
            message: `The table would have ${count} columns; D1 allows ${D1_LIMITS.columns}.`,
            mend: "Split the table, or keep rarely used fields as JSON in one column.",
          },
        ];
  if (node.type === "CreateTableStmt" && node.body.type === "ColumnsAndConstraintsCreateTableBody") {
    return tooMany(node.body.columns.length);
  }
  if (node.type === "AlterTableStmt" && node.body.type === "AddColumnAlterTableBody") {
    const columns = schema.tables.get(key(node.tblName.objName.text))?.columns ?? [];
    return tooMany(columns.length + 1);
  }
  return [];
}

/** What is wrong inside of expressions; each kind once a statement. */
function inside({ node: root, offset }: Statement): readonly Fault[] {
  const faults = new Map<string, Fault>();
  const add = (at: number, fault: Omit<Fault, "offset">): void => {
    const id = `${fault.rule} ${fault.message}`;
    if (!faults.has(id)) faults.set(id, { ...fault, offset: offset + at });
  };
  for (const { node, depth } of nodesOf(root)) {
    const at = node.span.offset;
    if (depth > D1_LIMITS.expressionDepth) {
      add(root.span.offset, {
        rule: "expression-too-deep",
        message: `An expression is nested deeper than D1 allows (${D1_LIMITS.expressionDepth}).`,
        mend: "Use IN (…), or pass the values as one JSON text to json_each.",
      });
    }
    switch (node.type) {
      case "VariableExpr":
        add(at, {
          rule: "bound-parameter",
          message: `Wrangler sends a migration without values for its parameters (${node.name}).`,
          mend: "Write the value itself.",
        });
        break;
      case "FunctionCallExpr":
      case "FunctionCallStarExpr":
        if (FUNCTIONS.has(key(node.name.name))) {
          add(at, {
            rule: "function",
            message: `D1 refuses the function ${node.name.name}.`,
            mend: "Compute the value in code and write it with bounded updates.",
          });
        }
        break;
      case "TableSelectTable":
      case "TableCallSelectTable":
        for (const fault of pragma(PRAGMA_FUNCTION.exec(node.tblName.objName.text)?.[1] ?? "optimize")) {
          add(at, fault);
        }
        break;
      case "LikeExpr":
        if (node.rhs.type === "StringLiteral" && bytes(node.rhs.value) > D1_LIMITS.patternBytes) {
          add(at, {
            rule: "pattern-too-long",
            message: `D1 allows ${D1_LIMITS.patternBytes} bytes in a LIKE or GLOB pattern.`,
            mend: "Compare with substr or instr.",
          });
        }
        break;
      default:
        break;
    }
  }
  return [...faults.values()];
}

/** Why D1 would not run a statement. */
export function refusedByD1(statement: Statement, schema: Schema): readonly Fault[] {
  const size = bytes(statement.text);
  const tooLong: readonly Fault[] =
    size <= D1_LIMITS.statementBytes
      ? []
      : [
          {
            rule: "statement-too-long",
            message: `The statement has ${size} bytes; D1 allows ${D1_LIMITS.statementBytes}.`,
            mend: "Split it into several statements.",
          },
        ];
  const { node } = statement;
  return [
    ...tooLong,
    ...byKind(node),
    ...names(node),
    ...alter(node, schema),
    ...columnCount(node, schema),
    ...inside(statement),
  ];
}
