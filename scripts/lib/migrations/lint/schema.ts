/**
 * The schema as the migrations leave it, statement by statement: what the linter needs to know
 * of tables, keys and indexes. Names are compared as SQLite does, without regard to case.
 */
import type {
  AlterTableStmt,
  ColumnDefinition,
  CreateTableStmt,
  CreateTriggerStmt,
  ForeignKeyClause,
  RefAct,
  SortedColumn,
  Stmt,
} from "sqlite3-parser";
import { columnOf } from "./nodes.ts";

export interface Column {
  readonly name: string;
  readonly notNull: boolean;
  /** Has a default other than NULL. */
  readonly hasDefault: boolean;
}

export interface ForeignKey {
  readonly parent: string;
  readonly onDelete: RefAct;
  readonly onUpdate: RefAct;
  /** Columns of the parent; `null` for its primary key. */
  readonly columns: readonly string[] | null;
}

export interface Table {
  /** As written; the key in the map is in small letters. */
  readonly name: string;
  /** `null` where they cannot be told (CREATE TABLE … AS, virtual tables). */
  readonly columns: readonly Column[] | null;
  /** Column sets that are unique: primary key and UNIQUE constraints. */
  readonly keys: readonly (readonly string[])[];
  readonly primaryKey: readonly string[];
  /** Column that is the rowid, beside `rowid` itself; `null` without one. */
  readonly integerKey: string | null;
  readonly foreignKeys: readonly ForeignKey[];
  /** Made in this run: no code that serves now knows it. */
  readonly fresh: boolean;
}

export interface Index {
  readonly table: string;
  readonly unique: boolean;
  /** Has a WHERE clause. */
  readonly partial: boolean;
  /** `null` for an expression. */
  readonly columns: readonly (string | null)[];
  readonly fresh: boolean;
}

export interface Trigger {
  /** Tables into which it inserts without naming the columns. */
  readonly fills: readonly string[];
  readonly fresh: boolean;
}

export interface Schema {
  readonly tables: ReadonlyMap<string, Table>;
  readonly indexes: ReadonlyMap<string, Index>;
  /** By name, with whether they are fresh. */
  readonly views: ReadonlyMap<string, boolean>;
  readonly triggers: ReadonlyMap<string, Trigger>;
  /** What the code that serves now knows and this run has dropped or renamed. */
  readonly gone: { readonly tables: ReadonlySet<string>; readonly indexes: ReadonlyMap<string, Index> };
}

interface Draft {
  readonly tables: Map<string, Table>;
  readonly indexes: Map<string, Index>;
  readonly views: Map<string, boolean>;
  readonly triggers: Map<string, Trigger>;
  readonly gone: { readonly tables: Set<string>; readonly indexes: Map<string, Index> };
}

export const key = (name: string): string => name.toLowerCase();

function draftOf({ tables, indexes, views, triggers, gone }: Schema): Draft {
  return {
    tables: new Map(tables),
    indexes: new Map(indexes),
    views: new Map(views),
    triggers: new Map(triggers),
    gone: { tables: new Set(gone.tables), indexes: new Map(gone.indexes) },
  };
}

export const EMPTY_SCHEMA: Schema = {
  tables: new Map(),
  indexes: new Map(),
  views: new Map(),
  triggers: new Map(),
  gone: { tables: new Set(), indexes: new Map() },
};

/** The same schema once it serves: nothing in it is fresh. */
export function served(schema: Schema): Schema {
  const known = <T extends { readonly fresh: boolean }>(all: ReadonlyMap<string, T>): Map<string, T> =>
    new Map([...all].map(([name, one]) => [name, { ...one, fresh: false }]));
  return {
    tables: known(schema.tables),
    indexes: known(schema.indexes),
    views: new Map([...schema.views.keys()].map((name) => [name, false])),
    triggers: known(schema.triggers),
    gone: EMPTY_SCHEMA.gone,
  };
}

/** Whether the code that serves now may use a table; one that no migration made may be used by anyone. */
export function isLive({ tables }: Schema, table: string): boolean {
  return tables.get(key(table))?.fresh !== true;
}

/** The names by which a table's rowid can be called. */
export function rowidNames(table: Table | undefined): readonly string[] {
  const names = ["rowid", "_rowid_", "oid"];
  const alias = table?.integerKey ?? null;
  return alias === null ? names : [...names, alias];
}

/** Column sets of a table that no two rows share, those of its unique indexes included. */
export function uniqueKeys(schema: Schema, table: string): readonly (readonly string[])[] {
  const found = schema.tables.get(key(table));
  const indexed = [...schema.indexes.values()]
    .filter((index) => index.table === key(table) && index.unique && !index.partial)
    .map(({ columns }) => columns);
  // A key over an expression says nothing of its other columns.
  const plain = (columns: readonly (string | null)[]): columns is readonly string[] =>
    columns.length > 0 && !columns.includes(null);
  return [...(found?.keys ?? []), ...indexed].filter(plain).concat(rowidNames(found).map((id) => [id]));
}

