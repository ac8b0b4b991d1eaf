/** The syntax tree as the analysis walks it: which children count, and what a node is called. */
import { type Node, visitorKeys } from "oxc-parser";

export type { Node } from "oxc-parser";

/** Children that hold types, which say nothing of what runs. */
const TYPE_KEYS: ReadonlySet<string> = new Set([
  "typeAnnotation",
  "typeParameters",
  "returnType",
  "typeArguments",
  "superTypeArguments",
  "implements",
]);

const VALUE_KEYS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(visitorKeys).map(([type, keys]) => [
    type,
    // `x as T`: the type is no key of its own there.
    type.startsWith("TS") && !type.endsWith("Expression") && type !== "TSTypeAssertion"
      ? keys
      : keys.filter((key) => !TYPE_KEYS.has(key)),
  ]),
);

const NO_KEYS: readonly string[] = [];

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}

/** Calls `visit` for each child that may run, in the order of the source. */
export function eachChild(node: Node, visit: (child: Node) => void): void {
  for (const key of VALUE_KEYS.get(node.type) ?? NO_KEYS) {
    const child: unknown = Reflect.get(node, key);
    if (Array.isArray(child)) {
      for (const item of child) if (isNode(item)) visit(item);
    } else if (isNode(child)) visit(child);
  }
}

/** A function with a body of its own. */
export type FunctionNode = Extract<
  Node,
  {
    type:
      | "FunctionDeclaration"
      | "FunctionExpression"
      | "ArrowFunctionExpression"
      | "TSDeclareFunction"
      | "TSEmptyBodyFunctionExpression";
  }
>;

export type ClassNode = Extract<Node, { type: "ClassDeclaration" | "ClassExpression" }>;
export type CallNode = Extract<Node, { type: "CallExpression" | "NewExpression" }>;

export function isFunction(node: Node): node is FunctionNode {
  return (
    node.type === "ArrowFunctionExpression" ||
    node.type === "FunctionExpression" ||
    node.type === "FunctionDeclaration"
  );
}

/** An expression without what only the type checker or the reader sees: `x as T`, `x!`, `(x)`, `a?.b` as a chain, `await x`. */
export function bare(node: Node): Node {
  let inner = node;
  for (;;) {
    switch (inner.type) {
      case "ParenthesizedExpression":
      case "ChainExpression":
      case "TSAsExpression":
      case "TSSatisfiesExpression":
      case "TSNonNullExpression":
      case "TSTypeAssertion":
      case "TSInstantiationExpression":
        inner = inner.expression;
        break;
      case "AwaitExpression":
        inner = inner.argument;
        break;
      default:
        return inner;
    }
  }
}

/** The name of a key that is written out; `null` of a computed one that is no string. */
export function keyName(key: Node, computed: boolean): string | null {
  if (key.type === "Literal") return typeof key.value === "string" ? key.value : String(key.value);
  if (key.type === "PrivateIdentifier") return `#${key.name}`;
  if (computed) {
    if (key.type === "TemplateLiteral" && key.expressions.length === 0) {
      return key.quasis[0]?.value.cooked ?? null;
    }
    return null;
  }
  return key.type === "Identifier" ? key.name : null;
}

/** The name by which a callee is called: `f` of `f()`, `m` of `a.b.m()`; `null` where there is none. */
export function calleeName(callee: Node): string | null {
  const node = bare(callee);
  if (node.type === "Identifier") return node.name;
  if (node.type === "MemberExpression") return keyName(node.property, node.computed);
  if (node.type === "Super") return "super";
  return null;
}
