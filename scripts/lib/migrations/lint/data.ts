/** What statements do to rows: how many they touch in one query, and which they take away. */
import type { Stmt } from "sqlite3-parser";
import { isBounded, MAX_ROWS, scannedInside, scannedTable } from "./bounded.ts";
import type { Fault } from "./finding.ts";
import { isLive, key, type Schema } from "./schema.ts";

/** Wrangler's list of applied files. */
const MIGRATIONS_TABLE = "d1_migrations";

const ONE_QUERY = "D1 runs one query at a time, for at most 30 s: everything else waits for it.";
const IN_BATCHES = `Let the code or a script do it in batches by key (WHERE id BETWEEN … AND …, at most ${MAX_ROWS} apart, or id IN (SELECT id … LIMIT 1000)).`;

function own(table: string): readonly Fault[] {
  if (key(table) !== MIGRATIONS_TABLE) return [];
  return [
    {
      rule: "migrations-table",
      message: `${MIGRATIONS_TABLE} is wrangler's list of what is applied: a file may be skipped or applied twice.`,
      mend: "Leave it to wrangler.",
    },
  ];
}

function replaces(table: string): Fault {
  return {
    rule: "replace-rows",
    message: `REPLACE deletes the rows of ${table} that are in the way: columns that it does not name are lost, references to them too.`,
    mend: "Use INSERT … ON CONFLICT (key) DO UPDATE SET …",
  };
}

function copy(table: string): Fault {
  return {
    rule: "insert-select",
    message: `All rows of ${table} are read in one query. ${ONE_QUERY}`,
    mend: IN_BATCHES,
  };
}

/** What subqueries in the values of a statement read. */
function subqueries(node: Stmt, schema: Schema): readonly Fault[] {
  const values = node.type === "UpdateStmt" ? node.sets : node.type === "InsertStmt" ? [node.body] : [];
  const scanned = values.map((value) => scannedInside(schema, value, "with" in node ? node.with : undefined));
  return [...new Set(scanned)].flatMap((table) =>
    table === null
      ? []
      : [
          {
            rule: "unbounded-subquery" as const,
            message: `A subquery may read all rows of ${table}, once or for each row. ${ONE_QUERY}`,
            mend: `Name its rows by a unique key or by at most ${MAX_ROWS} rowids, or compute the value in a script.`,
          },
        ],
  );
}

/** @param name table that the statement changes */
function changed(node: Stmt): string | null {
  switch (node.type) {
    case "AlterTableStmt":
    case "InsertStmt":
    case "UpdateStmt":
    case "DeleteStmt":
    case "DropTableStmt":
    case "CreateTableStmt":
      return node.tblName.objName.text;
    default:
      return null;
  }
}

function rows(node: Stmt, schema: Schema): readonly Fault[] {
  switch (node.type) {
    case "InsertStmt": {
      const { text } = node.tblName.objName;
      const scanned = node.body.type === "SelectInsertBody" ? scannedTable(schema, node.body.select) : null;
      return [
        ...(node.orConflict === "Replace" && isLive(schema, text) ? [replaces(text)] : []),
        ...(scanned === null ? [] : [copy(scanned)]),
      ];
    }
    case "CreateTableStmt": {
      const scanned =
        node.body.type === "AsSelectCreateTableBody" ? scannedTable(schema, node.body.select) : null;
      return scanned === null ? [] : [copy(scanned)];
    }
    case "UpdateStmt": {
      const { text } = node.tblName.objName;
      if (!isLive(schema, text)) return [];
      const unbounded: Fault = {
        rule: "unbounded-update",
        message: `Any number of rows of ${text} may be written in one query. ${ONE_QUERY}`,
        mend: IN_BATCHES,
      };
      return [
        ...(node.orConflict === "Replace" ? [replaces(text)] : []),
        // With FROM a condition may name the other table's rows.
        ...(node.from === undefined && isBounded(schema, text, node.whereClause) ? [] : [unbounded]),
      ];
    }
    case "DeleteStmt": {
      const { text } = node.tblName.objName;
      if (!isLive(schema, text) || isBounded(schema, text, node.whereClause)) return [];
      return [
        {
          rule: "unbounded-delete",
          message: `Any number of rows of ${text} may go in one query. ${ONE_QUERY}`,
          mend: IN_BATCHES,
        },
      ];
    }
    case "ReindexStmt":
      return [
        {
          rule: "reindex",
          message: `Indexes are built anew in one query. ${ONE_QUERY}`,
          mend: "Delete the statement: D1 keeps indexes right.",
        },
      ];
    default:
      return [];
  }
}

function ineffective(node: Stmt, schema: Schema): readonly Fault[] {
  switch (node.type) {
    case "SelectStmt":
    case "ExplainStmt":
      return [{ rule: "no-effect", message: "The statement changes nothing.", mend: "Delete it." }];
    case "PragmaStmt":
      return key(node.name.objName.text) === "foreign_keys" && node.body !== undefined
        ? [
            {
              rule: "pragma-without-effect",
              message:
                "D1 accepts PRAGMA foreign_keys and keeps foreign keys on: DROP TABLE deletes what cascades from it.",
              mend: "Use PRAGMA defer_foreign_keys = on, which puts the check off to the end of the file (and does not stop cascades).",
            },
          ]
        : [];
    case "CreateTableStmt":
      return node.ifNotExists && schema.tables.has(key(node.tblName.objName.text))
        ? [
            {
              rule: "if-not-exists",
              message: `${node.tblName.objName.text} exists: it stays as it is, whatever its columns are.`,
              mend: "Change it with ALTER TABLE, or delete the statement.",
            },
          ]
        : [];
    case "CreateVirtualTableStmt":
      return [
        {
          rule: "virtual-table-export",
          message: "wrangler d1 export refuses a database that holds a virtual table.",
          mend: "Back up by other means, or keep it in a database of its own.",
        },
      ];
    default:
      return [];
  }
}

/** What a statement does to rows, and what it does not do although it looks like it. */
export function dataFaults(node: Stmt, schema: Schema): readonly Fault[] {
  const table = changed(node);
  return [
    ...(table === null ? [] : own(table)),
    ...rows(node, schema),
    ...subqueries(node, schema),
    ...ineffective(node, schema),
  ];
}
