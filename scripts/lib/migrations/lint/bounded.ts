/** Whether a statement touches a number of rows that does not grow with the table. */
import type { AstNode, Expr, FromClause, OneSelect, Select, SelectTable, With } from "sqlite3-parser";
import { bare, columnOf, conjuncts, nodesOf } from "./nodes.ts";
import { isLive, key, rowidNames, uniqueKeys, type Schema } from "./schema.ts";

/** Rows that one statement may name. */
export const MAX_ROWS = 10_000n;

/** An integer as it is written; `null` for everything else, whatever its value may be. */
function integerOf(expr: Expr): bigint | null {
  const inner = bare(expr);
  if (inner.type === "UnaryExpr" && (inner.op === "Negative" || inner.op === "Positive")) {
    const value = integerOf(inner.expr);
    return value === null || inner.op === "Positive" ? value : -value;
  }
  if (inner.type !== "NumericLiteral" || !/^\d[\d_]*$/.test(inner.value)) return null;
  return BigInt(inner.value.replaceAll("_", ""));
}

/**
 * The name by which a query calls its table: what is called by another belongs to a query, or a
 * trigger, around it. `null` where there is none around it.
 */
type Name = string | null;

const isOuter = (table: string, name: Name): boolean => name !== null && key(table) !== key(name);

/** Whether an expression has one value for the whole query. */
function isFixed(expr: Expr, name: Name): boolean {
  for (const { node } of nodesOf(expr)) {
    if (node.type === "Id" || node.type === "NameExpr") return false;
    if (node.type === "QualifiedExpr" && !isOuter(node.table.text, name)) return false;
    if (node.type === "SubqueryExpr" || node.type === "ExistsExpr") return false;
  }
  return true;
}

/** A LIMIT that says a number of rows, and not too many: a negative one is none. */
function hasLimit({ limit }: Select): boolean {
  const rows = limit === undefined ? null : integerOf(limit.expr);
  return rows !== null && rows >= 0n && rows <= MAX_ROWS;
}

const AGGREGATES = new Set(["avg", "count", "group_concat", "max", "min", "string_agg", "sum", "total"]);

/** Whether a query reads its rows to the end before it gives the first. */
function gathers({ select }: Select): boolean {
  if (select.type !== "SelectFrom") return false;
  if (select.groupBy !== undefined || select.having !== undefined) return true;
  return select.columns.some((column) =>
    [...nodesOf(column)].some(
      ({ node }) =>
        (node.type === "FunctionCallExpr" || node.type === "FunctionCallStarExpr") &&
        (AGGREGATES.has(key(node.name.name)) || /^jsonb?_group_/i.test(node.name.name)),
    ),
  );
}

interface Pins {
  /** Columns that may have a stated number of values. */
  readonly equal: ReadonlySet<string>;
  /** The least and the greatest value that is written. */
  readonly from: ReadonlyMap<string, bigint>;
  readonly to: ReadonlyMap<string, bigint>;
}

function pinsOf(where: Expr, name: Name): Pins {
  const equal = new Set<string>();
  const from = new Map<string, bigint>();
  const to = new Map<string, bigint>();
  const own = (expr: Expr): string | null => {
    const inner = bare(expr);
    return inner.type === "QualifiedExpr" && isOuter(inner.table.text, name) ? null : columnOf(inner);
  };
  const compare = (column: string | null, op: string, value: Expr): void => {
    if (column === null || !isFixed(value, name)) return;
    if (op === "Equals" || (op === "Is" && value.type !== "NullLiteral")) equal.add(column);
    const bound = integerOf(value);
    if (bound === null) return;
    if (op === "Greater" || op === "GreaterEquals") from.set(column, bound);
    if (op === "Less" || op === "LessEquals") to.set(column, bound);
  };
  const mirrored: Readonly<Record<string, string>> = {
    Greater: "Less",
    GreaterEquals: "LessEquals",
    Less: "Greater",
    LessEquals: "GreaterEquals",
  };
  for (const part of conjuncts(where)) {
    if (part.type === "BinaryExpr") {
      compare(own(part.left), part.op, part.right);
      compare(own(part.right), mirrored[part.op] ?? part.op, part.left);
    }
    if (part.type === "BetweenExpr" && !part.not) {
      compare(own(part.lhs), "GreaterEquals", part.start);
      compare(own(part.lhs), "LessEquals", part.end);
    }
    const column = part.type === "InListExpr" || part.type === "InSelectExpr" ? own(part.lhs) : null;
    if (column === null) continue;
    if (part.type === "InListExpr" && !part.not && (part.rhs ?? []).every((one) => isFixed(one, name))) {
      equal.add(column);
    }
    if (part.type === "InSelectExpr" && !part.not && hasLimit(part.rhs)) equal.add(column);
  }
  return { equal, from, to };
}