export interface ColumnShape extends Column {
  readonly primaryKey: boolean;
  readonly unique: boolean;
  readonly generated: "stored" | "virtual" | null;
  readonly checks: number;
  readonly foreignKey: ForeignKey | null;
  readonly defaultExpr: ColumnDefaultExpr | null;
}

type ColumnDefaultExpr = Extract<
  ColumnDefinition["constraints"][number]["constraint"],
  { type: "DefaultColumnConstraint" }
>["expr"];

export function foreignKeyOf(clause: ForeignKeyClause): ForeignKey {
  const onDelete = clause.args.findLast((arg) => arg.type === "OnDeleteRefArg");
  const onUpdate = clause.args.findLast((arg) => arg.type === "OnUpdateRefArg");
  return {
    parent: clause.tblName.text,
    onDelete: onDelete?.action ?? "NoAction",
    onUpdate: onUpdate?.action ?? "NoAction",
    columns: clause.columns?.map(({ colName }) => key(colName.text)) ?? null,
  };
}

/** What a column definition says. */
export function shapeOf({ colName, constraints }: ColumnDefinition): ColumnShape {
  const all = constraints.map(({ constraint }) => constraint);
  const defaultExpr = all.find((one) => one.type === "DefaultColumnConstraint")?.expr ?? null;
  const generated = all.find((one) => one.type === "GeneratedColumnConstraint");
  const foreignKey = all.find((one) => one.type === "ForeignKeyColumnConstraint");
  return {
    name: key(colName.text),
    notNull: all.some((one) => one.type === "NotNullColumnConstraint" && !one.nullable),
    hasDefault: defaultExpr !== null && defaultExpr.type !== "NullLiteral",
    primaryKey: all.some((one) => one.type === "PrimaryKeyColumnConstraint"),
    unique: all.some((one) => one.type === "UniqueColumnConstraint"),
    generated:
      generated === undefined ? null : key(generated.typ?.name ?? "") === "stored" ? "stored" : "virtual",
    checks: all.filter((one) => one.type === "CheckColumnConstraint").length,
    foreignKey: foreignKey === undefined ? null : foreignKeyOf(foreignKey.clause),
    defaultExpr,
  };
}

/** The columns of a key; `null` for an expression. */
export const sortedColumns = (columns: readonly SortedColumn[]): readonly (string | null)[] =>
  columns.map(({ expr }) => columnOf(expr.type === "CollateExpr" ? expr.expr : expr));

const UNKNOWN = { columns: null, keys: [], primaryKey: [], integerKey: null, foreignKeys: [] } as const;

/** What a CREATE TABLE makes. */
export function tableOf({ tblName, body }: CreateTableStmt): Omit<Table, "fresh"> {
  const { text: name } = tblName.objName;
  if (body.type === "AsSelectCreateTableBody") {
    return { name, ...UNKNOWN };
  }
  const columns = body.columns.map(shapeOf);
  const constraints = (body.constraints ?? []).map(({ constraint }) => constraint);
  const keyed = constraints.filter(
    (one) => one.type === "PrimaryKeyTableConstraint" || one.type === "UniqueTableConstraint",
  );
  const primary = [
    ...columns.filter(({ primaryKey }) => primaryKey).map((column) => [column.name]),
    ...keyed
      .filter(({ type }) => type === "PrimaryKeyTableConstraint")
      .map((one) => sortedColumns(one.columns)),
  ].at(0);
  const [only, ...others] = primary ?? [];
  const isInteger = body.columns.some(
    ({ colName, colType }) => key(colName.text) === only && key(colType?.name ?? "") === "integer",
  );
  const keys = [
    ...columns.filter(({ primaryKey, unique }) => primaryKey || unique).map((column) => [column.name]),
    ...keyed.map((one) => sortedColumns(one.columns).filter((column) => column !== null)),
  ];
  return {
    name,
    columns: columns.map(({ name: column, notNull, hasDefault }) => ({ name: column, notNull, hasDefault })),
    keys,
    primaryKey: (primary ?? []).filter((column) => column !== null),
    integerKey: others.length === 0 && isInteger ? (only ?? null) : null,
    foreignKeys: [
      ...columns.flatMap(({ foreignKey }) => (foreignKey === null ? [] : [foreignKey])),
      ...constraints.flatMap((one) =>
        one.type === "ForeignKeyTableConstraint" ? [foreignKeyOf(one.clause)] : [],
      ),
    ],
  };
}

function filledBy({ commands }: CreateTriggerStmt): readonly string[] {
  return commands.flatMap((command) =>
    command.type === "InsertTriggerCmd" && command.colNames === undefined
      ? [key(command.tblName.objName.text)]
      : [],
  );
}

