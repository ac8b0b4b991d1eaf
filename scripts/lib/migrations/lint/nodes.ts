/** Walks syntax trees without recursion: hostile SQL may nest deeper than the stack is high. */
import type { AstNode, Expr } from "sqlite3-parser";

function isNode(value: unknown): value is AstNode {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function childrenOf(node: AstNode): AstNode[] {
  const children: AstNode[] = [];
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) children.push(...value.filter(isNode));
    else if (isNode(value)) children.push(value);
  }
  return children;
}

const LEAVES = new Set([
  "Id",
  "NumericLiteral",
  "StringLiteral",
  "BlobLiteral",
  "KeywordLiteral",
  "NullLiteral",
]);

/** Whether SQLite counts the node in the height of an expression; parentheses are free. */
function hasHeight({ type }: AstNode): boolean {
  return (type.endsWith("Expr") && type !== "ParenthesizedExpr") || LEAVES.has(type);
}

/** Every node below and at `root`, with how many expressions it is nested in, itself included. */
export function* nodesOf(root: AstNode): Generator<{ readonly node: AstNode; readonly depth: number }> {
  const open = [{ node: root, depth: hasHeight(root) ? 1 : 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    yield next;
    for (const child of childrenOf(next.node)) {
      open.push({ node: child, depth: next.depth + (hasHeight(child) ? 1 : 0) });
    }
  }
}

/** Strips parentheses around one expression. */
export function bare(expr: Expr): Expr {
  let inner = expr;
  while (inner.type === "ParenthesizedExpr" && inner.exprs.length === 1 && inner.exprs[0] !== undefined) {
    inner = inner.exprs[0];
  }
  return inner;
}

/** The parts of `a AND b AND …`. */
export function conjuncts(expr: Expr): readonly Expr[] {
  const parts: Expr[] = [];
  const open = [expr];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const inner = bare(next);
    if (inner.type === "BinaryExpr" && inner.op === "And") open.push(inner.left, inner.right);
    else parts.push(inner);
  }
  return parts;
}

/** Name of the column that an expression is; `null` when it is something else. */
export function columnOf(expr: Expr): string | null {
  const inner = bare(expr);
  switch (inner.type) {
    case "Id":
      return inner.name.toLowerCase();
    case "NameExpr":
      return inner.name.text.toLowerCase();
    case "QualifiedExpr":
      return inner.column.text.toLowerCase();
    default:
      return null;
  }
}