/**
 * Whether a WHERE clause names a bounded number of rows: it fixes all columns of a unique key,
 * or keeps the rowid between two integers that are at most `MAX_ROWS` apart.
 * @param name what the query calls the table, where other tables are around it
 */
export function isBounded(
  schema: Schema,
  table: string,
  where: Expr | undefined,
  name: Name = null,
): boolean {
  if (where === undefined) return false;
  const { equal, from, to } = pinsOf(where, name);
  if (uniqueKeys(schema, table).some((columns) => columns.every((column) => equal.has(column)))) return true;
  return rowidNames(schema.tables.get(key(table))).some((column) => {
    const [low, high] = [from.get(column), to.get(column)];
    return low !== undefined && high !== undefined && high - low <= MAX_ROWS;
  });
}

function tablesOf(from: FromClause | undefined): readonly SelectTable[] {
  if (from === undefined) return [];
  const joined = (from.joins ?? []).map(({ table }) => table);
  return from.select === undefined ? joined : [from.select, ...joined];
}

/**
 * A table of the serving code that a query may read as a whole; `null` when there is none.
 * Subqueries in its expressions are not looked at, see `scannedInside`.
 * @param around the WITH clauses that it stands in, by the names that they give
 */
export function scannedTable(
  schema: Schema,
  select: Select,
  around: ReadonlyMap<string, Select> = new Map(),
): string | null {
  const ctes = new Set<string>();
  const used = new Set<string>();
  const open: Select[] = [select];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (hasLimit(next) && !gathers(next)) continue;
    for (const cte of next.with?.ctes ?? []) {
      ctes.add(key(cte.tblName.text));
      open.push(cte.select);
    }
    const arms: OneSelect[] = [next.select, ...(next.compounds ?? []).map((compound) => compound.select)];
    for (const arm of arms) {
      if (arm.type !== "SelectFrom") continue;
      const sources = [...tablesOf(arm.from)];
      const alone = sources.length === 1;
      for (let source = sources.pop(); source !== undefined; source = sources.pop()) {
        if (source.type === "SelectSelectTable") open.push(source.select);
        if (source.type === "SubSelectTable") sources.push(...tablesOf(source.from));
        if (source.type !== "TableSelectTable") continue;
        const { text } = source.tblName.objName;
        const given = around.get(key(text));
        if (given !== undefined && !used.has(key(text))) open.push(given);
        used.add(key(text));
        if (given !== undefined || ctes.has(key(text)) || !isLive(schema, text)) continue;
        if (!alone || !isBounded(schema, text, arm.whereClause, source.alias?.name.text ?? text)) return text;
      }
    }
  }
  return null;
}

/** EXISTS ends at the first row: it reads far only where a condition or a join may find none. */
function endsAtOnce(select: Select, around: ReadonlyMap<string, Select>): boolean {
  if (gathers(select) || (select.compounds ?? []).length > 0 || select.select.type !== "SelectFrom") {
    return false;
  }
  const { from, whereClause } = select.select;
  const [source, ...others] = tablesOf(from);
  return (
    whereClause === undefined &&
    others.length === 0 &&
    source?.type === "TableSelectTable" &&
    !around.has(key(source.tblName.objName.text))
  );
}

/**
 * A table of the serving code that a subquery in an expression may read as a whole; `null` when
 * there is none.
 * @param root the expression, or a query with all of its expressions
 */
export function scannedInside(schema: Schema, root: AstNode, outer: With | undefined): string | null {
  const inside = [...nodesOf(root)].map(({ node }) => node);
  const around = new Map(
    [...inside.filter((node) => node.type === "With"), ...(outer === undefined ? [] : [outer])].flatMap(
      ({ ctes }) => ctes.map((cte) => [key(cte.tblName.text), cte.select] as const),
    ),
  );
  for (const node of inside) {
    let scanned: string | null = null;
    if (node.type === "SubqueryExpr") scanned = scannedTable(schema, node.select, around);
    if (node.type === "InSelectExpr") scanned = scannedTable(schema, node.rhs, around);
    if (node.type === "ExistsExpr" && !endsAtOnce(node.select, around)) {
      scanned = scannedTable(schema, node.select, around);
    }
    if (scanned !== null) return scanned;
  }
  return null;
}