function dropTable(draft: Draft, name: string): void {
  const table = draft.tables.get(name);
  if (table?.fresh !== true) draft.gone.tables.add(name);
  draft.tables.delete(name);
  for (const [indexName, index] of draft.indexes) {
    if (index.table === name) dropIndex(draft, indexName);
  }
}

function dropIndex(draft: Draft, name: string): void {
  const index = draft.indexes.get(name);
  if (index !== undefined && !index.fresh) draft.gone.indexes.set(name, index);
  draft.indexes.delete(name);
}

function renameTable(draft: Draft, from: string, to: string): void {
  const table = draft.tables.get(key(from));
  if (table === undefined) return;
  if (!table.fresh) draft.gone.tables.add(key(from));
  draft.tables.delete(key(from));
  // A table that takes the name of one that served is the one that the serving code meets.
  draft.tables.set(key(to), { ...table, name: to, fresh: table.fresh && !draft.gone.tables.has(key(to)) });
  for (const [name, index] of draft.indexes) {
    if (index.table === key(from)) draft.indexes.set(name, { ...index, table: key(to) });
  }
  for (const [name, other] of draft.tables) {
    const foreignKeys = other.foreignKeys.map((foreign) =>
      key(foreign.parent) === key(from) ? { ...foreign, parent: to } : foreign,
    );
    draft.tables.set(name, { ...other, foreignKeys });
  }
}

function alterTable(draft: Draft, { tblName, body }: AlterTableStmt): void {
  const name = key(tblName.objName.text);
  const table = draft.tables.get(name);
  if (table === undefined) return;
  const columns = table.columns ?? [];
  switch (body.type) {
    case "RenameToAlterTableBody":
      renameTable(draft, table.name, body.name.text);
      return;
    case "AddColumnAlterTableBody": {
      const { name: column, notNull, hasDefault, foreignKey } = shapeOf(body.column);
      draft.tables.set(name, {
        ...table,
        columns: [...columns, { name: column, notNull, hasDefault }],
        foreignKeys: [...table.foreignKeys, ...(foreignKey === null ? [] : [foreignKey])],
      });
      return;
    }
    case "DropColumnAlterTableBody": {
      const left = columns.filter((column) => column.name !== key(body.column.text));
      draft.tables.set(name, { ...table, columns: left });
      return;
    }
    case "RenameColumnAlterTableBody": {
      const renamed = (column: string): string =>
        column === key(body.old.text) ? key(body.new.text) : column;
      draft.tables.set(name, {
        ...table,
        columns: columns.map((column) => ({ ...column, name: renamed(column.name) })),
        keys: table.keys.map((set) => set.map(renamed)),
        primaryKey: table.primaryKey.map(renamed),
        integerKey: table.integerKey === null ? null : renamed(table.integerKey),
      });
      return;
    }
    default:
      // Constraints cannot be altered in D1.
      return;
  }
}

function apply(draft: Draft, node: Stmt): void {
  switch (node.type) {
    case "CreateTableStmt": {
      const name = key(node.tblName.objName.text);
      if (draft.tables.has(name)) return;
      draft.tables.set(name, { ...tableOf(node), fresh: !draft.gone.tables.has(name) });
      return;
    }
    case "CreateVirtualTableStmt": {
      const { text } = node.tblName.objName;
      if (draft.tables.has(key(text))) return;
      draft.tables.set(key(text), { name: text, ...UNKNOWN, fresh: !draft.gone.tables.has(key(text)) });
      return;
    }
    case "CreateIndexStmt":
      draft.indexes.set(key(node.idxName.objName.text), {
        table: key(node.tblName.text),
        unique: node.unique,
        partial: node.whereClause !== undefined,
        columns: sortedColumns(node.columns),
        fresh: true,
      });
      return;
    case "CreateViewStmt":
      draft.views.set(key(node.viewName.objName.text), true);
      return;
    case "CreateTriggerStmt":
      draft.triggers.set(key(node.triggerName.objName.text), { fills: filledBy(node), fresh: true });
      return;
    case "DropTableStmt":
      dropTable(draft, key(node.tblName.objName.text));
      return;
    case "DropIndexStmt":
      dropIndex(draft, key(node.idxName.objName.text));
      return;
    case "DropViewStmt":
      draft.views.delete(key(node.viewName.objName.text));
      return;
    case "DropTriggerStmt":
      draft.triggers.delete(key(node.triggerName.objName.text));
      return;
    case "AlterTableStmt":
      alterTable(draft, node);
      return;
    default:
      return;
  }
}

/**
 * Lets statements pass over a schema, which stays as it was.
 * @param each called before each statement takes effect, with the schema of that moment
 */
export function pass(
  schema: Schema,
  statements: readonly { readonly node: Stmt }[],
  each: (index: number, before: Schema) => void = () => {},
): Schema {
  const draft = draftOf(schema);
  statements.forEach(({ node }, index) => {
    each(index, draft);
    apply(draft, node);
  });
  return draft;
}
